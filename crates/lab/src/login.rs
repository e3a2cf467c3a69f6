//! Logging a user in before there are faults.

use crate::LabError;
use std::time::Duration;
use tokio::time::sleep;
use types::auth::LoginRequest;

/// How often a login is tried, and how long to wait in between. It takes tens of milliseconds on
/// a core of its own, and on a busy machine longer than the limits of many a policy.
const TRIES: u32 = 40;
const AGAIN: Duration = Duration::from_millis(100);

/// What a seeded user, counted from 1, logs in with.
pub(crate) fn credentials(user: u32) -> LoginRequest {
    LoginRequest {
        username: format!("user-{user}"),
        password: format!("password-{user}"),
    }
}

/// The token of a seeded user, by `attempt`, which is told how many there were before it.
pub(crate) async fn login(
    user: u32,
    attempt: impl AsyncFn(&LoginRequest, u32) -> Result<String, String>,
) -> Result<String, LabError> {
    let request = credentials(user);
    let mut why = String::new();
    for before in 0..TRIES {
        match attempt(&request, before).await {
            Ok(token) => return Ok(token),
            Err(error) => why = error,
        }
        sleep(AGAIN).await;
    }
    Err(LabError::Login {
        user: request.username,
        why,
    })
}
