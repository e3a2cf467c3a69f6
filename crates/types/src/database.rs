//! Contract of the database service.

use crate::Content;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A record: a JSON value under a collection and a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// The collection.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    pub collection: String,
    /// The key, unique in its collection.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    pub key: String,
    /// Counts what was done to this key, deletions too, from 1: no version comes twice.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The content.
    pub value: Content,
}

/// `GET /v1/records/{collection}`: those of the records named by `keys` that exist, or a page
/// of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Records {
    /// In the order of the keys asked for; of a page, in the order of their keys.
    #[schema(max_items = 100)]
    pub records: Vec<Record>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^([2-7][0-9a-f]){1,64}$")]
    pub next: Option<String>,
}

/// `PUT /v1/records/{collection}/{key}`: writes one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRecord {
    /// The new content.
    pub value: Content,
}

/// What is done to a record, as the audit log names it.
pub mod action {
    /// A record was written.
    pub const PUT: &str = "record.put";
    /// A record was deleted.
    pub const DELETE: &str = "record.delete";
}
