//! What the tests share: a service to ask, a caller, a callee, and everything seen of them.

mod callee;
mod caller;
mod desk;
mod watch;

pub use callee::{Callee, Reply, nobody, url};
pub use caller::Caller;
pub use desk::{Desk, get, json, post};
pub use watch::{Watch, attribute, number};

use axum::response::Response;
use faults::FaultSet;
use std::pin::Pin;
use types::Problem;

/// A set of one fault of `kind` that hits every request.
pub fn always(kind: &str) -> FaultSet {
    let faults = format!(r#"{{"seed":1,"faults":[{{"id":"f","kind":"{kind}","probability":1}}]}}"#);
    serde_json::from_str(&faults).unwrap()
}

/// Polls `future` a single time; whether it is still pending.
pub fn is_pending<F: Future>(future: Pin<&mut F>) -> bool {
    futures_util::FutureExt::now_or_never(future).is_none()
}

/// The text of an answer.
pub async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    String::from_utf8(bytes.unwrap().into()).unwrap()
}

/// The problem in an answer, which must be marked as one and name the status it came with.
pub async fn problem(response: Response) -> Problem {
    let status = response.status().as_u16();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Problem = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(problem.status, status);
    problem
}
