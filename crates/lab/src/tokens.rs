//! The users' access tokens of a load, renewed before they expire.
//!
//! A run may last longer than a token. A request with an expired token is answered 401, which
//! is no failure of the chain, so the availability would look better than it is. Each user
//! therefore logs in again while the old token is still good, beside the load: no request waits
//! for a login.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use futures_util::future::join_all;
use serde::Deserialize;
use std::{
    convert::Infallible,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// The part of its lifetime after which the first user's token is renewed, and the last user's.
///
/// Spread, because the users logged in at almost the same moment, and auth hashes passwords one
/// after the other. The scripts for k6 use the same shares.
const EARLIEST: f64 = 0.5;
const LATEST: f64 = 0.75;
/// The pause after a renewal that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// When a token was issued and when it expires, in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Lifetime {
    /// When it was issued.
    pub iat: u64,
    /// When it expires.
    pub exp: u64,
}

impl Lifetime {
    /// What the token says of itself, if it is a JWT (RFC 7519) that says so.
    ///
    /// The signature is not checked: only who issued the token could do that.
    pub fn of(token: &str) -> Option<Self> {
        let payload = BASE64.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    /// How long the token is good from its issue on.
    pub const fn length(self) -> Duration {
        Duration::from_secs(self.exp.saturating_sub(self.iat))
    }
}

/// A token, and when its user logs in again; none: never.
#[derive(Debug)]
struct Session {
    token: String,
    renewal: Option<Instant>,
}

/// The tokens of the users who send requests in turn. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    sessions: Vec<RwLock<Session>>,
    /// How many logins were sent to renew a token.
    logins: AtomicU64,
}

impl Tokens {
    /// These tokens, just received, one for each user.
    pub fn new(tokens: Vec<String>) -> Self {
        let users = tokens.len();
        let session = |(user, token)| RwLock::new(Session::new(token, user, users));
        Self(Arc::new(Shared {
            sessions: tokens.into_iter().enumerate().map(session).collect(),
            logins: AtomicU64::new(0),
        }))
    }

    /// The token for request number `n`; none for a chain without users.
    pub fn get(&self, n: u64) -> Option<String> {
        let sessions = &self.0.sessions;
        let user = usize::try_from(n).unwrap_or_default() % sessions.len().max(1);
        let session = sessions.get(user)?.read();
        let session = session.unwrap_or_else(PoisonError::into_inner);
        Some(session.token.clone())
    }

    /// How many logins were sent to renew a token.
    pub fn logins(&self) -> u64 {
        self.0.logins.load(Relaxed)
    }

    /// Renews every token in time. Runs until it is dropped.
    ///
    /// `login` gets the number of the user, from 0, and of the login, from 1. One that fails is
    /// followed by another, for as long as it takes: it goes through the faults of the run.
    pub async fn keep_fresh(
        &self,
        login: impl AsyncFn(usize, u64) -> Result<String, String>,
    ) -> Infallible {
        let users = 0..self.0.sessions.len();
        join_all(users.map(|user| self.renew(user, &login))).await;
        std::future::pending().await
    }

    /// Renews the token of one user, for as long as it says when it expires.
    async fn renew(&self, user: usize, login: &impl AsyncFn(usize, u64) -> Result<String, String>) {
        let session = &self.0.sessions[user];
        let renewal = || {
            session
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .renewal
        };
        while let Some(at) = renewal() {
            sleep_until(at).await;
            let number = self.0.logins.fetch_add(1, Relaxed) + 1;
            let renewed = login(user, number).await;
            let mut session = session.write().unwrap_or_else(PoisonError::into_inner);
            match renewed {
                Ok(token) => *session = Session::new(token, user, self.0.sessions.len()),
                Err(error) => {
                    tracing::debug!(error, "a token was not renewed; another try follows");
                    session.renewal = Some(Instant::now() + PAUSE);
                }
            }
        }
    }
}

impl Session {
    /// A token that user number `user` of `users` has just received. The clock of its issuer may
    /// differ from this machine's, so only the length of its life counts.
    fn new(token: String, user: usize, users: usize) -> Self {
        let spread = user as f64 / users.max(1) as f64;
        let share = EARLIEST + spread * (LATEST - EARLIEST);
        let length = Lifetime::of(&token).map(Lifetime::length);
        let renewal = length.and_then(|length| Instant::now().checked_add(length.mul_f64(share)));
        Self { token, renewal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::time::timeout;

    /// A token that is good for `seconds`.
    fn token(number: u64, seconds: u64) -> String {
        let exp = 1000 + seconds;
        let payload = format!(r#"{{"iat":1000,"exp":{exp},"jti":"{number}"}}"#);
        format!("e30.{}.c2ln", BASE64.encode(payload))
    }

    #[test]
    fn a_token_says_how_long_it_is_good() {
        let lifetime = Lifetime::of(&token(1, 3600)).unwrap();
        assert_eq!(lifetime.length(), Duration::from_hours(1));
        for other in ["", "opaque", "a.b.c", "e30.e30.e30"] {
            assert_eq!(Lifetime::of(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_token_is_renewed_before_it_expires_also_when_logins_fail_at_first() {
        let logins = Mutex::new(Vec::new());
        let tokens = Tokens::new((0..4).map(|n| token(n, 10)).collect());
        let begin = Instant::now();
        let login = async |user: usize, number: u64| {
            logins.lock().unwrap().push((user, begin.elapsed()));
            // Every second login fails.
            if number % 2 == 1 {
                return Err("a fault".to_owned());
            }
            Ok(token(100 + number, 10))
        };
        let run = timeout(Duration::from_secs(9), tokens.keep_fresh(login)).await;
        assert!(run.is_err(), "it goes on for as long as the load");
        let logins = logins.into_inner().unwrap();
        let first = logins.first().unwrap().1;
        assert!(first >= Duration::from_secs(5), "{logins:?}");
        assert_eq!(tokens.logins(), logins.len() as u64);
        for user in 0..4 {
            let last = logins.iter().rev().find(|(who, _)| *who == user).unwrap();
            assert!(last.1 < Duration::from_secs(9), "{logins:?}");
            assert_ne!(tokens.get(user as u64), Some(token(user as u64, 10)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_do_not_say_how_long_they_are_good_are_kept() {
        let tokens = Tokens::new(vec!["opaque".to_owned()]);
        let login = async |_, _| -> Result<String, String> { panic!("nothing to renew") };
        let day = timeout(Duration::from_hours(24), tokens.keep_fresh(login));
        assert!(day.await.is_err());
        assert_eq!(tokens.get(7).as_deref(), Some("opaque"));
        assert_eq!(Tokens::default().get(7), None);
    }
}
