-- Events that wait to be delivered to the audit log; `key` names the event there.
CREATE TABLE queue (
    id     INTEGER PRIMARY KEY,
    key    TEXT NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    -- The audit log will never take it: kept for people to look at.
    refused INTEGER NOT NULL DEFAULT 0
) STRICT;
