//! Contract of the profile service.

use serde::{Deserialize, Serialize};

/// A user's profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user's identifier.
    pub user: String,
    /// The name shown to people.
    pub display_name: String,
    /// BCP 47 language tag.
    pub language: String,
}

/// `GET /v1/profiles/{user}/view`: the profile, and what the user's page consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The user's profile.
    pub profile: Profile,
    /// The collection in which the page's records are kept.
    pub collection: String,
    /// The keys of the page's records, in the order in which they are shown.
    pub keys: Vec<String>,
}

/// `PUT /v1/profiles/{user}`: what a user may change of their profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    /// The name shown to people: 1 to 100 characters.
    pub display_name: String,
    /// BCP 47 language tag.
    pub language: String,
}
