//! Contract of the relay.

use serde::{Deserialize, Serialize};

/// `GET /v1/relay`: the answer of a relay, after those it calls have answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relayed {
    /// The relay's name.
    pub service: String,
    /// How many services answered in all, this one included.
    pub hops: u32,
}
