-- `user` is a word of the language here, so it is `owner`.
CREATE TABLE profiles (
    owner        TEXT   NOT NULL PRIMARY KEY,
    display_name TEXT   NOT NULL,
    language     TEXT   NOT NULL,
    -- Where the records of the user's page are.
    collection   TEXT   NOT NULL,
    -- What is on the page, in the order in which it is shown.
    record_keys  TEXT[] NOT NULL,
    -- Counts the writes of the profile and of its page, from 1.
    version      BIGINT NOT NULL
);
