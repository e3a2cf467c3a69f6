//! Passwords: argon2id (RFC 9106), a few at a time.

use crate::{
    hasher::Hasher,
    threads::{Threads, ThreadsError},
};
use argon2::{Params, PasswordHasher, password_hash};
use std::num::NonZeroUsize;
use tracing::{Instrument, info_span};

/// What a password hash costs. The defaults are the least that OWASP's password storage
/// cheat sheet recommends.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Cost {
    /// The memory of a password hash, in KiB
    #[arg(long = "argon2-memory", env = "NINES_ARGON2_MEMORY", default_value = "19456", value_parser = clap::value_parser!(u32).range(19_456..=1_048_576), value_name = "KIB")]
    pub memory: u32,
    /// The passes over that memory
    #[arg(long = "argon2-passes", env = "NINES_ARGON2_PASSES", default_value = "2", value_parser = clap::value_parser!(u32).range(2..=64), value_name = "COUNT")]
    pub passes: u32,
    /// The lanes of that memory
    #[arg(long = "argon2-lanes", env = "NINES_ARGON2_LANES", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=16), value_name = "COUNT")]
    pub lanes: u32,
}

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("argon2 refuses these settings: {0}")]
    Cost(#[from] argon2::Error),
    #[error("argon2 failed: {0}")]
    Hash(#[from] password_hash::Error),
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

/// Hashes and checks passwords.
///
/// Each takes a core and some memory for tens of milliseconds. More at once than there are
/// cores would only make all of them late, so the others wait.
#[derive(Clone)]
pub(crate) struct Passwords {
    hasher: Hasher,
    threads: Threads,
    /// The hash of no password at all, checked where there is no account: otherwise the
    /// time of the answer would tell which names exist.
    nobody: String,
}

impl Passwords {
    pub(crate) async fn new(cost: Cost, at_once: NonZeroUsize) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, None)?;
        let mut passwords = Self {
            hasher: Hasher::new(params),
            threads: Threads::start("hash", at_once)?,
            nobody: String::new(),
        };
        passwords.nobody = passwords.hash("nobody".to_owned()).await?;
        Ok(passwords)
    }

    /// The hash of `password` with a new salt, as a PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let hasher = self.hasher.clone();
        let hash = move || Ok(hasher.hash_password(password.as_bytes())?.to_string());
        self.threads.run(hash).await?
    }

    /// Whether `password` is the one of which `hash` was made; never, if there is none.
    pub(crate) async fn check(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let check = move || Ok(Hasher::verify(password.as_bytes(), &hash)? && exists);
        let span = info_span!("password.verify");
        self.threads.run(check).instrument(span).await?
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As little as argon2 allows.
    pub(crate) async fn cheap() -> Passwords {
        let cost = Cost {
            memory: 8,
            passes: 1,
            lanes: 1,
        };
        Passwords::new(cost, NonZeroUsize::MIN).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_password_itself_is_good() {
        let passwords = cheap().await;
        let hash = passwords.hash("secret".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        let check = |password: &str, hash| passwords.check(password.to_owned(), hash);
        assert!(check("secret", Some(hash.clone())).await.unwrap());
        assert!(!check("Secret", Some(hash.clone())).await.unwrap());
        assert!(!check("secret", None).await.unwrap());
        assert!(!check("nobody", None).await.unwrap());
        assert!(check("secret", Some("no hash".to_owned())).await.is_err());
        let again = passwords.hash("secret".to_owned()).await.unwrap();
        assert_ne!(again, hash, "each hash has a salt of its own");
    }
}
