-- COLLATE "C": keys are in the order of their bytes, as in SQLite, whatever the server's locale.
CREATE TABLE records (
    collection TEXT COLLATE "C" NOT NULL,
    key        TEXT COLLATE "C" NOT NULL,
    -- Counts deletions too, and is kept after one: a version that came back would let a
    -- writer who has read the first record overwrite the second (the ABA problem).
    version    BIGINT           NOT NULL,
    -- JSON text, as it came; NULL where the record was deleted.
    value      TEXT,
    PRIMARY KEY (collection, key)
);

-- The answers given to writes that had an idempotency key, kept with the write itself.
CREATE TABLE answers (
    idempotency_key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    -- SHA-256 of what was asked.
    fingerprint     BYTEA            NOT NULL,
    version         BIGINT           NOT NULL,
    -- Whether the record was new or replaced.
    created         BOOLEAN          NOT NULL,
    written_at_ms   BIGINT           NOT NULL
);

CREATE INDEX answers_by_age ON answers (written_at_ms);
