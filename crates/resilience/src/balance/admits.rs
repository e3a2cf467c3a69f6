//! Whether a replica's own layers would let a call pass.

use crate::{
    attempt_timeout::AttemptTimeoutService,
    circuit_breaker::{BreakerService, Observe},
};
use std::task::{Context, Poll};
use tower::{Service, util::Either};

/// A service that can say beforehand whether it would refuse a call, so that the call goes
/// to another replica instead.
pub trait Admits {
    /// Whether it would let a call pass now. Takes nothing, and promises nothing.
    fn admits(&self) -> bool;
}

/// A service that refuses nothing: the innermost one, below all that might.
#[derive(Debug, Clone, Copy)]
pub struct AlwaysAdmits<S>(pub S);

impl<S> Admits for AlwaysAdmits<S> {
    fn admits(&self) -> bool {
        true
    }
}

impl<S: Service<R>, R> Service<R> for AlwaysAdmits<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

/// A closed breaker says so without a look at the clock.
impl<S: Admits, C, O: Observe> Admits for BreakerService<S, C, O> {
    #[inline]
    fn admits(&self) -> bool {
        self.would_admit() && self.get_ref().admits()
    }
}

impl<S: Admits> Admits for AttemptTimeoutService<S> {
    fn admits(&self) -> bool {
        self.get_ref().admits()
    }
}

/// A layer that may be left out: `ServiceBuilder::option_layer`.
impl<A: Admits, B: Admits> Admits for Either<A, B> {
    fn admits(&self) -> bool {
        match self {
            Self::Left(service) => service.admits(),
            Self::Right(service) => service.admits(),
        }
    }
}
