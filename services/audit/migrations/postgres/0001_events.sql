CREATE TABLE events (
    sequence       BIGINT           NOT NULL PRIMARY KEY,
    recorded_at_ms BIGINT           NOT NULL,
    key            TEXT COLLATE "C" NOT NULL UNIQUE,
    actor          TEXT             NOT NULL,
    action         TEXT             NOT NULL,
    hash           BYTEA            NOT NULL
);

-- The last event. Without it, nobody could tell that events at the end are missing. Whoever
-- appends locks it, so that there is one who does.
CREATE TABLE head (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sequence BIGINT  NOT NULL,
    hash     BYTEA   NOT NULL
);

INSERT INTO head VALUES (1, 0, decode(repeat('00', 32), 'hex'));

-- Whoever may write here by mistake is stopped. Whoever means to can drop this first, and is
-- found out by the hashes.
CREATE FUNCTION refuse_to_change_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an event is never changed or deleted';
END
$$;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_events();
