-- What the audit log is still to hear of, written with the change itself.
CREATE TABLE outbox (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Events of one record are delivered in their order.
    collection TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    -- Whether the audit log will not have it (1): somebody must look at it.
    refused    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Which replica delivers, and until when it may.
CREATE TABLE courier (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    holder   TEXT    NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

INSERT INTO courier VALUES (1, '', 0);
