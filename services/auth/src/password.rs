//! Passwords: argon2id (RFC 9106), a few at a time.

use crate::{
    hasher::Hasher,
    threads::{Threads, ThreadsError},
};
use argon2::{Params, PasswordHasher, password_hash};
use std::num::NonZeroUsize;
use tracing::{Instrument, info_span};
use unicode_normalization::UnicodeNormalization;

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

/// How many passwords are hashed, and how many wait for that.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Room {
    /// How many passwords are hashed at once; each takes a core, and the memory of a hash for good
    #[arg(
        long = "hashes-at-once",
        env = "NINES_HASHES_AT_ONCE",
        default_value = "1",
        value_name = "COUNT"
    )]
    pub at_once: NonZeroUsize,
    /// How many passwords may wait for that; more are refused. A hash takes some 20 ms
    #[arg(
        long = "hashes-waiting",
        env = "NINES_HASHES_WAITING",
        default_value = "64",
        value_name = "COUNT"
    )]
    pub waiting: usize,
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
/// cores would only make all of them late, so the others wait, as far as there is room.
#[derive(Clone)]
pub(crate) struct Passwords {
    hasher: Hasher,
    threads: Threads,
    at_once: NonZeroUsize,
    /// The hash of no password at all, checked where there is no account: otherwise the
    /// time of the answer would tell which names exist.
    nobody: String,
}

impl Passwords {
    pub(crate) async fn new(cost: Cost, room: Room) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory, cost.passes, cost.lanes, None)?;
        let mut passwords = Self {
            hasher: Hasher::new(params),
            threads: Threads::start("hash", room.at_once, room.waiting)?,
            at_once: room.at_once,
            nobody: String::new(),
        };
        passwords.nobody = passwords.hash("nobody".to_owned()).await?;
        Ok(passwords)
    }

    /// The hash of `password` with a new salt, as a PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let hasher = self.hasher.clone();
        let hash = move || {
            let password = normalised(&password);
            Ok(hasher.hash_password(password.as_bytes())?.to_string())
        };
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
        let check = move || {
            let password = normalised(&password);
            Ok(Hasher::verify(password.as_bytes(), &hash)? && exists)
        };
        let span = info_span!("password.verify");
        self.threads.run(check).instrument(span).await?
    }

    /// How many are hashed at once.
    pub(crate) const fn at_once(&self) -> NonZeroUsize {
        self.at_once
    }

    /// Whether `hash` was made when hashes cost less than now.
    pub(crate) fn are_stronger_than(&self, hash: &str) -> bool {
        self.hasher.is_stronger_than(hash)
    }
}

/// The password as it is hashed: composed characters (NFC), and one kind of space. So it is the
/// same from every keyboard (RFC 8265, 4.2.2, `OpaqueString`). Characters that the RFC forbids are
/// not refused: the description of the API promises that any will do.
fn normalised(password: &str) -> String {
    let is_space = |it: char| it.is_whitespace() && !it.is_control();
    let one_kind = |it| if is_space(it) { ' ' } else { it };
    password.chars().map(one_kind).nfc().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hasher::WORK;
    use futures_util::{FutureExt, future::try_join_all};
    use tokio::task::JoinHandle;

    const WAITING: usize = 16;

    /// As little as argon2 allows.
    pub(crate) async fn cheap() -> Passwords {
        with_memory(8).await
    }

    pub(crate) async fn with_memory(memory: u32) -> Passwords {
        let cost = Cost {
            memory,
            passes: 1,
            lanes: 1,
        };
        let room = Room {
            at_once: NonZeroUsize::MIN,
            waiting: WAITING,
        };
        Passwords::new(cost, room).await.unwrap()
    }

    /// Takes all the room there is, until it is told to go.
    pub(crate) struct Occupier(Vec<(std::sync::mpsc::Sender<()>, JoinHandle<()>)>);

    impl Occupier {
        pub(crate) fn come(passwords: &Passwords) -> Self {
            let occupy = |_| {
                let (release, released) = std::sync::mpsc::channel();
                let threads = passwords.threads.clone();
                let job = async move { threads.run(move || released.recv()).await.map(drop) };
                let mut job = Box::pin(job);
                // It takes its place at once, and keeps it.
                assert!((&mut job).now_or_never().is_none());
                (release, tokio::spawn(async move { job.await.unwrap() }))
            };
            Self((0..=WAITING).map(occupy).collect())
        }

        pub(crate) async fn go(self) {
            let (releases, jobs): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
            drop(releases);
            try_join_all(jobs).await.unwrap();
        }
    }

    /// The blocks filled so far by the one thread of `passwords`.
    pub(crate) async fn work(passwords: &Passwords) -> usize {
        passwords.threads.run(|| WORK.get()).await.unwrap()
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

    #[tokio::test]
    async fn a_password_is_the_same_from_every_keyboard() {
        let passwords = cheap().await;
        let hash = passwords
            .hash("caf\u{e9} au lait".to_owned())
            .await
            .unwrap();
        let good = async |password: &str| {
            let check = passwords.check(password.to_owned(), Some(hash.clone()));
            check.await.unwrap()
        };
        assert!(good("caf\u{e9} au lait").await);
        assert!(good("cafe\u{301}\u{a0}au\u{3000}lait").await);
        assert!(!good("cafe au lait").await);
        assert!(!good("caf\u{e9}\tau lait").await);
    }
}
