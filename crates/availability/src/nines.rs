//! What a number close to one means in minutes.
//!
//! "99.9 %" and "99.99 %" look alike and are ten times apart. Their distance shows in the
//! number of nines, and in the downtime they allow.

use crate::probability::Probability;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The number of nines: −log₁₀(1 − A). 0.99 has two; 1 has infinitely many.
pub fn nines(availability: Probability) -> f64 {
    // Adding zero turns the −0 of an availability of 0 into a plain 0.
    -availability.complement().get().log10() + 0.0
}

/// A stretch of time to count downtime in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A year of 365 days. Tables that use 365.25 days print 8.77 h where this prints 8.76 h.
    Year,
    /// A twelfth of such a year: 30 days and 10 hours.
    Month,
    /// Seven days.
    Week,
}

impl Period {
    /// How long it is.
    pub const fn length(self) -> Duration {
        match self {
            Self::Year => Duration::from_hours(365 * 24),
            Self::Month => Duration::from_hours(730),
            Self::Week => Duration::from_hours(7 * 24),
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Week => "week",
        }
    }
}

/// The time lost in a period, read as "5.26 min a year".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downtime {
    /// The time lost.
    pub lost: Duration,
    /// In which period.
    pub period: Period,
}

impl Downtime {
    /// The downtime that `availability` allows in `period`: (1 − A) × period.
    ///
    /// Strictly this is the time lost if requests came evenly; what is lost are requests.
    pub fn of(availability: Probability, period: Period) -> Self {
        let lost = period.length().mul_f64(availability.complement().get());
        Self { lost, period }
    }
}

impl fmt::Display for Downtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} a {}", human(self.lost), self.period.as_str()))
    }
}

/// Units from large to small, with their length in seconds.
const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];

/// A duration with three significant digits, in the largest unit of which it holds one:
/// "14.4 d", "8.76 h", "5.26 min", "31.5 s", "12.0 ms"; and "0 s" for none at all.
pub fn human(duration: Duration) -> String {
    /// What three digits round up to the next unit: 59.97 s is written as 1.00 min.
    const ALMOST_ONE: f64 = 0.9995;
    if duration.is_zero() {
        return "0 s".to_owned();
    }
    let seconds = duration.as_secs_f64();
    let fits = |(length, _): &&(f64, &str)| seconds >= length * ALMOST_ONE;
    let (length, unit) = UNITS.iter().find(fits).copied().unwrap_or((1e-3, "ms"));
    format!("{} {unit}", three_digits(seconds / length))
}

/// A number with three significant digits, or two decimals if it is below one.
fn three_digits(value: f64) -> String {
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
