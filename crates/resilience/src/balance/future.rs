//! The future: tells the board how the call has ended, however it ends.

use super::{ObserveBalance, Tried, service::Shared};
use crate::{
    Failure,
    circuit_breaker::{Classify, Outcome},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::{Service, util::Oneshot};
use types::{Cause, StoppedBy};

pin_project! {
    /// The future of [`Balance`](super::Balance).
    pub struct BalanceFuture<S, C, O, R>
    where
        S: Service<R>,
        O: ObserveBalance<R>,
    {
        #[pin]
        inner: Option<Oneshot<S, R>>,
        guard: Option<Guard<S, C, O, R>>,
    }
}

impl<S, C, O, R> BalanceFuture<S, C, O, R>
where
    S: Service<R>,
    O: ObserveBalance<R>,
{
    pub(super) fn sent(service: S, request: R, guard: Guard<S, C, O, R>) -> Self {
        Self {
            inner: Some(Oneshot::new(service, request)),
            guard: Some(guard),
        }
    }

    /// There are no replicas.
    pub(super) const fn nobody() -> Self {
        Self {
            inner: None,
            guard: None,
        }
    }
}

impl<S, C, O, R> Future for BalanceFuture<S, C, O, R>
where
    S: Service<R, Error: Failure>,
    C: Classify<S::Response, S::Error>,
    O: ObserveBalance<R>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (Some(inner), Some(guard)) = (this.inner.as_pin_mut(), this.guard) else {
            return Poll::Ready(Err(Failure::new(Cause::Refused, StoppedBy::Attempts)));
        };
        let mut polled = guard.enter(|| inner.poll(cx));
        if let Poll::Ready(result) = &mut polled {
            guard.end(result);
            if let Err(failure) = result
                && guard.others_remain()
            {
                failure.others_remain();
            }
        }
        polled
    }
}

/// A call on the board, which ends even if it is dropped or panics.
pub(super) struct Guard<S, C, O: ObserveBalance<R>, R> {
    shared: Arc<Shared<S, C, O>>,
    tried: Tried,
    replica: usize,
    began: Duration,
    /// Whether the inner service or future is running right now.
    inside: bool,
    ended: bool,
    request: PhantomData<fn(R)>,
}

impl<S, C, O: ObserveBalance<R>, R> Guard<S, C, O, R> {
    pub(super) fn new(
        shared: Arc<Shared<S, C, O>>,
        tried: Tried,
        replica: usize,
        began: Duration,
    ) -> Self {
        shared.board.began(replica);
        Self {
            shared,
            tried,
            replica,
            began,
            inside: false,
            ended: false,
            request: PhantomData,
        }
    }

    /// Runs a part of the call. If it panics, the call has failed.
    fn enter<T>(&mut self, part: impl FnOnce() -> T) -> T {
        self.inside = true;
        let done = part();
        self.inside = false;
        done
    }

    fn end<T, E>(&mut self, result: &Result<T, E>)
    where
        C: Classify<T, E>,
    {
        let outcome = self.shared.classify.classify(result);
        self.ended = true;
        self.tell(outcome);
    }

    /// Whether there is a replica that the call has not tried and could go to.
    fn others_remain(&self) -> bool {
        self.shared
            .board
            .has_untried(&self.tried, self.shared.now())
    }

    fn tell(&self, outcome: Outcome) {
        let now = self.shared.now();
        let latency = now.saturating_sub(self.began);
        let ejection = self.shared.board.ended(self.replica, outcome, latency, now);
        if let Some(ejection) = ejection {
            self.shared.observe.ejected(&ejection);
        }
    }
}

impl<S, C, O: ObserveBalance<R>, R> Drop for Guard<S, C, O, R> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.tell(if self.inside {
            Outcome::Failure(Cause::Error)
        } else {
            Outcome::Cancelled
        });
    }
}
