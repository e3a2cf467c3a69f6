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
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    hash     BLOB    NOT NULL
) STRICT;

INSERT INTO head VALUES (1, 0, zeroblob(32));

-- Whoever may write here by mistake is stopped. Whoever means to can drop these first, and is
-- found out by the hashes.
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END;
