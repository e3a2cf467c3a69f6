//! The layer: no attempt outlives its time-out.

use crate::{Failure, time_limit::TimeLimit};
use std::{
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower::{Layer, Service};
use types::StoppedBy;

/// Bounds each attempt by `limit`; `None` leaves attempts unbounded.
#[derive(Debug, Clone, Copy)]
pub struct AttemptTimeoutLayer {
    limit: Option<Duration>,
}

impl AttemptTimeoutLayer {
    /// A time-out of `limit` per attempt.
    pub const fn new(limit: Option<Duration>) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeoutService<S>;
    fn layer(&self, inner: S) -> Self::Service {
        AttemptTimeoutService {
            inner,
            limit: self.limit,
        }
    }
}

/// The service made by [`AttemptTimeoutLayer`].
#[derive(Debug, Clone)]
pub struct AttemptTimeoutService<S> {
    inner: S,
    limit: Option<Duration>,
}

impl<S> AttemptTimeoutService<S> {
    /// The service whose answers are waited for.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, R> Service<R> for AttemptTimeoutService<S>
where
    S: Service<R, Error: Failure>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TimeLimit<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let limit = self
            .limit
            .and_then(|limit| Instant::now().checked_add(limit));
        TimeLimit::new(self.inner.call(request), limit, StoppedBy::Attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Failed;
    use std::future::pending;
    use tower::{ServiceExt, service_fn};
    use types::Cause;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_fails_with_the_cause_timeout_when_its_time_is_up() {
        let begin = Instant::now();
        let layer = AttemptTimeoutLayer::new(Some(Duration::from_millis(250)));
        let service = layer.layer(service_fn(|()| pending::<Result<(), Failed>>()));
        assert_eq!(
            service.oneshot(()).await,
            Err(Failed(Cause::Timeout, StoppedBy::Attempts))
        );
        assert_eq!(begin.elapsed(), Duration::from_millis(250));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_an_attempt_takes_the_time_it_takes() {
        let service = service_fn(|()| async {
            tokio::time::sleep(Duration::from_hours(24)).await;
            Ok::<_, Failed>("done")
        });
        assert_eq!(
            AttemptTimeoutLayer::new(None)
                .layer(service)
                .oneshot(())
                .await,
            Ok("done")
        );
    }
}
