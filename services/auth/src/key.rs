//! A key that signs tokens: Ed25519 (RFC 8032), named by its thumbprint.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use types::auth::Jwk;

/// A key that signs tokens.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    id: String,
    header: String,
}

/// The bytes kept are no key, or the system gives no randomness.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the key kept is not an Ed25519 key: {0}")]
    Rejected(ring::error::KeyRejected),
    #[error("the system gives no random numbers for a new key")]
    Random,
}

impl Key {
    /// A new key, in the form in which it is kept (PKCS #8).
    pub(crate) fn generate() -> Result<Vec<u8>, KeyError> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_| KeyError::Random)?;
        Ok(pkcs8.as_ref().to_vec())
    }

    pub(crate) fn load(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(KeyError::Rejected)?;
        let id = thumbprint(pair.public_key().as_ref());
        let header = header(&id);
        Ok(Self { pair, id, header })
    }

    /// Its name, as in `kid`.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The one header of the tokens that it signs, as it stands in them.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, self.pair.public_key());
        public.verify(message, signature).is_ok()
    }

    /// What others may know of it (RFC 8037, section 2).
    pub(crate) fn public(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            purpose: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
            kid: self.id.clone(),
            x: BASE64.encode(self.pair.public_key()),
        }
    }
}

pub(crate) fn header(id: &str) -> String {
    BASE64.encode(format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{id}"}}"#))
}

/// The thumbprint of a public key (RFC 7638, and RFC 8037, section 2, for this kind).
fn thumbprint(public: &[u8]) -> String {
    let x = BASE64.encode(public);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64.encode(digest(&SHA256, jwk.as_bytes()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key() -> Key {
        Key::load(&Key::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
        let public = BASE64.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(
            thumbprint(&public.unwrap()),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn a_key_kept_is_the_same_key_when_loaded() {
        let kept = Key::generate().unwrap();
        let (one, two) = (Key::load(&kept).unwrap(), Key::load(&kept).unwrap());
        assert_eq!(one.id(), two.id());
        assert!(two.has_signed(b"text", &one.sign(b"text")));
        assert!(!two.has_signed(b"other", &one.sign(b"text")));
        assert!(Key::load(&kept[1..]).is_err());
    }

    #[test]
    fn what_others_get_to_know_verifies_and_does_not_sign() {
        let key = key();
        let jwk = key.public();
        let public = BASE64.decode(&jwk.x).unwrap();
        let verified =
            UnparsedPublicKey::new(&ED25519, &public).verify(b"text", &key.sign(b"text"));
        assert!(verified.is_ok());
        assert_eq!(thumbprint(&public), jwk.kid);
        let json = serde_json::to_value(&jwk).unwrap();
        // The private part would be `d`.
        let members: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
}
