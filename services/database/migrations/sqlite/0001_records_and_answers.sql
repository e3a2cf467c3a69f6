CREATE TABLE records (
    collection TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    -- Counts deletions too, and is kept after one: a version that came back would let a
    -- writer who has read the first record overwrite the second (the ABA problem).
    version    INTEGER NOT NULL,
    -- JSON text; NULL where the record was deleted.
    value      TEXT,
    PRIMARY KEY (collection, key)
) STRICT, WITHOUT ROWID;

-- The answers given to writes that had an idempotency key, kept with the write itself.
CREATE TABLE answers (
    idempotency_key TEXT    NOT NULL PRIMARY KEY,
    -- SHA-256 of what was asked.
    fingerprint     BLOB    NOT NULL,
    version         INTEGER NOT NULL,
    -- Whether the record was new (1) or replaced (0).
    created         INTEGER NOT NULL,
    written_at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX answers_by_age ON answers (written_at_ms);
