//! Carries decisions out, between the stack of a service and its handler.

use crate::{Decision, FaultControl, FaultKind, Firing, RequestKey};
use futures_util::future::Either;
use http::{Request, Response};
use std::{
    future::{Future, pending},
    pin::Pin,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Marks a response that must never be sent: whoever owns the connection tears it down.
#[derive(Debug, Clone, Copy)]
pub struct ResetConnection;

/// Called once for a request that faults hit: notes them on its span.
type Note = fn(&Decision);
/// Makes the answer for a fault that answers.
type Answer<B> = fn(&Firing) -> Response<B>;

/// Injects faults into the requests that pass.
///
/// The request carries its [`RequestKey`] as an extension; one without is left alone.
pub struct FaultLayer<B> {
    control: FaultControl,
    note: Note,
    answer: Answer<B>,
}

impl<B> FaultLayer<B> {
    /// Injects the faults in `control`; `note` records those that fire, `answer` makes error
    /// responses.
    pub fn new(control: FaultControl, note: Note, answer: Answer<B>) -> Self {
        Self {
            control,
            note,
            answer,
        }
    }
}

impl<B> Clone for FaultLayer<B> {
    fn clone(&self) -> Self {
        Self {
            control: self.control.clone(),
            note: self.note,
            answer: self.answer,
        }
    }
}

impl<S, B> Layer<S> for FaultLayer<B> {
    type Service = FaultService<S, B>;
    fn layer(&self, inner: S) -> Self::Service {
        FaultService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service made by [`FaultLayer`].
pub struct FaultService<S, B> {
    inner: S,
    layer: FaultLayer<B>,
}

impl<S: Clone, B> Clone for FaultService<S, B> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

type Injected<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, A, B> Service<Request<A>> for FaultService<S, B>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    A: Send + 'static,
    B: Default + Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Either<S::Future, Injected<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let decision = match request.extensions().get::<RequestKey>() {
            Some(key) if !self.layer.control.is_idle() => self.layer.control.decide(key),
            _ => return Either::Left(self.inner.call(request)),
        };
        if decision.fired.is_empty() {
            return Either::Left(self.inner.call(request));
        }
        (self.layer.note)(&decision);
        let answer = self.layer.answer;
        // The instance that was polled ready does the work; the clone takes its place.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Either::Right(Box::pin(async move {
            tokio::time::sleep(decision.delay()).await;
            match decision.end() {
                None => inner.call(request).await,
                Some(firing) => Ok(end(firing, answer).await),
            }
        }))
    }
}

/// What a request gets that a fault keeps from its handler.
async fn end<B: Default>(firing: &Firing, answer: Answer<B>) -> Response<B> {
    match firing.kind {
        FaultKind::Hang => pending().await,
        FaultKind::Error | FaultKind::Delay(_) => answer(firing),
        FaultKind::Reset => {
            let mut response = Response::new(B::default());
            response.extensions_mut().insert(ResetConnection);
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, FaultSet, Scope, When};
    use std::{convert::Infallible, time::Duration};
    use tokio::time::{Instant, timeout};
    use tower::{ServiceExt, service_fn};
    use types::Probability;

    async fn handler(_: Request<()>) -> Result<Response<&'static str>, Infallible> {
        Ok(Response::new("handled"))
    }

    fn service(
        kind: FaultKind,
    ) -> impl Service<
        Request<()>,
        Response = Response<&'static str>,
        Error = Infallible,
        Future: Send,
    > + Clone {
        let control = FaultControl::new("auth", "auth-0");
        let fault = Fault {
            id: "f".into(),
            kind,
            probability: Probability::ONE,
            scope: Scope::Attempt,
            when: When::Always,
            shared: None,
        };
        control.set(FaultSet {
            seed: 1,
            begin: None,
            faults: vec![fault],
        });
        let layer = FaultLayer::new(
            control,
            |_| (),
            |firing| {
                Response::builder()
                    .status(500)
                    .body(firing.kind.as_str())
                    .unwrap()
            },
        );
        layer.layer(service_fn(handler))
    }

    fn request() -> Request<()> {
        let mut request = Request::new(());
        request.extensions_mut().insert(RequestKey {
            request_id: "r".into(),
            attempt_path: "0".into(),
        });
        request
    }

    #[tokio::test]
    async fn error_is_answered_at_once_without_reaching_the_handler() {
        let response = service(FaultKind::Error).oneshot(request()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), *response.body()),
            (500, "error")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn hang_never_answers() {
        let answer = service(FaultKind::Hang).oneshot(request());
        assert!(timeout(Duration::from_hours(24), answer).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn delay_reaches_the_handler_after_the_pause() {
        let begin = Instant::now();
        let response = service(FaultKind::Delay(Duration::from_millis(70)))
            .oneshot(request())
            .await
            .unwrap();
        assert_eq!(*response.body(), "handled");
        assert_eq!(begin.elapsed(), Duration::from_millis(70));
    }

    #[tokio::test]
    async fn reset_asks_for_the_connection_to_be_torn_down() {
        let response = service(FaultKind::Reset).oneshot(request()).await.unwrap();
        assert!(response.extensions().get::<ResetConnection>().is_some());
    }

    #[tokio::test]
    async fn a_request_without_a_key_is_left_alone() {
        let response = service(FaultKind::Error)
            .oneshot(Request::new(()))
            .await
            .unwrap();
        assert_eq!(*response.body(), "handled");
    }
}
