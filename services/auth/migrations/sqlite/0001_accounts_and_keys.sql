CREATE TABLE accounts (
    id            TEXT NOT NULL PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
) STRICT;

CREATE TABLE signing_keys (
    -- Keys are numbered as they come: the last one signs, all of them verify.
    place INTEGER NOT NULL PRIMARY KEY,
    pkcs8 BLOB NOT NULL
) STRICT;
