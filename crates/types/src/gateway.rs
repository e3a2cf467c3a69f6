//! Contract of the gateway: what clients see.

use crate::{Content, database::Record, profile::Profile};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /v1/me`: the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// Whose page it is.
    pub profile: Profile,
    /// What is on it.
    pub records: Vec<Record>,
    /// Whether a part is missing because a service that could be left out failed.
    pub degraded: bool,
}

/// `PUT /v1/me`: writes one record of the user's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutMe {
    /// The key of a record that is on the page.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    pub key: String,
    /// The new content.
    pub value: Content,
}
