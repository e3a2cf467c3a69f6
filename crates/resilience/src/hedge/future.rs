//! The future: two requests, of which the first to succeed wins.

use super::{ObserveHedge, layer::Shared};
use crate::CallFailure;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Service, util::Oneshot};

pin_project! {
    /// The future of [`HedgeService`](super::HedgeService).
    ///
    /// ```text
    /// waiting for the first  => done              it succeeds, or it fails
    ///                        => both under way    it is late, and the budget allows another
    /// both under way         => done              one of them succeeds; the other is dropped
    ///                        => one under way     one of them fails
    /// one under way          => done              it succeeds, or it fails
    /// ```
    ///
    /// A failure is told only when nobody is left who might succeed, and then it is that of
    /// the first request: a hedge that fails fast, say at a replica that is down, does not end
    /// a call that would have been answered.
    pub struct HedgeFuture<S, O, R>
    where
        S: Service<R>,
    {
        #[pin]
        first: Option<S::Future>,
        #[pin]
        second: Option<Oneshot<S, R>>,
        #[pin]
        late: Option<Sleep>,
        delay: Duration,
        // What to send when the first one is late.
        parked: Option<(S, R)>,
        failure: Option<S::Error>,
        watch: Watch<O>,
    }
}

impl<S: Service<R>, O, R> HedgeFuture<S, O, R> {
    /// What must not be sent twice.
    pub(super) fn once(first: S::Future, shared: Arc<Shared<O>>) -> Self {
        Self {
            first: Some(first),
            second: None,
            late: None,
            delay: Duration::ZERO,
            parked: None,
            failure: None,
            watch: Watch::new(shared),
        }
    }

    pub(super) fn hedged(first: S::Future, second: (S, R), shared: Arc<Shared<O>>) -> Self {
        let delay = shared.trigger.delay();
        Self {
            late: Some(sleep(delay)),
            delay,
            parked: Some(second),
            ..Self::once(first, shared)
        }
    }
}

impl<S, O, R> Future for HedgeFuture<S, O, R>
where
    S: Service<R, Error: CallFailure>,
    O: ObserveHedge,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.as_mut().poll_first(cx) {
            return Poll::Ready(answer);
        }
        self.as_mut().hedge_if_late(cx);
        self.poll_second(cx)
    }
}

impl<S, O, R> HedgeFuture<S, O, R>
where
    S: Service<R, Error: CallFailure>,
    O: ObserveHedge,
{
    /// The end of the call, if it is that of the first request.
    fn poll_first(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Result<S::Response, S::Error>> {
        let mut this = self.project();
        let Poll::Ready(result) = this.first.as_mut().as_pin_mut()?.poll(cx) else {
            return None;
        };
        this.first.set(None);
        this.watch.first_ended(result.is_ok());
        match result {
            Err(failure) if this.second.is_some() => {
                *this.failure = Some(failure);
                None
            }
            result => Some(result),
        }
    }

    /// Sends the second request if the first one is late and the budget allows it.
    fn hedge_if_late(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let mut this = self.project();
        let late = this.late.as_mut().as_pin_mut();
        if late.is_none_or(|late| late.poll(cx).is_pending()) {
            return;
        }
        this.late.set(None);
        let Some((service, request)) = this.parked.take() else {
            return;
        };
        if this.watch.shared.can_afford() {
            this.watch.shared.observe.scheduled(1, *this.delay);
            this.second.set(Some(Oneshot::new(service, request)));
        }
    }

    /// The end of the call, if it is that of the second request.
    fn poll_second(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, S::Error>> {
        let mut this = self.project();
        let Some(second) = this.second.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let Poll::Ready(result) = second.poll(cx) else {
            return Poll::Pending;
        };
        this.second.set(None);
        match (result, this.first.is_some()) {
            (Err(_), true) => Poll::Pending,
            (Err(failure), false) => Poll::Ready(Err(this.failure.take().unwrap_or(failure))),
            (answer, _) => Poll::Ready(answer),
        }
    }
}

/// Sees how long the first request takes, or for how long it was waited for.
struct Watch<O> {
    shared: Arc<Shared<O>>,
    began: Option<Instant>,
}

impl<O> Watch<O> {
    fn new(shared: Arc<Shared<O>>) -> Self {
        let began = Some(Instant::now());
        Self { shared, began }
    }

    /// It need not be waited for any longer: it was answered, failed, or lost the race.
    fn first_ended(&mut self, answered: bool) {
        if let Some(began) = self.began.take() {
            self.shared.trigger.took(began.elapsed(), answered);
        }
    }
}

impl<O> Drop for Watch<O> {
    fn drop(&mut self) {
        self.first_ended(false);
    }
}
