//! The future: waits for room if need be, and makes room however the call ends.

use super::{Bulkhead, Inside};
use crate::{Failure, circuit_breaker::Classify};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::Service;
use types::{Cause, StoppedBy};

pin_project! {
    /// The future of [`BulkheadService`](super::BulkheadService).
    pub struct BulkheadFuture<S: Service<R>, C, R> {
        #[pin]
        call: Call<S, R>,
        classify: C,
    }
}

/// Waits for room. In a box, because few calls wait.
type Entering = Pin<Box<dyn Future<Output = Option<Inside>> + Send>>;

pin_project! {
    #[project = CallProjection]
    enum Call<S: Service<R>, R> {
        Waiting { entering: Entering, parked: Option<(S, R)> },
        Inside { #[pin] inner: S::Future, inside: Option<Inside> },
        Refused,
    }
}

impl<S: Service<R>, C, R> BulkheadFuture<S, C, R> {
    pub(super) const fn inside(inner: S::Future, inside: Inside, classify: C) -> Self {
        let inside = Some(inside);
        Self {
            call: Call::Inside { inner, inside },
            classify,
        }
    }

    pub(super) const fn refused(classify: C) -> Self {
        Self {
            call: Call::Refused,
            classify,
        }
    }

    pub(super) fn waiting(bulkhead: Bulkhead, service: S, request: R, classify: C) -> Self {
        let entering: Entering = Box::pin(async move { bulkhead.enter().await });
        let parked = Some((service, request));
        Self {
            call: Call::Waiting { entering, parked },
            classify,
        }
    }
}

impl<S, C, R> Future for BulkheadFuture<S, C, R>
where
    S: Service<R, Error: Failure>,
    C: Classify<S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let next = match this.call.as_mut().project() {
                CallProjection::Refused => return Poll::Ready(Err(full())),
                CallProjection::Inside { inner, inside } => {
                    let result = ready!(inner.poll(cx));
                    if let Some(inside) = inside.take() {
                        inside.end(this.classify.classify(&result));
                    }
                    return Poll::Ready(result);
                }
                CallProjection::Waiting { entering, parked } => {
                    let inside = ready!(entering.as_mut().poll(cx));
                    match (inside, parked.take()) {
                        (Some(inside), Some((mut service, request))) => Call::Inside {
                            inner: service.call(request),
                            inside: Some(inside),
                        },
                        _ => Call::Refused,
                    }
                }
            };
            this.call.set(next);
        }
    }
}

/// The caller's own doing: it says nothing about the callee.
fn full<E: Failure>() -> E {
    E::new(Cause::Shed, StoppedBy::BulkheadFull)
}
