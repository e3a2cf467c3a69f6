ALTER TABLE signing_keys ADD COLUMN created_at_ms INTEGER NOT NULL DEFAULT 0;
-- The longest lifetime of the tokens that a key may have signed.
ALTER TABLE signing_keys ADD COLUMN lifetime_s INTEGER NOT NULL DEFAULT 0;

-- What somebody may do besides what everybody may.
CREATE TABLE account_roles (
    account TEXT NOT NULL REFERENCES accounts (id),
    role    TEXT NOT NULL,
    PRIMARY KEY (account, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
    -- In the order of the commits: who has read up to one of them has missed none before it.
    sequence     INTEGER NOT NULL PRIMARY KEY,
    token_id     BLOB NOT NULL UNIQUE,
    expires_at_s INTEGER NOT NULL
) STRICT;

-- One row: what the replicas have agreed on. Who changes it has their turn until the commit.
CREATE TABLE agreement (
    one             INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    last_revocation INTEGER NOT NULL,
    -- The longest lease that any replica has ever had.
    lease_ms        INTEGER NOT NULL
) STRICT;
INSERT INTO agreement VALUES (1, 0, 0);
