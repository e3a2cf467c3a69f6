//! Telling the audit log of an event after the fact.
//!
//! The database's outbox and the gateway's queue keep their events in different ways and take
//! turns differently. How an event gets from there to the log, and what the log's answer means
//! for it, is the same: it is told until the log has recorded it, or has said that it never
//! will.

use crate::{Call, RequestContext, Upstream};
use faults::{CrashPoint, crash_point};
use http::StatusCode;
use resilience::retry::Backoff;
use std::time::Duration;
use types::{Problem, audit::NewEvent};

/// How many events are looked at in one round.
pub const BATCH: u32 = 256;
/// How many are under way at once: the audit log commits them together.
pub const AT_ONCE: usize = 32;
/// How long to leave an audit log alone that can't be reached.
pub const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// How long a service that stops still delivers, the round under way included; the rest waits
/// for the next start.
pub const LAST_CALLS: Duration = Duration::from_secs(5);
/// The code of the problem that another event has this one's key.
pub const KEY_REUSED: &str = "event-key-reused";
/// How long one event may take to be recorded, all attempts together.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is in the log.
    Recorded,
    /// It would be refused the next time too: it is to be put aside, where it holds up nobody.
    Refused,
    /// It is to be told again.
    Again,
}

impl Delivery {
    /// What an answer below 500 means. Only one that is about the event itself condemns it. Any
    /// other may come from a proxy, from a wrong address, or from a log that has too much to do.
    fn of(status: StatusCode, body: &[u8]) -> Self {
        match status {
            status if status.is_success() => Self::Recorded,
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Self::Refused,
            StatusCode::CONFLICT if is_key_reused(body) => Self::Refused,
            _ => Self::Again,
        }
    }
}

fn is_key_reused(body: &[u8]) -> bool {
    serde_json::from_slice(body).is_ok_and(|problem: Problem| problem.code == KEY_REUSED)
}

/// Tells the log at `audit` of `event`, as the request `id`, which no other delivery may have: a
/// fault that is drawn by the request's identity would else strike the same event for ever.
pub async fn deliver(audit: &Upstream, id: String, event: &NewEvent) -> Delivery {
    // Recorded once for each key in the event, however often it is sent.
    let call = Call::post("audit.append", "/v1/events").json(event);
    let call = call.repeatable().patience(PATIENCE);
    let Ok(answer) = audit.call(&RequestContext::new(id), call).await else {
        return Delivery::Again;
    };
    let status = answer.status();
    let delivery = Delivery::of(status, answer.response().body());
    match delivery {
        Delivery::Recorded => crash_point(CrashPoint::AfterDelivery),
        Delivery::Refused => tracing::error!(%status, ?event, "the audit log refuses this event"),
        Delivery::Again => tracing::debug!(%status, "the audit log was not reached"),
    }
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &'static str) -> Delivery {
        let body = serde_json::to_vec(&Problem::new(status, code, "Title")).unwrap();
        Delivery::of(StatusCode::from_u16(status).unwrap(), &body)
    }

    #[test]
    fn an_event_is_put_aside_only_for_what_it_is() {
        for status in [400, 413, 422] {
            assert_eq!(of(status, "any"), Delivery::Refused, "{status}");
        }
        assert_eq!(of(409, KEY_REUSED), Delivery::Refused);
        assert_eq!(of(409, "another"), Delivery::Again);
        let conflict = Delivery::of(StatusCode::CONFLICT, b"no problem");
        assert_eq!(conflict, Delivery::Again);
    }

    #[test]
    fn an_event_that_did_not_get_as_far_as_the_log_is_told_again() {
        for status in [
            301, 401, 403, 404, 405, 406, 407, 408, 410, 415, 425, 429, 500, 503,
        ] {
            assert_eq!(of(status, "any"), Delivery::Again, "{status}");
        }
    }

    #[test]
    fn an_event_that_is_recorded_is_done() {
        for status in [200, 201, 204] {
            assert_eq!(of(status, "any"), Delivery::Recorded, "{status}");
        }
    }
}
