CREATE TABLE events (
    sequence       INTEGER NOT NULL PRIMARY KEY,
    recorded_at_ms INTEGER NOT NULL,
    key            TEXT    NOT NULL UNIQUE,
    actor          TEXT    NOT NULL,
    action         TEXT    NOT NULL,
    hash           BLOB    NOT NULL
) STRICT;

-- The last event. Without it, nobody could tell that events at the end are missing.
CREATE TABLE head (
    only     INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    sequence INTEGER NOT NULL,
    hash     BLOB    NOT NULL
) STRICT;

INSERT INTO head VALUES (1, 0, zeroblob(32));
