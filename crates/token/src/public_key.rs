//! What everybody may know of a key that signs tokens: Ed25519 (RFC 8032), named by its
//! thumbprint.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};
use types::auth::Jwk;

/// The length of an Ed25519 public key (RFC 8032, section 5.1.5), in bytes.
const LENGTH: usize = 32;

/// A key that verifies tokens, and makes none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; LENGTH],
    id: String,
    header: String,
}

impl PublicKey {
    /// The key itself; none if these bytes are no key.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; LENGTH] = bytes.try_into().ok()?;
        let id = thumbprint(&bytes);
        Some(Self {
            bytes,
            header: header(&id),
            id,
        })
    }

    /// The key in a key set; none if it is of another kind. Its name follows from the key.
    pub fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let is_ours = jwk.kty == "OKP" && jwk.crv == "Ed25519";
        let bytes = is_ours.then(|| BASE64.decode(&jwk.x))?.ok()?;
        Self::new(&bytes)
    }

    /// Its name, as in `kid`: its thumbprint.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one header of the tokens that it verifies, as it stands in them.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether `signature` is one of `message` by this key.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, &self.bytes);
        public.verify(message, signature).is_ok()
    }

    /// What is published of it (RFC 8037, section 2).
    pub fn to_jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            purpose: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
            kid: self.id.clone(),
            x: BASE64.encode(self.bytes),
        }
    }
}

/// The one header of the tokens of the key named `id`, as it stands in them.
pub fn header(id: &str) -> String {
    BASE64.encode(format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{id}"}}"#))
}

/// The thumbprint of a public key (RFC 7638, and RFC 8037, section 2, for this kind).
fn thumbprint(public: &[u8]) -> String {
    let x = BASE64.encode(public);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64.encode(digest(&SHA256, jwk.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of RFC 8037, appendix A.2.
    const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
        let key = PublicKey::new(&BASE64.decode(KEY).unwrap()).unwrap();
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_that_was_published_is_the_same_key_when_read_back() {
        let key = PublicKey::new(&BASE64.decode(KEY).unwrap()).unwrap();
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()), Some(key));
    }

    #[test]
    fn a_key_of_another_kind_or_length_is_none_of_ours() {
        let good = PublicKey::new(&[7; 32]).unwrap().to_jwk();
        let bad = |change: fn(&mut Jwk)| {
            let mut jwk = good.clone();
            change(&mut jwk);
            PublicKey::from_jwk(&jwk).is_none()
        };
        assert!(bad(|jwk| jwk.kty = "RSA".to_owned()));
        assert!(bad(|jwk| jwk.crv = "X25519".to_owned()));
        assert!(bad(|jwk| jwk.x.push('A')));
        assert!(bad(|jwk| jwk.x.clear()));
        assert!(PublicKey::new(&[7; 31]).is_none());
    }
}
