//! The layer: nothing below it outlives the request's deadline.

use super::Deadline;
use crate::{Failure, time_limit::TimeLimit};
use http::Request;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Layer, Service};
use types::StoppedBy;

/// Bounds everything below by the [`Deadline`] in the request's extensions, if there is one.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;
    fn layer(&self, inner: S) -> Self::Service {
        DeadlineService { inner }
    }
}

/// The service made by [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub struct DeadlineService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for DeadlineService<S>
where
    S: Service<Request<B>, Error: Failure>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TimeLimit<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let deadline = request.extensions().get::<Deadline>().copied();
        match deadline {
            Some(deadline) if deadline.remaining(Instant::now()).is_none() => {
                TimeLimit::expired(StoppedBy::Deadline)
            }
            _ => {
                let limit = deadline.map(Deadline::at);
                TimeLimit::new(self.inner.call(request), limit, StoppedBy::Deadline)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Failed;
    use std::{future::pending, time::Duration};
    use tower::{ServiceExt, service_fn};
    use types::Cause;

    fn with_deadline(deadline: Option<Deadline>) -> Request<()> {
        let mut request = Request::new(());
        request.extensions_mut().extend(
            deadline
                .map(|deadline| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(deadline);
                    extensions
                })
                .unwrap_or_default(),
        );
        request
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_never_ends_is_stopped_at_the_deadline_and_not_a_tick_later() {
        let begin = Instant::now();
        let deadline = Deadline::after(begin, Duration::from_millis(30));
        let service = DeadlineLayer.layer(service_fn(|_| pending::<Result<(), Failed>>()));
        let failed = service.oneshot(with_deadline(deadline)).await.unwrap_err();
        assert_eq!(failed, Failed(Cause::Timeout, StoppedBy::Deadline));
        assert_eq!(begin.elapsed(), Duration::from_millis(30));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_not_begun_once_the_deadline_has_passed() {
        let deadline = Deadline::after(Instant::now(), Duration::from_millis(30));
        tokio::time::advance(Duration::from_millis(30)).await;
        let service = service_fn(|_: Request<()>| async {
            panic!("begun after the deadline");
            #[allow(unreachable_code, reason = "gives the closure its type")]
            Ok::<(), Failed>(())
        });
        let failed = DeadlineLayer
            .layer(service)
            .oneshot(with_deadline(deadline))
            .await;
        assert_eq!(failed, Err(Failed(Cause::Timeout, StoppedBy::Deadline)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_deadline_work_takes_the_time_it_takes() {
        let service = service_fn(|_| async {
            tokio::time::sleep(Duration::from_hours(24)).await;
            Ok::<_, Failed>("done")
        });
        assert_eq!(
            DeadlineLayer
                .layer(service)
                .oneshot(with_deadline(None))
                .await,
            Ok("done")
        );
    }
}
