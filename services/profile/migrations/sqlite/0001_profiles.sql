CREATE TABLE profiles (
    user         TEXT    NOT NULL PRIMARY KEY,
    display_name TEXT    NOT NULL,
    language     TEXT    NOT NULL,
    -- Where the records of the user's page are.
    collection   TEXT    NOT NULL,
    -- Counts the writes of the profile and of its page, from 1.
    version      INTEGER NOT NULL
) STRICT;

-- What is on the page, in the order in which it is shown.
CREATE TABLE page_records (
    user       TEXT    NOT NULL REFERENCES profiles (user) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    record_key TEXT    NOT NULL,
    PRIMARY KEY (user, position)
) STRICT, WITHOUT ROWID;
