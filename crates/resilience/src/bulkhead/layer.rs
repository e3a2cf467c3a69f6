//! The layer: one bulkhead, for all services that it is applied to.

use super::{Bulkhead, BulkheadFuture, LimitPolicy};
use crate::{
    Failure,
    balance::Admits,
    circuit_breaker::{ByStatus, Classify},
};
use std::task::{Context, Poll};
use tower::{Layer, Service};

#[cfg(test)]
mod tests;

/// Lets only so many calls pass at once.
///
/// One layer is one bulkhead: its clones, the services made by it and their clones all share
/// it.
#[derive(Debug, Clone)]
pub struct BulkheadLayer<C = ByStatus> {
    bulkhead: Bulkhead,
    classify: C,
}

impl BulkheadLayer {
    /// A bulkhead whose limit, if it is adaptive, learns from what [`ByStatus`] calls a
    /// success.
    pub fn new(policy: LimitPolicy) -> Self {
        Self::with(policy, ByStatus)
    }
}

impl<C> BulkheadLayer<C> {
    /// A bulkhead whose limit, if it is adaptive, learns from what `classify` calls a
    /// success.
    pub fn with(policy: LimitPolicy, classify: C) -> Self {
        Self {
            bulkhead: Bulkhead::new(policy),
            classify,
        }
    }

    /// The bulkhead, to be looked at.
    pub const fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }
}

impl<S, C: Clone> Layer<S> for BulkheadLayer<C> {
    type Service = BulkheadService<S, C>;
    fn layer(&self, inner: S) -> Self::Service {
        BulkheadService {
            inner,
            bulkhead: self.bulkhead.clone(),
            classify: self.classify.clone(),
        }
    }
}

/// The service made by [`BulkheadLayer`].
///
/// Room is taken when a call is made, not before: a clone that was once asked whether it is
/// ready, and is then kept, takes no room from others.
#[derive(Debug, Clone)]
pub struct BulkheadService<S, C> {
    inner: S,
    bulkhead: Bulkhead,
    classify: C,
}

impl<S: Admits, C> Admits for BulkheadService<S, C> {
    #[inline]
    fn admits(&self) -> bool {
        self.bulkhead.has_room() && self.inner.admits()
    }
}

impl<S, C, R> Service<R> for BulkheadService<S, C>
where
    S: Service<R, Error: Failure> + Clone,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BulkheadFuture<S, C, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: R) -> Self::Future {
        if let Some(inside) = self.bulkhead.try_enter() {
            let call = self.inner.call(request);
            return BulkheadFuture::inside(call, inside, self.classify.clone());
        }
        if !self.bulkhead.has_queue() {
            return BulkheadFuture::refused(self.classify.clone());
        }
        // The instance that was made ready is the one to be called.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        BulkheadFuture::waiting(self.bulkhead.clone(), ready, request, self.classify.clone())
    }
}
