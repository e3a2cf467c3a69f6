//! Signed tokens: JWT (RFC 7519) as compact JWS (RFC 7515) with `EdDSA` (RFC 8037).
//!
//! Only the auth service makes tokens; whoever has its public keys can check them. There is
//! exactly one header for each key, and a token with any other header is not ours: no field of
//! a header that somebody else wrote is ever looked at, and no algorithm can be chosen by the
//! sender (RFC 8725, section 3.1).

mod public_key;

pub use public_key::{PublicKey, header};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fmt;
use types::auth::Role;

const ISSUER: &str = "nines-auth";
const AUDIENCE: &str = "nines";
/// Ours have some 400 bytes.
const MAX_TOKEN: usize = 4096;

/// What a token says (RFC 7519, section 4.1). Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// Whose it is: the user's identifier.
    pub sub: String,
    /// When it was made.
    pub iat: u64,
    /// When it stops being good.
    pub exp: u64,
    /// Its name.
    pub jti: TokenId,
    /// What the user might do when it was made.
    pub roles: Vec<Role>,
}

impl Claims {
    /// For `subject`, from `now` on for `lifetime` seconds.
    pub fn new(id: TokenId, subject: &str, roles: &[Role], now: u64, lifetime: u64) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_owned(),
            iat: now,
            exp: now.saturating_add(lifetime),
            jti: id,
            roles: roles.to_vec(),
        }
    }

    fn are_ours(&self) -> bool {
        self.iss == ISSUER && self.aud == AUDIENCE
    }

    /// Whether they are still good at the time `now`.
    pub const fn hold(&self, now: u64) -> bool {
        now < self.exp
    }
}

/// The name of a token, which no other token has: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId([u8; 16]);

impl TokenId {
    /// A new one; none if the system gives no random numbers.
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 16]> for TokenId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// Some bytes or a text that name no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a token; allowed: 16 bytes")]
pub struct NotATokenId;

impl TryFrom<Vec<u8>> for TokenId {
    type Error = NotATokenId;

    fn try_from(bytes: Vec<u8>) -> Result<Self, NotATokenId> {
        bytes.try_into().map(Self).map_err(|_| NotATokenId)
    }
}

impl TryFrom<String> for TokenId {
    type Error = NotATokenId;

    fn try_from(text: String) -> Result<Self, NotATokenId> {
        let bytes = BASE64.decode(text).map_err(|_| NotATokenId)?;
        bytes.try_into()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

/// The token that says `claims`, in compact serialisation (RFC 7515, section 7.1), under the
/// header of the key with which `sign` signs.
pub fn sign(header: &str, claims: &Claims, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    // Texts, numbers and lists always serialise.
    sign_bytes(
        header,
        &serde_json::to_vec(claims).unwrap_or_default(),
        sign,
    )
}

fn sign_bytes(header: &str, payload: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{header}.{}", BASE64.encode(payload));
    let signature = BASE64.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// What `token` says, if one of our keys has signed it; `find` knows them by their headers.
/// Whether it still holds is another question.
pub fn verify<'a>(token: &str, find: impl FnOnce(&str) -> Option<&'a PublicKey>) -> Option<Claims> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let key = find(header)?;
    // The decoder refuses padding and stray bits: a token has one spelling.
    let signature = BASE64.decode(signature).ok()?;
    if !key.has_signed(signed.as_bytes(), &signature) {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
    claims.are_ours().then_some(claims)
}

#[cfg(test)]
mod tests;
