//! One HTTP exchange: a request, and its answer read to the end.

use super::CallError;
use crate::own_failure::{self, Report};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tower::Service;
use types::{Cause, Outcome, header};

/// The largest answer read, in bytes; a longer one is no answer of ours.
const MAX_ANSWER: usize = 8 << 20;

/// The innermost service: reqwest. An answer with the status 429, or one from 500 up, is a
/// failure.
///
/// The body is part of the exchange: an attempt whose answer breaks off has failed, and its
/// time-out covers the last byte.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    client: reqwest::Client,
}

impl Exchange {
    pub(super) const fn new(client: reqwest::Client) -> Self {
        Self { client }
    }
}

impl Service<Request<Bytes>> for Exchange {
    type Response = Response<Bytes>;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
            let response = client
                .execute(request)
                .await
                .map_err(|error| failed(&error))?;
            let response = read(response).await?;
            let status = response.status();
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(CallError::from_answer(&response));
            }
            Ok(response)
        })
    }
}

/// How an answer below 500 counts: degraded where the callee says so.
pub(super) fn outcome(headers: &HeaderMap) -> Outcome {
    let degraded = headers
        .get(header::OUTCOME)
        .is_some_and(|v| v == Outcome::Degraded.as_str());
    if degraded {
        Outcome::Degraded
    } else {
        Outcome::Ok
    }
}

async fn read(mut response: reqwest::Response) -> Result<Response<Bytes>, CallError> {
    let mut parts = Response::new(());
    *parts.status_mut() = response.status();
    *parts.headers_mut() = std::mem::take(response.headers_mut());
    let first = chunk(&mut response).await?.unwrap_or_default();
    let body = match chunk(&mut response).await? {
        None => first,
        Some(second) => read_on(response, first, second).await?,
    };
    Ok(parts.map(|()| body))
}

/// The rest of an answer that comes in several pieces.
async fn read_on(
    mut response: reqwest::Response,
    first: Bytes,
    second: Bytes,
) -> Result<Bytes, CallError> {
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(CallError::without_answer(Cause::Corrupt));
        }
        body.extend_from_slice(&piece);
        next = chunk(&mut response).await?;
    }
    Ok(body.freeze())
}

async fn chunk(response: &mut reqwest::Response) -> Result<Option<Bytes>, CallError> {
    response.chunk().await.map_err(|error| failed(&error))
}

static CALLS: Report = Report::new("a call could not be made");

/// This process has nothing left to make a connection with; or nothing listens at the address;
/// or the connection broke.
fn failed(error: &reqwest::Error) -> CallError {
    if let Some(error) = own_failure::used_up(error) {
        CALLS.log(error);
        return CallError::exhausted();
    }
    tracing::debug!(%error, "exchange failed");
    let cause = if error.is_connect() {
        Cause::Refused
    } else {
        Cause::Reset
    };
    CallError::without_answer(cause)
}
