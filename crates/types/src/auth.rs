//! Contract of the auth service.

use serde::{Deserialize, Serialize};

/// `POST /v1/login`: name and password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The account's name.
    pub username: String,
    /// The account's password, never logged.
    pub password: String,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The answer to a login.
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginResponse {
    /// A signed bearer token, for `Authorization: Bearer …`.
    pub token: String,
    /// When the token stops being valid, in seconds since the Unix epoch.
    pub expires_at: u64,
}

/// `POST /v1/introspect`: is this token good, and whose is it? (after RFC 7662)
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntrospectRequest {
    /// The bearer token as the client sent it.
    pub token: String,
}

/// The answer to an introspection.
///
/// A token that is malformed, forged, expired or revoked is `active: false`: the
/// service did its work, so this is no failure of the auth hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    /// Whether the token is good now.
    pub active: bool,
    /// The user's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the token stops being valid, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}
