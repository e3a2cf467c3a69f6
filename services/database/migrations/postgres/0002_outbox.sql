-- What the audit log is still to hear of, written with the change itself. Two changes of one
-- record wait for each other, so their order is that of their numbers.
CREATE TABLE outbox (
    id         BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Events of one record are delivered in their order.
    collection TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    version    BIGINT  NOT NULL,
    actor      TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    -- Whether the audit log will not have it: somebody must look at it.
    refused    BOOLEAN NOT NULL DEFAULT FALSE
);

-- Which replica delivers, and until when it may.
CREATE TABLE courier (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    holder   TEXT    NOT NULL,
    until_ms BIGINT  NOT NULL
);

INSERT INTO courier VALUES (1, '', 0);
