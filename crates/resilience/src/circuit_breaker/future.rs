//! The future: hands the permit back with the outcome, however the call ends.

use super::{Classify, Observe, Outcome, Permit, Refused, layer::Hold};
use crate::Failure;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use types::{Cause, StoppedBy};

pin_project! {
    /// The future of [`BreakerService`](super::BreakerService).
    pub struct BreakerFuture<F, C, O: Observe> {
        #[pin]
        call: Call<F, C, O>,
    }
}

pin_project! {
    #[project = CallProjection]
    enum Call<F, C, O: Observe> {
        Admitted { #[pin] inner: F, guard: Guard<C, O> },
        Refused { refused: Refused },
    }
}

impl<F, C, O: Observe> BreakerFuture<F, C, O> {
    pub(super) const fn admitted(inner: F, guard: Guard<C, O>) -> Self {
        Self {
            call: Call::Admitted { inner, guard },
        }
    }

    pub(super) const fn refused(refused: Refused) -> Self {
        Self {
            call: Call::Refused { refused },
        }
    }
}

impl<F, T, E, C, O> Future for BreakerFuture<F, C, O>
where
    F: Future<Output = Result<T, E>>,
    E: Failure,
    C: Classify<T, E>,
    O: Observe,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().call.project() {
            CallProjection::Refused { refused } => {
                Poll::Ready(Err(E::new(refused.cause, StoppedBy::BreakerOpen)))
            }
            CallProjection::Admitted { inner, guard } => {
                let polled = guard.enter(|| inner.poll(cx));
                match &polled {
                    Poll::Ready(result) => guard.end(result),
                    Poll::Pending => guard.waited = true,
                }
                polled
            }
        }
    }
}

/// Holds the permit of a call, and hands it back even if the call is dropped or panics.
pub(super) struct Guard<C, O: Observe> {
    hold: Hold<C, O>,
    permit: Option<Permit>,
    /// Whether the inner service or future is running right now.
    inside: bool,
    /// Whether the call took any time.
    waited: bool,
}

impl<C, O: Observe> Guard<C, O> {
    pub(super) const fn new(hold: Hold<C, O>, permit: Permit) -> Self {
        Self {
            hold,
            permit: Some(permit),
            inside: false,
            waited: false,
        }
    }

    /// Runs a part of the call. If it panics, the call has failed.
    pub(super) fn enter<T>(&mut self, part: impl FnOnce() -> T) -> T {
        self.inside = true;
        let done = part();
        self.inside = false;
        done
    }

    /// The call has ended with `result`.
    ///
    /// Reading the clock costs more than all the rest. A success that was there at the first
    /// look is counted at the time it was sent, unless it matters whether it was slow.
    #[inline]
    fn end<T, E>(&mut self, result: &Result<T, E>)
    where
        C: Classify<T, E>,
    {
        let outcome = self.hold.0.classify.classify(result);
        let Some(permit) = self.permit.take() else {
            return;
        };
        let shared = &self.hold.0;
        let at_once = outcome == Outcome::Success && !self.waited;
        if at_once && !shared.breaker.times_successes() {
            shared.complete_at_once(permit);
        } else {
            shared.complete(permit, outcome);
        }
    }
}

impl<C, O: Observe> Drop for Guard<C, O> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let outcome = if self.inside {
                Outcome::Failure(Cause::Error)
            } else {
                Outcome::Cancelled
            };
            self.hold.0.complete(permit, outcome);
        }
    }
}
