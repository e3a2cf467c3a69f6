//! The tokens of a replica: makes them, tells good ones from others, revokes them.
//!
//! A token that was verified once is kept, by its digest: what the cache holds can't be used
//! to log in, and comparing takes no longer for a better guess. Seen again, the token costs
//! neither a signature check nor a question to the store; whether it still holds and is not
//! revoked is asked each time. What the store knows is taken over with the lease, see
//! [`crate::revocation`]: keys and revocations are never older than that.

use crate::{
    key::Key,
    moment::Moment,
    revocation::{self, KEPT_AFTER, Revocations},
    rotation::{KeyRing, Stage},
    store::{NewKey, Store, StoreError, Terms},
};
use lru::LruCache;
use ring::digest::{SHA256, digest};
use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use token::{Claims, TokenId};
use tokio::time::sleep;
use types::auth::{JwkSet, LoginResponse, Role};

/// How many verified tokens are kept, some 400 bytes each; the one that was not seen for
/// longest goes. Only what was verified gets in, so nobody can flush it with rubbish.
const CACHED: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// How the keys change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// How long a new key is known before it signs.
    pub lead: Duration,
    /// How old the newest key gets before there is a newer one.
    pub every: Option<Duration>,
}

pub(crate) struct Tokens {
    store: Arc<dyn Store>,
    terms: Terms,
    rotation: Rotation,
    known: RwLock<Known>,
    verified: Mutex<LruCache<[u8; 32], Arc<Claims>>>,
    /// Held by the one who asks the store for news.
    asking: tokio::sync::Mutex<()>,
    /// How often the store gave no answer.
    failures: AtomicU64,
}

/// What was heard from the store.
#[derive(Default)]
struct Known {
    keys: KeyRing,
    revocations: Revocations,
}

impl Tokens {
    /// Joins the replicas that share `store`.
    pub(crate) async fn join(
        store: Arc<dyn Store>,
        terms: Terms,
        rotation: Rotation,
        moment: Moment,
    ) -> Result<Self, StoreError> {
        let first = NewKey {
            pkcs8: Key::generate()?,
            created_at_ms: moment.unix_ms,
            after_place: 0,
        };
        store.join(terms, first).await?;
        let tokens = Self {
            store,
            terms,
            rotation,
            known: RwLock::default(),
            verified: Mutex::new(LruCache::new(CACHED)),
            asking: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
        };
        tokens.know(moment).await?;
        Ok(tokens)
    }

    /// A token for `subject`; none if there is no key or no randomness to make it with.
    pub(crate) async fn issue(
        &self,
        subject: &str,
        roles: &[Role],
        moment: Moment,
    ) -> Result<Option<LoginResponse>, StoreError> {
        self.know(moment).await?;
        Ok(self.sign(subject, roles, moment))
    }

    fn sign(&self, subject: &str, roles: &[Role], moment: Moment) -> Option<LoginResponse> {
        let lead = self.rotation.lead;
        let key = self.known().keys.signing(lead, moment.unix_ms)?.clone();
        let (id, lifetime) = (TokenId::random()?, self.terms.lifetime_s);
        let claims = Claims::new(id, subject, roles, moment.unix_s(), lifetime);
        Some(LoginResponse {
            token: token::sign(key.public().header(), &claims, |message| key.sign(message)),
            expires_at: claims.exp,
        })
    }

    /// What `token` says, if it is good.
    pub(crate) async fn check(
        &self,
        token: &str,
        moment: Moment,
    ) -> Result<Option<Arc<Claims>>, StoreError> {
        self.know(moment).await?;
        let claims = self.verified(token);
        Ok(claims.filter(|claims| {
            claims.hold(moment.unix_s()) && !self.known().revocations.contain(&claims.jti)
        }))
    }

    /// Makes `token` good no more. When this is done, no replica accepts it.
    ///
    /// It may be revoked already, but who did that may still be waiting: so this waits too.
    pub(crate) async fn revoke(&self, token: &str, moment: Moment) -> Result<(), StoreError> {
        self.know(moment).await?;
        // To another replica, whose clock is behind, it may not have expired yet.
        let matters =
            |claims: &Arc<Claims>| claims.exp.saturating_add(KEPT_AFTER) > moment.unix_s();
        let Some(claims) = self.verified(token).filter(matters) else {
            return Ok(());
        };
        let lease = self.store.revoke(claims.jti, claims.exp).await?;
        sleep(revocation::wait(lease)).await;
        Ok(())
    }

    /// What `token` says, if one of the keys has signed it.
    fn verified(&self, token: &str) -> Option<Arc<Claims>> {
        let digest = digest_of(token);
        let cache = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = cache().get(&digest) {
            return Some(claims.clone());
        }
        let verify = |keys: &KeyRing| token::verify(token, |header| keys.with_header(header));
        let claims = Arc::new(self.with_keys(verify)?);
        cache().put(digest, claims.clone());
        Some(claims)
    }

    /// The public keys, and for how long a copy of them is good. Half of the lead time is
    /// left for clocks that differ.
    pub(crate) async fn public_keys(
        &self,
        moment: Moment,
    ) -> Result<(JwkSet, Duration), StoreError> {
        self.know(moment).await?;
        let keys = self.with_keys(|keys| keys.keys().map(|key| key.public().to_jwk()).collect());
        Ok((JwkSet { keys }, self.rotation.lead / 2))
    }

    /// The names of the keys, oldest first, and what each does.
    pub(crate) fn stages(&self, moment: Moment) -> Vec<(String, Stage)> {
        self.with_keys(|keys| {
            let stages = keys.stages(self.rotation.lead, moment.unix_ms);
            let named = stages.map(|(key, stage)| (key.public().id().to_owned(), stage));
            named.collect()
        })
    }

    /// Makes a new key known, unless the newest one does not sign yet.
    pub(crate) async fn rotate(&self, moment: Moment) -> Result<(), StoreError> {
        self.add_key(Duration::ZERO, moment).await
    }

    /// What is to be done now and then: a new key when its time has come, and what nobody
    /// needs any more goes.
    pub(crate) async fn tidy(&self, moment: Moment) -> Result<(), StoreError> {
        if let Some(every) = self.rotation.every {
            self.add_key(every, moment).await?;
        }
        self.know(moment).await?;
        let gone = self.known().keys.gone(self.rotation.lead, moment.unix_ms);
        if !gone.is_empty() {
            self.store.remove_keys(&gone).await?;
            tracing::info!(keys = gone.len(), "keys removed whose tokens have expired");
        }
        let expired = moment.unix_s().saturating_sub(KEPT_AFTER);
        self.store.forget_revocations(expired).await?;
        self.change().revocations.forget(moment.unix_s());
        Ok(())
    }

    /// Makes a new key known if the newest one signs and is at least as old as `age`.
    async fn add_key(&self, age: Duration, moment: Moment) -> Result<(), StoreError> {
        self.know(moment).await?;
        let due = |keys: &KeyRing| keys.is_due(self.rotation.lead, age, moment.unix_ms);
        let Some((after_place, made_at_ms)) = self.with_keys(due) else {
            return Ok(());
        };
        let key = NewKey {
            pkcs8: Key::generate()?,
            // Keys stay in order though clocks differ.
            created_at_ms: moment.unix_ms.max(made_at_ms),
            after_place,
        };
        if self.store.add_key(key, self.terms.lifetime_s).await? {
            tracing::info!("a new signing key is made known");
            self.ask(moment).await?;
        }
        Ok(())
    }

    /// Makes sure that what is known of keys and revocations is current at `moment`. One asks
    /// the store, and the others who need to know wait for the answer.
    async fn know(&self, moment: Moment) -> Result<(), StoreError> {
        if self.is_current(moment) {
            return Ok(());
        }
        let failures = self.failures.load(Relaxed);
        let _asking = self.asking.lock().await;
        if self.is_current(moment) {
            return Ok(());
        }
        if self.failures.load(Relaxed) != failures {
            // It failed while this one waited. One after the other would wait ever longer.
            return Err(StoreError::FailedForAnother);
        }
        let asked = self.ask(moment).await;
        asked.inspect_err(|_| {
            self.failures.fetch_add(1, Relaxed);
        })
    }

    /// Asks the store for keys and new revocations, as of `moment`: the moment is over before
    /// the question is on its way, so the answer is no older.
    async fn ask(&self, moment: Moment) -> Result<(), StoreError> {
        let last = self.known().revocations.last();
        let revocations = self.store.revocations_after(last).await?;
        let keys = self.store.keys().await?;
        let mut known = self.change();
        known.keys = known.keys.with(keys)?;
        known.revocations.learn(moment.instant, revocations);
        Ok(())
    }

    /// What `look` sees in the keys.
    pub(crate) fn with_keys<T>(&self, look: impl FnOnce(&KeyRing) -> T) -> T {
        look(&self.known().keys)
    }

    fn is_current(&self, moment: Moment) -> bool {
        let known = self.known();
        known
            .revocations
            .are_current(moment.instant, self.terms.lease)
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest_of(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests;
