//! Contract of the auth service.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// What the name of a new user may be, for messages.
pub const USERNAME_ALLOWED: &str =
    "1 to 48 lower-case letters, digits, `.`, `_` or `-`, beginning with a letter or digit";
/// The lengths that a new password may have, in characters (code points).
///
/// Long enough and otherwise free, as NIST SP 800-63B (section 5.1.1.2) has it: rules about
/// kinds of characters make passwords harder to remember, and hardly harder to guess.
pub const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=1024;

/// Whether `text` may be the name of a new user: 1 to 48 lower-case letters, digits, `.`, `_`
/// or `-`, beginning with a letter or digit: a `-` alone stands for nobody in the audit log.
///
/// Such a name goes into paths, and there is room left for the keys made of it.
pub fn is_username(text: &str) -> bool {
    let is_letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 48
        && crate::is_name(text)
        && !text.bytes().any(|byte| byte.is_ascii_uppercase())
        && text.bytes().next().is_some_and(is_letter_or_digit)
}

/// What somebody may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Has a page of their own. Everybody does.
    User,
    /// Reads what happened.
    Auditor,
    /// Looks after the service.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Auditor, Self::Admin];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARole;

impl fmt::Display for NotARole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a role; allowed: user, auditor or admin")
    }
}

impl std::error::Error for NotARole {}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let named = |role: &Self| role.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(NotARole)
    }
}

/// `POST /v1/accounts`: the name and the password of somebody new.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The name, which nobody else may have.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,47}$")]
    pub username: String,
    /// The password, never logged: 8 to 1024 characters.
    #[serde(deserialize_with = "crate::secret::text")]
    #[schema(min_length = 8, max_length = 1024)]
    pub password: String,
}

impl fmt::Debug for RegisterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterRequest")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterResponse {
    /// The user's identifier.
    pub user: String,
}

/// `POST /v1/login`: name and password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The account's name.
    pub username: String,
    /// The account's password, never logged: up to 1024 characters.
    #[serde(deserialize_with = "crate::secret::text")]
    #[schema(max_length = 1024)]
    pub password: String,
}

impl fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The answer to a login.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    /// A signed bearer token, for `Authorization: Bearer …`.
    #[schema(pattern = r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]
    pub token: String,
    /// When the token stops being valid, in seconds since the Unix epoch.
    pub expires_at: u64,
}

/// `POST /v1/introspect`: is this token good, and whose is it? (after RFC 7662)
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntrospectRequest {
    /// The bearer token as the client sent it.
    pub token: String,
}

/// The answer to an introspection.
///
/// A token that is malformed, forged, expired or revoked is `active: false`: the
/// service did its work, so this is no failure of the auth hop.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Introspection {
    /// Whether the token is good now.
    pub active: bool,
    /// The user's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub subject: Option<String>,
    /// When the token stops being valid, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<u64>,
    /// What the user might do when the token was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

/// `POST /v1/revoke`: this token shall not be good any more (after RFC 7009).
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// The bearer token as the client got it.
    pub token: String,
}

/// The answer to a revocation, whatever the token was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevokeResponse {
    /// Always false: from now on nobody accepts the token.
    pub active: bool,
}

/// `GET /.well-known/jwks.json`: the public keys that verify tokens (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JwkSet {
    /// The keys, oldest first.
    pub keys: Vec<Jwk>,
}

/// A public key for Ed25519 (RFC 8037, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jwk {
    /// The kind of key: `OKP`.
    pub kty: String,
    /// The curve: `Ed25519`.
    pub crv: String,
    /// What it is for: `sig`, signatures.
    #[serde(rename = "use")]
    pub purpose: String,
    /// The algorithm: `EdDSA`.
    pub alg: String,
    /// Its name, as in the header of tokens: its thumbprint (RFC 7638).
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    pub kid: String,
    /// The key itself, as base64url without padding.
    #[schema(pattern = "^[A-Za-z0-9_-]{43}$")]
    pub x: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_user_is_a_name_with_room_to_spare() {
        for good in ["user-1", "a", "a.b_c", &"x".repeat(48)] {
            assert!(is_username(good) && crate::is_name(good), "{good:?}");
        }
        for bad in ["", "-", ".a", "_a", "A", "é", "a b", "a/b", &"x".repeat(49)] {
            assert!(!is_username(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_role_has_one_name_everywhere() {
        for role in Role::ALL {
            let json = serde_json::to_string(&role).unwrap();
            assert_eq!(json, format!("\"{role}\""));
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!(
            "root"
                .parse::<Role>()
                .unwrap_err()
                .to_string()
                .contains("allowed:")
        );
    }

    #[test]
    fn passwords_are_not_shown() {
        let (username, password) = ("ann".to_owned(), "hush hush".to_owned());
        let shown = format!(
            "{:?}",
            RegisterRequest {
                username: username.clone(),
                password: password.clone()
            }
        );
        assert!(shown.contains("ann") && !shown.contains("hush"), "{shown}");
        let shown = format!("{:?}", LoginRequest { username, password });
        assert!(shown.contains("ann") && !shown.contains("hush"), "{shown}");
    }
}
