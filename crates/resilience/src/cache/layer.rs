//! The layer: answers from the cache, or through it.

use super::{
    CachePolicy, Entry, Freshness, Load,
    flights::{Flights, Seat},
};
use crate::{CallFailure, deadline::Deadline, time_limit::TimeLimit};
use http::Request;
use moka::sync::Cache;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use types::StoppedBy;

#[cfg(test)]
mod tests;

/// Under what name the answer to a request is kept. It goes into the request's extensions; a
/// request without one passes by the cache.
///
/// Requests with the same name must have the same answer: what it depends on, be it the user,
/// belongs into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey(pub Arc<str>);

/// What a cache needs to know of the answers in it.
pub trait Storable<T, E>: Send + Sync + 'static {
    /// Whether this result may be kept.
    fn may_store(&self, result: &Result<T, E>) -> bool;

    /// Whether this result says that the one kept is no longer true, as "not found" does.
    /// Then it is forgotten, and not used in place of this one.
    fn drops(&self, result: &Result<T, E>) -> bool;

    /// `answer` as it is told in place of a failure, `age` after it came: marked.
    fn stale(&self, answer: T, age: Duration) -> T;

    /// What a load takes along into a task of its own, such as the span it belongs to.
    fn detached(&self, load: Load<T, E>) -> Load<T, E> {
        load
    }

    /// Hears what was found for a request: a fresh answer, with which it is done; a stale
    /// one; or none.
    fn looked_up(&self, found: Freshness) {
        let _ = found;
    }
}

/// Uses answers again. All services made by one layer and its clones share them.
#[derive(Debug)]
pub struct CacheLayer<T, E, P>(Arc<Shared<T, E, P>>);

struct Shared<T, E, P> {
    policy: CachePolicy,
    entries: Cache<Arc<str>, Entry<T>>,
    flights: Arc<Flights<T, E>>,
    origin: Instant,
    rules: P,
}

impl<T, E, P> CacheLayer<T, E, P>
where
    T: Clone + Send + Sync + 'static,
    E: CallFailure + Clone + Sync + 'static,
    P: Storable<T, E>,
{
    /// An empty cache, for answers that `rules` knows about.
    pub fn new(policy: CachePolicy, rules: P) -> Self {
        let entries = Cache::builder()
            .max_capacity(policy.settings().capacity)
            // Freshness is judged here; this only clears away what nobody asks for.
            .time_to_live(policy.longest())
            .build();
        Self(Arc::new(Shared {
            policy,
            entries,
            flights: Flights::new(),
            origin: Instant::now(),
            rules,
        }))
    }
}

impl<T, E, P> Shared<T, E, P>
where
    T: Clone + Send + Sync + 'static,
    E: CallFailure + Clone + Sync + 'static,
    P: Storable<T, E>,
{
    fn freshness(&self, entry: &Entry<T>) -> Freshness {
        let now = self.origin.elapsed();
        self.policy.freshness(entry.stored_at, now)
    }

    /// The answer to `key`, if it is fresh.
    fn find(&self, key: &str) -> Option<T> {
        let entry = self.entries.get(key);
        let found = entry
            .as_ref()
            .map_or(Freshness::Gone, |it| self.freshness(it));
        self.rules.looked_up(found);
        let fresh = entry.filter(|_| found == Freshness::Fresh);
        fresh.map(|entry| entry.value)
    }

    /// Joins the load of `key`, and has `request` back; or sends it to `service` for that.
    fn load<S, B>(
        self: &Arc<Self>,
        key: &Arc<str>,
        service: &S,
        request: Request<B>,
    ) -> (Seat<T, E>, Option<Request<B>>)
    where
        S: Service<Request<B>, Response = T, Error = E> + Clone + Send + 'static,
        S::Future: Send,
        B: Send + 'static,
    {
        self.flights.board(key, request, |request| {
            let shared = self.clone();
            let key = key.clone();
            // The others must not wait for longer than the one who began it would have.
            let limit = request.extensions().get::<Deadline>().map(|it| it.at());
            let answer = service.clone().oneshot(request);
            let answer = TimeLimit::new(answer, limit, StoppedBy::Deadline);
            self.rules.detached(Box::pin(async move {
                let result = answer.await;
                shared.keep(key, &result);
                result
            }))
        })
    }

    /// What the load of `key` brings. Whoever has joined one that ended only because the time
    /// of the one who began it was over, and has time left, loads anew.
    async fn loaded<S, B>(
        self: &Arc<Self>,
        key: &Arc<str>,
        service: S,
        (mut seat, mut joined): (Seat<T, E>, Option<Request<B>>),
    ) -> Result<T, E>
    where
        S: Service<Request<B>, Response = T, Error = E> + Clone + Send + 'static,
        S::Future: Send,
        B: Send + 'static,
    {
        loop {
            let result = seat.arrival().await;
            let is_over = |error: &E| error.stopped_by() == StoppedBy::Deadline;
            let Some(request) = joined.filter(has_time) else {
                return result;
            };
            if !result.as_ref().is_err_and(is_over) {
                return result;
            }
            (seat, joined) = self.load(key, &service, request);
        }
    }

    fn keep(&self, key: Arc<str>, result: &Result<T, E>) {
        if self.rules.drops(result) {
            self.entries.invalidate(&key);
        } else if let Ok(answer) = result
            && self.rules.may_store(result)
        {
            let entry = Entry {
                value: answer.clone(),
                stored_at: self.origin.elapsed(),
            };
            self.entries.insert(key, entry);
        }
    }

    /// What is told: `result`, or if that is a failure, the old answer as long as it is good.
    /// It is looked up only now: a denial may have taken it away meanwhile.
    fn stand_in(&self, key: &str, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() || self.rules.drops(&result) {
            return result;
        }
        let Some(old) = self.entries.get(key) else {
            return result;
        };
        match self.freshness(&old) {
            Freshness::Stale(age) => Ok(self.rules.stale(old.value, age)),
            Freshness::Fresh | Freshness::Gone => result,
        }
    }
}

impl<S, T, E, P> Layer<S> for CacheLayer<T, E, P> {
    type Service = CacheService<S, T, E, P>;
    fn layer(&self, inner: S) -> Self::Service {
        CacheService {
            inner,
            shared: self.0.clone(),
        }
    }
}

/// The service made by [`CacheLayer`].
///
/// It is always ready: whether the inner service is needed is known only when the request is
/// there, and then a clone of it is made ready.
#[derive(Debug)]
pub struct CacheService<S, T, E, P> {
    inner: S,
    shared: Arc<Shared<T, E, P>>,
}

impl<S, T, E, P, B> Service<Request<B>> for CacheService<S, T, E, P>
where
    S: Service<Request<B>, Response = T, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    T: Clone + Send + Sync + 'static,
    E: CallFailure + Clone + Sync + 'static,
    P: Storable<T, E>,
    B: Send + 'static,
{
    type Response = T;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(CacheKey(key)) = request.extensions().get().cloned() else {
            return Box::pin(self.inner.clone().oneshot(request));
        };
        if let Some(answer) = self.shared.find(&key) {
            return Box::pin(std::future::ready(Ok(answer)));
        }
        let (shared, inner) = (self.shared.clone(), self.inner.clone());
        let boarded = shared.load(&key, &inner, request);
        Box::pin(async move {
            let result = shared.loaded(&key, inner, boarded).await;
            shared.stand_in(&key, result)
        })
    }
}

fn has_time<B>(request: &Request<B>) -> bool {
    let deadline = request.extensions().get::<Deadline>();
    deadline.is_none_or(|deadline| deadline.remaining(Instant::now()).is_some())
}

/// Not the answers themselves: they may be secret, and are many.
impl<T, E, P> fmt::Debug for Shared<T, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shared = f.debug_struct("Shared");
        shared.field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl<T, E, P> Clone for CacheLayer<T, E, P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Clone, T, E, P> Clone for CacheService<S, T, E, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: self.shared.clone(),
        }
    }
}
