//! The future shared by deadline and attempt time-out: an answer, or nothing in time.

use crate::Failure;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};
use types::{Cause, StoppedBy};

pin_project! {
    /// Resolves with the inner future, or with a failure once the limit has passed.
    ///
    /// The inner future is polled first: an answer that is there counts, even at the limit.
    pub struct TimeLimit<F> {
        #[pin]
        inner: Option<F>,
        #[pin]
        sleep: Option<Sleep>,
        stopped_by: StoppedBy,
    }
}

impl<F> TimeLimit<F> {
    /// Bounds `inner` by `limit`; `None` leaves it unbounded.
    pub(crate) fn new(inner: F, limit: Option<Instant>, stopped_by: StoppedBy) -> Self {
        Self {
            inner: Some(inner),
            sleep: limit.map(sleep_until),
            stopped_by,
        }
    }

    /// Fails at once: the limit had passed before the work began.
    pub(crate) fn expired(stopped_by: StoppedBy) -> Self {
        Self {
            inner: None,
            sleep: None,
            stopped_by,
        }
    }
}

impl<F, T, E> Future for TimeLimit<F>
where
    F: Future<Output = Result<T, E>>,
    E: Failure,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let elapsed = || Poll::Ready(Err(E::new(Cause::Timeout, *this.stopped_by)));
        let Some(inner) = this.inner.as_pin_mut() else {
            return elapsed();
        };
        if let Poll::Ready(output) = inner.poll(cx) {
            return Poll::Ready(output);
        }
        match this.sleep.as_pin_mut().map(|sleep| sleep.poll(cx)) {
            Some(Poll::Ready(())) => elapsed(),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}
