CREATE TABLE accounts (
    id            TEXT NOT NULL PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
);

-- What somebody may do besides what everybody may.
CREATE TABLE account_roles (
    account TEXT NOT NULL REFERENCES accounts (id),
    role    TEXT NOT NULL,
    PRIMARY KEY (account, role)
);

CREATE TABLE signing_keys (
    -- Keys are numbered as they come.
    place         BIGINT NOT NULL PRIMARY KEY,
    pkcs8         BYTEA NOT NULL,
    created_at_ms BIGINT NOT NULL,
    -- The longest lifetime of the tokens that a key may have signed.
    lifetime_s    BIGINT NOT NULL
);

CREATE TABLE revocations (
    -- In the order of the commits: who has read up to one of them has missed none before it.
    sequence     BIGINT NOT NULL PRIMARY KEY,
    token_id     BYTEA NOT NULL UNIQUE,
    expires_at_s BIGINT NOT NULL
);

-- One row: what the replicas have agreed on. Who changes it has their turn until the commit.
CREATE TABLE agreement (
    one             BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    last_revocation BIGINT NOT NULL,
    -- The longest lease that any replica has ever had.
    lease_ms        BIGINT NOT NULL
);
INSERT INTO agreement VALUES (1, 0, 0);
