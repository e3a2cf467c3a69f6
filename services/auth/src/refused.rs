//! What a client is told that can't have what it asks for.

use crate::{limit::TooMany, password::PasswordError, store::StoreError, threads::ThreadsError};
use axum::response::{IntoResponse, Response};
use chassis::Refusal;
use http::header::RETRY_AFTER;
use std::time::Duration;
use types::{Cause, Problem};

/// How soon those may come again for whom there is no room: by then some 40 passwords have
/// been hashed by each thread.
const SOON: Duration = Duration::from_secs(1);

/// A problem, and when it may be over.
#[derive(Debug)]
pub(crate) struct Refused {
    refusal: Refusal,
    wait: Option<Duration>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let seconds = self.wait.map(|wait| wait.as_millis().div_ceil(1000).max(1));
        match seconds {
            Some(seconds) => ([(RETRY_AFTER, seconds.to_string())], self.refusal).into_response(),
            None => self.refusal.into_response(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let wait = None;
        Self { refusal, wait }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Refusal::from(problem).into()
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        error.problem().into()
    }
}

impl From<PasswordError> for Refused {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Threads(ThreadsError::Full) => Self {
                refusal: too_busy().into(),
                wait: Some(SOON),
            },
            error => Refusal::internal(&error).into(),
        }
    }
}

fn too_busy() -> Problem {
    Problem::new(
        503,
        "too-busy",
        "Too many passwords are waiting to be hashed",
    )
    .detail("nothing was done; try again in a second")
    .cause(Cause::Shed)
    .retryable(true)
}

impl From<TooMany> for Refused {
    fn from(TooMany { wait }: TooMany) -> Self {
        let title = "Too many attempts from there, or on this account";
        let problem = Problem::new(429, "too-many-logins", title);
        let detail = "nothing was looked at; Retry-After says when the next one may come";
        Self {
            refusal: problem.detail(detail).into(),
            wait: Some(wait),
        }
    }
}

#[cfg(test)]
impl Refused {
    pub(crate) fn problem(&self) -> &Problem {
        &self.refusal.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_after(refused: impl Into<Refused>) -> (u16, String) {
        let response = refused.into().into_response();
        let value = response.headers().get(RETRY_AFTER).unwrap();
        (
            response.status().as_u16(),
            value.to_str().unwrap().to_owned(),
        )
    }

    #[test]
    fn a_wait_is_said_in_whole_seconds_that_are_enough() {
        for (milliseconds, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let wait = Duration::from_millis(milliseconds);
            assert_eq!(retry_after(TooMany { wait }), (429, seconds.to_owned()));
        }
    }

    #[test]
    fn no_room_to_hash_is_load_shed_and_may_be_tried_again() {
        let full = || PasswordError::from(ThreadsError::Full);
        assert_eq!(retry_after(full()), (503, "1".to_owned()));
        let refused = Refused::from(full());
        let problem = refused.problem();
        assert_eq!(
            (&*problem.code, problem.cause),
            ("too-busy", Some(Cause::Shed))
        );
        assert!(problem.retryable);
    }
}
