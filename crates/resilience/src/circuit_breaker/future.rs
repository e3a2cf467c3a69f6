//! The future: hands the permit back with the outcome, however the call ends.

use super::{Classify, Observe, Outcome, Permit, Refused, layer::Shared};
use crate::Failure;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
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
        Admitted { #[pin] inner: F, guard: Option<Guard<C, O>> },
        Refused { refused: Refused },
    }
}

impl<F, C, O: Observe> BreakerFuture<F, C, O> {
    pub(super) const fn admitted(inner: F, guard: Guard<C, O>) -> Self {
        let guard = Some(guard);
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().call.project() {
            CallProjection::Refused { refused } => {
                Poll::Ready(Err(E::new(refused.cause, StoppedBy::BreakerOpen)))
            }
            CallProjection::Admitted { inner, guard } => {
                // Taken out, so that a panic of the inner future unwinds through it.
                let Some(mut taken) = guard.take() else {
                    return inner.poll(cx);
                };
                match taken.enter(|| inner.poll(cx)) {
                    Poll::Ready(result) => {
                        taken.end(&result);
                        Poll::Ready(result)
                    }
                    Poll::Pending => {
                        taken.waited = true;
                        *guard = Some(taken);
                        Poll::Pending
                    }
                }
            }
        }
    }
}

/// Holds the permit of a call, and hands it back even if the call is dropped or panics.
pub(super) struct Guard<C, O: Observe> {
    shared: Arc<Shared<C, O>>,
    permit: Option<Permit>,
    /// Whether the inner service or future is running right now.
    inside: bool,
    /// Whether the call took any time.
    waited: bool,
}

impl<C, O: Observe> Guard<C, O> {
    pub(super) const fn new(shared: Arc<Shared<C, O>>, permit: Permit) -> Self {
        Self {
            shared,
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
    fn end<T, E>(mut self, result: &Result<T, E>)
    where
        C: Classify<T, E>,
    {
        let outcome = self.shared.classify.classify(result);
        let Some(permit) = self.permit.take() else {
            return;
        };
        let at_once = outcome == Outcome::Success && !self.waited;
        let now = if at_once && !self.shared.times_successes() {
            permit.started()
        } else {
            self.shared.now()
        };
        self.shared.complete(permit, outcome, now);
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
            let now = self.shared.now();
            self.shared.complete(permit, outcome, now);
        }
    }
}
