//! Contract of the audit service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/events`: something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// The event's own key: the same key is recorded once, however often it is sent.
    #[schema(pattern = "^[!-~]{1,256}$")]
    pub key: String,
    /// Who did it: a user's identifier; `-` where nobody is known.
    #[schema(pattern = "^[!-~]{1,128}$")]
    pub actor: String,
    /// What was done, for example `page.read`.
    #[schema(pattern = "^[!-~]{1,128}$")]
    pub action: String,
}

/// An event as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The event's place in the log, from 1, without gaps.
    #[schema(minimum = 1)]
    pub sequence: u64,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub recorded_at_ms: u64,
    /// The event's own key.
    #[schema(pattern = "^[!-~]{1,256}$")]
    pub key: String,
    /// Who did it.
    #[schema(pattern = "^[!-~]{1,128}$")]
    pub actor: String,
    /// What was done.
    #[schema(pattern = "^[!-~]{1,128}$")]
    pub action: String,
    /// SHA-256 over the previous event's hash and this event, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
}

/// `GET /v1/events?after=0&limit=100`: a page of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// In the order of their sequence.
    #[schema(max_items = 1000)]
    pub events: Vec<Event>,
}

/// `GET /v1/verify`: whether every event is as it was recorded, and none is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// How many events were checked and found good.
    pub events: u64,
    /// Whether that is all of them.
    pub intact: bool,
    /// The hash of the last event, where all are good: whoever keeps it can ask later whether
    /// the log still leads through it, or was written anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[0-9a-f]{64}$")]
    pub head: Option<String>,
    /// The first sequence at which the log is not as it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    pub broken_at: Option<u64>,
}
