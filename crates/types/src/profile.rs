//! Contract of the profile service.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A user's profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// The user's identifier.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,47}$")]
    pub user: String,
    /// The name shown to people.
    #[schema(min_length = 1, max_length = 100)]
    pub display_name: String,
    /// BCP 47 language tag.
    #[schema(max_length = 35, pattern = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
    pub language: String,
}

/// `GET /v1/profiles/{user}/view`: the profile, and what the user's page consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct View {
    /// The user's profile.
    pub profile: Profile,
    /// The collection in which the page's records are kept.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    pub collection: String,
    /// The keys of the page's records, in the order in which they are shown.
    #[schema(max_items = 100)]
    pub keys: Vec<String>,
}

/// `PUT /v1/profiles/{user}`: what a user may change of their profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutProfile {
    /// The name shown to people: not all of it blank, and without control characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub display_name: String,
    /// BCP 47 language tag.
    #[schema(max_length = 35, pattern = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
    pub language: String,
}

/// `GET` and `PUT /v1/profiles/{user}/page`: what the user's page consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The collection in which its records are kept.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    pub collection: String,
    /// The keys of its records, each once, in the order in which they are shown.
    #[schema(schema_with = keys)]
    pub keys: Vec<String>,
}

/// The derived schema can't say that each comes once.
fn keys() -> utoipa::openapi::schema::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(crate::NAME_PATTERN));
    ArrayBuilder::new()
        .items(key)
        .max_items(Some(100))
        .unique_items(true)
        .build()
}
