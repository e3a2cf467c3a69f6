//! A key that signs tokens: Ed25519 (RFC 8032).

use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use token::PublicKey;

/// A key that signs tokens.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The bytes kept are no key, or the system gives no randomness.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("the key kept is not an Ed25519 key: {0}")]
    Rejected(ring::error::KeyRejected),
    #[error("the key kept has no public part")]
    NoPublicPart,
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
        let public = PublicKey::new(pair.public_key().as_ref());
        let public = public.ok_or(KeyError::NoPublicPart)?;
        Ok(Self { pair, public })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// What others may know of it, and verify its tokens with.
    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key() -> Key {
        Key::load(&Key::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_key_kept_is_the_same_key_when_loaded() {
        let kept = Key::generate().unwrap();
        let (one, two) = (Key::load(&kept).unwrap(), Key::load(&kept).unwrap());
        assert_eq!(one.public(), two.public());
        assert!(two.public().has_signed(b"text", &one.sign(b"text")));
        assert!(!two.public().has_signed(b"other", &one.sign(b"text")));
        assert!(Key::load(&kept[1..]).is_err());
    }

    #[test]
    fn what_others_get_to_know_does_not_sign() {
        let json = serde_json::to_value(key().public().to_jwk()).unwrap();
        // The private part would be `d`.
        let members: Vec<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
}
