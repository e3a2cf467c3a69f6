//! Contract of the database service.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A record: a JSON value under a collection and a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The collection.
    pub collection: String,
    /// The key, unique in its collection.
    pub key: String,
    /// Counts the writes of this record, from 1.
    pub version: u64,
    /// The content.
    pub value: Value,
}

/// `GET /v1/records/{collection}?keys=a,b`: those of the records named that exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// In the order of the keys asked for.
    pub records: Vec<Record>,
}

/// `PUT /v1/records/{collection}/{key}`: writes one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRecord {
    /// The new content.
    pub value: Value,
}
