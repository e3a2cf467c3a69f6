//! Successes were counted: which availabilities do they allow?
//!
//! | method | use | source |
//! |---|---|---|
//! | Wilson | to show: short, right on average | Wilson 1927; recommended by Brown and others 2001, *Interval Estimation for a Binomial Proportion* |
//! | Clopper-Pearson | to judge: never covers less than it claims | Clopper and Pearson 1934 |
//!
//! The textbook interval p̂ ± z √(p̂(1 − p̂)/n) has no place here: near 100 % it is far too
//! short, and at 100 % it has no width at all.
//!
//! Both take requests as independent. Where failures cluster in time they are too short.

use crate::{
    binomial::Binomial,
    confidence::Confidence,
    probability::{Probability, nearest},
};
use serde::{Deserialize, Serialize};

/// Successes among trials; at least one trial, and no more successes than trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Counts", into = "Counts")]
pub struct Proportion {
    successes: u64,
    trials: u64,
}

/// Why two counts are no proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProportion {
    /// Nothing was tried.
    #[error("trials: 0 says nothing about a proportion; allowed: 1 or more")]
    NoTrials,
    /// More successes than trials.
    #[error("successes: {successes} of {trials} trials; allowed: 0 to {trials}")]
    TooManySuccesses {
        /// The successes.
        successes: u64,
        /// The trials.
        trials: u64,
    },
}

/// How an interval is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Short, and right on average.
    Wilson,
    /// Never covers less than it claims.
    ClopperPearson,
}

/// A confidence interval of a probability, its ends included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: Probability,
    /// The upper end.
    pub high: Probability,
    /// How sure it is.
    pub level: Confidence,
}

impl Interval {
    /// Whether `value` is one of the probabilities the data allow.
    pub fn contains(&self, value: Probability) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// From end to end.
    pub fn width(&self) -> f64 {
        self.high.get() - self.low.get()
    }
}

impl Proportion {
    /// `successes` among `trials`, if that can be.
    pub const fn new(successes: u64, trials: u64) -> Result<Self, InvalidProportion> {
        match (successes, trials) {
            (_, 0) => Err(InvalidProportion::NoTrials),
            _ if successes > trials => {
                Err(InvalidProportion::TooManySuccesses { successes, trials })
            }
            _ => Ok(Self { successes, trials }),
        }
    }

    /// How many succeeded.
    pub const fn successes(self) -> u64 {
        self.successes
    }

    /// How many there were.
    pub const fn trials(self) -> u64 {
        self.trials
    }

    /// The share that succeeded: the best single guess of the probability.
    pub fn estimate(self) -> Probability {
        nearest(self.successes as f64 / self.trials as f64)
    }

    /// The interval by `method`.
    pub fn interval(self, method: Method, level: Confidence) -> Interval {
        match method {
            Method::Wilson => self.wilson(level),
            Method::ClopperPearson => self.clopper_pearson(level),
        }
    }

    /// The score interval of Wilson 1927: all p whose normal test does not reject the data.
    pub fn wilson(self, level: Confidence) -> Interval {
        let Interval { low, high, .. } =
            wilson_of(self.estimate().get(), self.trials as f64, level);
        self.with_exact_ends(low, high, level)
    }

    /// The exact interval of Clopper and Pearson 1934: all p whose binomial tails, on either
    /// side of the data, hold at least half of what the level leaves.
    ///
    /// Its work grows with the square root of the trials; ten million take some milliseconds.
    pub fn clopper_pearson(self, level: Confidence) -> Interval {
        let law = |p: f64| Binomial::new(self.trials, p);
        let tail = level.tail();
        let low = root(|p| law(p).at_least(self.successes) < tail);
        let high = root(|p| law(p).at_most(self.successes) >= tail);
        self.with_exact_ends(low, high, level)
    }

    /// No success allows 0 and no failure allows 1, without any rounding.
    fn with_exact_ends(self, low: Probability, high: Probability, level: Confidence) -> Interval {
        let low = if self.successes == 0 {
            Probability::ZERO
        } else {
            low
        };
        let high = if self.successes == self.trials {
            Probability::ONE
        } else {
            high
        };
        Interval { low, high, level }
    }
}

/// Wilson's interval of a share `p` of `n` trials, which need not be a whole number.
pub(crate) fn wilson_of(p: f64, n: f64, level: Confidence) -> Interval {
    let z = level.two_sided_z();
    let shrink = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Interval {
        low: nearest(centre - half),
        high: nearest(centre + half),
        level,
    }
}

/// The probability up to which `below` is true, by bisection.
fn root(below: impl Fn(f64) -> bool) -> Probability {
    /// Enough to pin down a number between 0 and 1 to its last bit.
    const HALVINGS: u32 = 54;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    nearest(f64::midpoint(low, high))
}

/// A proportion as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    successes: u64,
    trials: u64,
}

impl TryFrom<Counts> for Proportion {
    type Error = InvalidProportion;
    fn try_from(Counts { successes, trials }: Counts) -> Result<Self, InvalidProportion> {
        Self::new(successes, trials)
    }
}

impl From<Proportion> for Counts {
    fn from(Proportion { successes, trials }: Proportion) -> Self {
        Self { successes, trials }
    }
}
