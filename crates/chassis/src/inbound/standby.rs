//! Replicas of which one serves at a time, and the others stand by.
//!
//! A standby that is told to take over has something to do first: start, read back its state,
//! open its connections. How long that takes is what tells a cold standby from a warm one and
//! a hot one; here it is stated.
//!
//! ```text
//! standing by  => taking over  its caller says that it is the active one
//! taking over  => serving      the time that this takes is over
//!              => standing by  its caller says that another is
//! serving      => standing by  its caller says that another is
//! ```
//!
//! Who is active is decided by the caller, whose heartbeats carry it; several callers that see
//! different things would need an agreement among themselves, which there is none.

use crate::Refusal;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::HeaderMap;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use types::{Cause, Problem, header};

/// The role of a replica, shared by all its layers.
#[derive(Debug, Clone)]
pub struct Standby {
    takeover: Duration,
    /// Since when it is the active one; none: it stands by.
    active_since: Arc<Mutex<Option<Instant>>>,
}

impl Standby {
    /// A replica that stands by, and needs `takeover` to take over.
    pub fn new(takeover: Duration) -> Self {
        Self {
            takeover,
            active_since: Arc::default(),
        }
    }

    /// Hears what a heartbeat says about the role of this replica; one that says nothing
    /// changes nothing.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        let Some(role) = headers.get(header::ROLE) else {
            return;
        };
        let mut since = self.since();
        if role == header::ROLE_ACTIVE {
            since.get_or_insert_with(Instant::now);
        } else if role == header::ROLE_STANDBY {
            *since = None;
        }
    }

    fn serves(&self) -> bool {
        let since = *self.since();
        since.is_some_and(|since| since.elapsed() >= self.takeover)
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.active_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses what comes to a replica that does not serve.
pub(super) async fn guard(
    State(standby): State<Standby>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if standby.serves() {
        return Ok(next.run(request).await);
    }
    let problem = Problem::new(503, "standing-by", "Another replica serves");
    Err(problem.cause(Cause::Refused).retryable(true).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(standby: &Standby, role: &'static str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ROLE, role.parse().unwrap());
        standby.hear(&headers);
    }

    #[tokio::test(start_paused = true)]
    async fn a_standby_serves_once_it_was_told_to_and_has_taken_over() {
        let standby = Standby::new(Duration::from_millis(50));
        assert!(!standby.serves());
        told(&standby, "active");
        tokio::time::advance(Duration::from_millis(49)).await;
        assert!(!standby.serves());
        // Further heartbeats do not begin it anew.
        told(&standby, "active");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(standby.serves());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_replaced_must_take_over_anew() {
        let standby = Standby::new(Duration::from_millis(50));
        told(&standby, "active");
        tokio::time::advance(Duration::from_secs(1)).await;
        told(&standby, "standby");
        assert!(!standby.serves());
        told(&standby, "active");
        assert!(!standby.serves());
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_without_a_role_or_with_another_changes_nothing() {
        let standby = Standby::new(Duration::from_millis(1));
        told(&standby, "active");
        tokio::time::advance(Duration::from_millis(1)).await;
        standby.hear(&HeaderMap::new());
        told(&standby, "leader");
        assert!(standby.serves());
    }
}
