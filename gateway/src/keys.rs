//! Whose token it is, told without asking: by the public keys of auth.
//!
//! A token says whose it is and until when, and auth has signed it. Whoever has auth's public
//! keys can check that, so that auth is no longer on the way of a page: its outages cost
//! nothing but logins. What is lost is that auth can take a token back: one that was revoked
//! is good here until it expires.
//!
//! The keys are fetched when the gateway starts and every half a minute, far more often than
//! they change; a token under a key that is not known has them fetched at once, but not more
//! than once a second, whoever sends such tokens. If that fails, nobody knows whether the
//! token is good, and the request fails: it is not refused.

use crate::authorization::User;
use chassis::{Call, CallError, Refusal, RequestContext, Upstream};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};
use token::{Claims, PublicKey};
use tokio::{
    sync::Mutex,
    task::AbortHandle,
    time::{Instant, sleep},
};
use types::{Cause, Problem, auth::JwkSet, is_name, service};

/// How often the keys are fetched.
const EVERY: Duration = Duration::from_secs(30);
/// How soon again if that failed, or if a key is missing.
const AGAIN: Duration = Duration::from_secs(1);
/// How long fetching them may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keys of auth, kept up to date.
#[derive(Debug)]
pub(crate) struct Keys {
    shared: Arc<Shared>,
    fetching: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    auth: Upstream,
    known: RwLock<Arc<[PublicKey]>>,
    /// The last time that they were fetched; held by whoever fetches them.
    last: Mutex<Option<Fetch>>,
}

/// How fetching the keys ended: well, or from what it failed.
type Fetched = Result<(), Cause>;

/// A fetch of the keys.
#[derive(Debug, Clone, Copy)]
struct Fetch {
    ended: Instant,
    result: Fetched,
}

impl Keys {
    /// Fetches the keys of `auth` from now on.
    pub(crate) fn start(auth: Upstream) -> Self {
        let shared = Arc::new(Shared {
            auth,
            known: RwLock::new(Arc::new([])),
            last: Mutex::default(),
        });
        let fetching = tokio::spawn(shared.clone().keep_up_to_date());
        Self {
            shared,
            fetching: fetching.abort_handle(),
        }
    }

    /// The user whose token this is; none, if it is not good now. Refused, if its key is not
    /// known and the keys can't be had: then it may be good.
    pub(crate) async fn user(&self, token: &str) -> Result<Option<User>, Refusal> {
        let claims = match self.shared.verify(token) {
            Verified::Known(claims) => claims,
            Verified::UnknownKey => {
                self.fetch_missing().await.map_err(unavailable)?;
                match self.shared.verify(token) {
                    Verified::Known(claims) => claims,
                    Verified::UnknownKey => None,
                }
            }
        };
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs();
        let good = claims.filter(|claims| claims.hold(now) && is_name(&claims.sub));
        Ok(good.map(|good| User {
            id: good.sub,
            roles: good.roles,
        }))
    }

    /// Fetches the keys because one is missing. In a task of its own: whoever leaves meanwhile
    /// does not end it for the others, nor has them fetched again by the next one.
    async fn fetch_missing(&self) -> Fetched {
        let shared = self.shared.clone();
        let fetching = tokio::spawn(async move { shared.fetch_unless_just_done().await });
        // It ends early only together with the gateway.
        fetching.await.unwrap_or(Err(Cause::Cancelled))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}

/// Nobody can tell whether the token is good.
fn unavailable(cause: Cause) -> Refusal {
    let title = "The keys of auth can't be had";
    let problem = Problem::new(503, "keys-unavailable", title);
    let problem = problem.detail("the token is under a key that is not known here");
    let problem = problem.cause(cause).retryable(true);
    match cause {
        // Auth was not asked: the failure is the gateway's.
        Cause::Exhausted => problem.into(),
        _ => problem.hop(service::AUTH).into(),
    }
}

/// What the keys say about a token.
enum Verified {
    /// What it says, if it was signed by the key that it names, which is known.
    Known(Option<Claims>),
    /// It names a key that is not known.
    UnknownKey,
}

impl Shared {
    fn verify(&self, token: &str) -> Verified {
        let known = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut is_known = true;
        let claims = token::verify(token, |header| {
            let key = known.iter().find(|key| key.header() == header);
            is_known = key.is_some();
            key
        });
        if is_known {
            Verified::Known(claims)
        } else {
            Verified::UnknownKey
        }
    }

    async fn keep_up_to_date(self: Arc<Self>) {
        loop {
            let fetched = self.fetch_unless_just_done().await;
            sleep(if fetched.is_ok() { EVERY } else { AGAIN }).await;
        }
    }

    /// Fetches the keys; how that ended. Whoever comes while somebody else does, or less than
    /// a second after that, has the same result: nobody waits for more than one fetch.
    async fn fetch_unless_just_done(&self) -> Fetched {
        let came = Instant::now();
        let mut last = self.last.lock().await;
        match *last {
            Some(Fetch { ended, result }) if came < ended + AGAIN => result,
            _ => self.fetch_locked(&mut last).await,
        }
    }

    /// Fetches the keys and notes how and when that ended, while nobody else may.
    async fn fetch_locked(&self, last: &mut Option<Fetch>) -> Fetched {
        let fetched = self.fetch().await;
        let result = fetched.map_err(|error| {
            tracing::warn!(%error, "the keys of auth could not be fetched");
            error.cause
        });
        let ended = Instant::now();
        *last = Some(Fetch { ended, result });
        result
    }

    async fn fetch(&self) -> Result<(), CallError> {
        let context = RequestContext::new(format!("keys-{:016x}", rand::random::<u64>()));
        let call = Call::get("auth.keys", "/.well-known/jwks.json").patience(PATIENCE);
        let answer = self.auth.call(&context, call).await?;
        let set: JwkSet = answer.json()?;
        let keys: Arc<[_]> = set.keys.iter().filter_map(PublicKey::from_jwk).collect();
        if keys.is_empty() {
            // No token could be verified, and auth makes some.
            return Err(answer.corrupt());
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}
