//! The service: asks the breaker before each call.

use super::{BreakerFuture, Classify, Observe, ObserveCall, future::Guard, layer::Holds, shard};
use crate::Failure;
use std::task::{Context, Poll};
use tower::Service;

/// The service made by [`BreakerLayer`](super::BreakerLayer).
#[derive(Debug)]
pub struct BreakerService<S, C, O> {
    inner: S,
    holds: Holds<C, O>,
    /// The breaker did not admit calls when somebody asked whether this service is ready,
    /// so the inner one was not asked: the next call must not reach it.
    closed_off: bool,
}

impl<S, C, O> BreakerService<S, C, O> {
    pub(super) const fn new(inner: S, holds: Holds<C, O>) -> Self {
        Self {
            inner,
            holds,
            closed_off: false,
        }
    }

    /// The service that it protects.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, C, O: Observe> BreakerService<S, C, O> {
    /// Whether a call would be admitted now, so that one can look for another callee.
    #[inline]
    pub fn would_admit(&self) -> bool {
        self.holds[0].0.would_admit()
    }
}

impl<S, C, O, R> Service<R> for BreakerService<S, C, O>
where
    S: Service<R, Error: Failure>,
    C: Classify<S::Response, S::Error>,
    O: ObserveCall<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BreakerFuture<S::Future, C, O>;

    /// An open breaker is always ready, to refuse. It does not ask the inner service, which
    /// may have no room just because the callee hangs, and whose room would be kept from
    /// others for a call that is then refused.
    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.closed_off = !self.holds[0].0.would_admit();
        if self.closed_off {
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_ready(cx)
    }

    // Compiled into its caller, a call of a closed breaker takes 53 ns, and 67 otherwise: then
    // its future is moved.
    #[inline]
    fn call(&mut self, mut request: R) -> Self::Future {
        let hold = &self.holds[shard::mine()];
        let shared = &hold.0;
        if self.closed_off {
            return BreakerFuture::refused(shared.breaker.refused());
        }
        match shared.try_acquire() {
            Ok(permit) => {
                let state = permit.state();
                let mut guard = Guard::new(hold.clone(), permit);
                shared.observe.admitted(&mut request, state);
                let inner = guard.enter(|| self.inner.call(request));
                BreakerFuture::admitted(inner, guard)
            }
            Err(refused) => BreakerFuture::refused(refused),
        }
    }
}

impl<S: Clone, C, O> Clone for BreakerService<S, C, O> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.holds.clone())
    }
}
