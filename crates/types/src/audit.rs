//! Contract of the audit service.

use serde::{Deserialize, Serialize};

/// `POST /v1/events`: something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// The event's own key: the same key is recorded once, however often it is sent.
    pub key: String,
    /// Who did it: a user's identifier.
    pub actor: String,
    /// What was done, for example `page.read`.
    pub action: String,
}

/// An event as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's place in the log, from 1, without gaps.
    pub sequence: u64,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub recorded_at_ms: u64,
    /// The event's own key.
    pub key: String,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// SHA-256 over the previous event's hash and this event, in hexadecimal.
    pub hash: String,
}

/// `GET /v1/events?after=0&limit=100`: a page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// In the order of their sequence.
    pub events: Vec<Event>,
}

/// `GET /v1/verify`: whether every event is as it was recorded, and none is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// How many events were checked and found good.
    pub events: u64,
    /// Whether that is all of them.
    pub intact: bool,
    /// The hash of the last event, where all are good: whoever keeps it can tell later
    /// whether the whole log was written anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The first sequence at which the log is not as it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<u64>,
}
