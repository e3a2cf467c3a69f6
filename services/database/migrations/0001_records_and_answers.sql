CREATE TABLE records (
    collection TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    -- JSON text.
    value      TEXT    NOT NULL,
    PRIMARY KEY (collection, key)
) STRICT, WITHOUT ROWID;

-- The answers given to writes that had an idempotency key, kept with the write itself.
CREATE TABLE answers (
    idempotency_key TEXT    NOT NULL PRIMARY KEY,
    -- SHA-256 of what was asked.
    fingerprint     BLOB    NOT NULL,
    version         INTEGER NOT NULL,
    written_at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX answers_by_age ON answers (written_at_ms);
