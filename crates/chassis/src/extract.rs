//! JSON bodies whose rejections are problems.

use crate::Refusal;
use axum::{
    extract::{FromRequest, Request, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use std::num::NonZeroUsize;
use types::Problem;

/// A JSON body. As an extractor it answers a bad one with a problem that says what is wrong:
/// 415 for another content type, 413 for too much of it, 400 for no JSON, 422 for the wrong shape.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// The largest body accepted, in bytes; an extension of every request of the inbound stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub NonZeroUsize);

impl<S: Sync + Send, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let limit = request.extensions().get::<BodyLimit>().copied();
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&rejection, limit)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn refuse(rejection: &JsonRejection, limit: Option<BodyLimit>) -> Refusal {
    let status = rejection.status().as_u16();
    let (code, title) = match status {
        413 => ("too-large", "The request is too large"),
        415 => (
            "unsupported-media-type",
            "The content type must be application/json",
        ),
        422 => (
            "wrong-shape",
            "The JSON body does not have the expected shape",
        ),
        _ => ("not-json", "The body is not valid JSON"),
    };
    let detail = match limit {
        Some(BodyLimit(limit)) if status == 413 => format!("allowed: at most {limit} bytes"),
        _ => rejection.body_text(),
    };
    Problem::new(status, code, title).detail(detail).into()
}
