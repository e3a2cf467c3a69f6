//! The calls made for one request: how many of which service, how long they took, and how
//! they ended.
//!
//! A client that sends no traces can still be told where its time went: `Server-Timing` (W3C,
//! *Server Timing*), which browsers and load generators read.

use http::HeaderValue;
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use types::Outcome;

/// The calls made for a request so far, by callee, in the order of the first of each.
#[derive(Debug, Default)]
pub(crate) struct CallsMade(Mutex<Vec<Callee>>);

/// What became of the calls of one service.
#[derive(Debug)]
struct Callee {
    name: Arc<str>,
    begun: u32,
    took: Duration,
    /// How the worst of them ended; none while none has.
    worst: Option<Outcome>,
}

impl CallsMade {
    /// Counts a call to `callee`; the number of those before it.
    pub(crate) fn began(&self, callee: &Arc<str>) -> u32 {
        self.with(callee, |made| {
            made.begun += 1;
            made.begun - 1
        })
    }

    /// Notes how long a call to `callee` took, with all its attempts, and how it ended.
    pub(crate) fn ended(&self, callee: &Arc<str>, took: Duration, outcome: Outcome) {
        self.with(callee, |made| {
            made.took += took;
            made.worst = made
                .worst
                .into_iter()
                .chain([outcome])
                .max_by_key(|it| severity(*it));
        });
    }

    /// The value of `Server-Timing`: an entry for each service that was called, with the
    /// milliseconds spent on it and how the worst call ended. None if no call has ended.
    pub(crate) fn server_timing(&self) -> Option<HeaderValue> {
        let callees = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for callee in callees.iter() {
            let Some(worst) = callee.worst else { continue };
            let separator = if text.is_empty() { "" } else { ", " };
            let (name, ms) = (&callee.name, callee.took.as_secs_f64() * 1e3);
            // Writing to memory can't fail.
            let _ = write!(text, "{separator}{name};dur={ms:.3};desc=\"{worst}\"");
        }
        let text = Some(text).filter(|text| !text.is_empty());
        text.and_then(|text| HeaderValue::try_from(text).ok())
    }

    fn with<T>(&self, callee: &Arc<str>, change: impl FnOnce(&mut Callee) -> T) -> T {
        let mut callees = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = callees.iter().position(|made| made.name == *callee);
        let place = place.unwrap_or_else(|| {
            callees.push(Callee {
                name: callee.clone(),
                begun: 0,
                took: Duration::ZERO,
                worst: None,
            });
            callees.len() - 1
        });
        change(&mut callees[place])
    }
}

/// How bad an end is.
const fn severity(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Degraded => 1,
        Outcome::Failed => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn calls_of_the_same_service_are_told_apart() {
        let (made, auth, profile) = (CallsMade::default(), "auth".into(), "profile".into());
        assert_eq!(made.began(&auth), 0);
        assert_eq!(made.began(&auth), 1);
        assert_eq!(made.began(&profile), 0);
        assert_eq!(made.began(&auth), 2);
    }

    #[test]
    fn server_timing_names_the_services_in_order_with_their_time_and_their_worst_end() {
        let (made, auth, profile) = (CallsMade::default(), "auth".into(), "profile".into());
        made.began(&auth);
        made.ended(&auth, MS * 3 / 2, Outcome::Ok);
        made.began(&profile);
        made.ended(&profile, MS, Outcome::Failed);
        made.began(&profile);
        made.ended(&profile, 2 * MS, Outcome::Degraded);
        assert_eq!(
            made.server_timing().unwrap(),
            r#"auth;dur=1.500;desc="ok", profile;dur=3.000;desc="failed""#
        );
    }

    #[test]
    fn a_call_that_goes_on_is_not_in_it_yet() {
        let (made, audit) = (CallsMade::default(), "audit".into());
        made.began(&audit);
        assert_eq!(made.server_timing(), None);
    }
}
