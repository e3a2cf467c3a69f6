//! The service: chooses a replica for each call.

use super::{
    Admits, BalanceFuture, BalancePolicy, Board, Ejection, ReplicaState, Tried, future::Guard,
};
use crate::{
    Failure,
    circuit_breaker::{ByStatus, Classify},
};
use http::Request;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower::Service;

#[cfg(test)]
mod tests;

/// One replica: what is known of it, and the way to it.
#[derive(Debug)]
pub struct Candidate<S> {
    /// What is known of it.
    pub state: Arc<ReplicaState>,
    /// The way to it, its own breaker and bulkhead included.
    pub service: S,
}

/// Hears where calls go, and of replicas that are left out. The unit type listens to nothing.
pub trait ObserveBalance<R> {
    /// `request` goes to `replica`.
    fn chosen(&self, request: &mut R, replica: usize) {
        let _ = (request, replica);
    }

    /// A replica is left out for a while. Called on the thread whose call failed.
    fn ejected(&self, ejection: &Ejection) {
        let _ = ejection;
    }
}

impl<R> ObserveBalance<R> for () {}

/// Sends each call to one of several replicas.
///
/// It is always ready, and cloning it is counting one reference: which replica it will be is
/// known only when the call is there, with what it has [`Tried`]. The chosen replica's
/// service is cloned, made ready and called within the call's future, so no clone of this
/// service keeps a place that others need.
#[derive(Debug)]
pub struct Balance<S, C = ByStatus, O = ()>(Arc<Shared<S, C, O>>);

/// The board, its clock, the ways to the replicas, and who is asked and told.
#[derive(Debug)]
pub(super) struct Shared<S, C, O> {
    pub(super) board: Arc<Board>,
    services: Box<[S]>,
    origin: Instant,
    pub(super) classify: C,
    pub(super) observe: O,
}

impl<S> Balance<S> {
    /// Spreads calls over `candidates`; what fails is told by [`ByStatus`].
    pub fn new(policy: BalancePolicy, candidates: Vec<Candidate<S>>) -> Self {
        Self::with(policy, candidates, ByStatus, ())
    }
}

impl<S, C, O> Balance<S, C, O> {
    /// The same, where `classify` tells what fails; and tells `observe`.
    pub fn with(
        policy: BalancePolicy,
        candidates: Vec<Candidate<S>>,
        classify: C,
        observe: O,
    ) -> Self {
        let parts = candidates.into_iter().map(|it| (it.state, it.service));
        let (states, services): (Vec<_>, Vec<_>) = parts.unzip();
        let board = Arc::new(Board::new(policy, states));
        Self::on((board, Instant::now()), services, classify, observe)
    }

    /// The same on a board that is there already, whose time counts from the instant beside
    /// it: what is known of the replicas stays, and the ways to them are new.
    pub fn on(
        (board, origin): (Arc<Board>, Instant),
        services: Vec<S>,
        classify: C,
        observe: O,
    ) -> Self {
        Self(Arc::new(Shared {
            board,
            services: services.into(),
            origin,
            classify,
            observe,
        }))
    }

    /// The board: for those who listen to heartbeats, and those who show it.
    pub fn board(&self) -> &Arc<Board> {
        &self.0.board
    }

    /// The time that the board's `now` means: since it was made.
    pub fn now(&self) -> Duration {
        self.0.now()
    }
}

impl<S, C, O> Shared<S, C, O> {
    #[inline]
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl<S: Admits, C, O> Shared<S, C, O> {
    fn choose(&self, tried: &Tried, now: Duration) -> Option<usize> {
        let admits = |it: usize| self.services.get(it).is_some_and(Admits::admits);
        let chosen = self.board.choose(tried, rand::random(), now, admits)?;
        tried.mark(chosen);
        Some(chosen)
    }
}

impl<S, C, O, B> Service<Request<B>> for Balance<S, C, O>
where
    S: Service<Request<B>, Error: Failure> + Clone + Admits,
    C: Classify<S::Response, S::Error>,
    O: ObserveBalance<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BalanceFuture<S, C, O, Request<B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = &self.0;
        let now = shared.now();
        let tried = request.extensions().get().cloned();
        let tried = tried.unwrap_or(Tried::FORGETFUL);
        let Some(chosen) = shared.choose(&tried, now) else {
            return BalanceFuture::nobody();
        };
        let guard = Guard::new(shared.clone(), tried, chosen, now);
        shared.observe.chosen(&mut request, chosen);
        let service = shared.services[chosen].clone();
        BalanceFuture::sent(service, request, guard)
    }
}

impl<S, C, O> Clone for Balance<S, C, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
