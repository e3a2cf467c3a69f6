//! A panic becomes a 500, and ends nobody else's request.

use crate::Refusal;
use axum::response::{IntoResponse, Response};
use std::any::Any;
use types::{Cause, Problem};

/// The answer to a request whose handler panicked. What it said goes to the log only.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the signature is tower-http's"
)]
pub(super) fn answer(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = text, "handler panicked");
    let problem = Problem::new(500, "panic", "The service failed").cause(Cause::Error);
    Refusal::from(problem).into_response()
}
