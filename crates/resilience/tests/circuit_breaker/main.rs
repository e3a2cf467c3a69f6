//! The promises of the circuit breaker.
//!
//! | module | what it is |
//! |---|---|
//! | `model` | the same breaker, as plainly as it can be written |
//! | `history` | random sequences of events, for both |
//! | `promises` | what holds for every history |
//! | `time` | times: boundaries, idleness, wrapping around |
//! | `layer` | the layer, in paused time |
//! | `endings` | calls that are dropped, panic or are lost |

#![expect(
    clippy::unchecked_time_subtraction,
    reason = "an underflow would fail the test"
)]

mod endings;
mod history;
mod layer;
mod model;
mod promises;
mod time;

use resilience::{
    CallFailure, Failure,
    circuit_breaker::{BreakerPolicy, BreakerSettings},
};
use std::time::Duration;
use types::{Cause, StoppedBy};

const MS: Duration = Duration::from_millis(1);

/// One rule that a test can see through: opens at the `failures`th failure in a row, for one
/// second, without jitter; `probes` probes.
fn in_a_row(failures: u32, probes: u32) -> BreakerSettings {
    BreakerSettings {
        consecutive: Some(failures),
        open: 1000 * MS,
        max_open: 8000 * MS,
        jitter: 0.0,
        probes,
        lease: 500 * MS,
        cancelled_after: 100 * MS,
        ..BreakerSettings::default()
    }
}

fn policy(settings: BreakerSettings) -> BreakerPolicy {
    BreakerPolicy::new(settings).expect("the settings can be")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failed(Cause, StoppedBy);

/// What fails at the callee.
const BROKEN: Failed = Failed(Cause::Reset, StoppedBy::Attempts);
/// What the breaker says after it.
const REFUSED: Failed = Failed(Cause::Reset, StoppedBy::BreakerOpen);

impl Failure for Failed {
    fn new(cause: Cause, stopped_by: StoppedBy) -> Self {
        Self(cause, stopped_by)
    }
}

impl CallFailure for Failed {
    fn cause(&self) -> Cause {
        self.0
    }
    fn stopped_by(&self) -> StoppedBy {
        self.1
    }
    fn stop(&mut self, stopped_by: StoppedBy) {
        self.1 = stopped_by;
    }
}
