//! Contract of the relay.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/relay`: the answer of a relay, after those it calls have answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Relayed {
    /// The relay's name.
    pub service: String,
    /// How many services answered in all, this one included.
    pub hops: u32,
    /// The services that failed and could be left out, here or further down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub missing: Vec<String>,
}
