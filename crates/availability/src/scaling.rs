//! A service has N replicas: how much more does it serve than one?
//!
//! | law | throughput X(N) | what limits it | source |
//! |---|---|---|---|
//! | Amdahl's | λN / (1 + σ(N − 1)) | a share σ of the work that only one can do at a time: X never passes λ/σ | Amdahl 1967, *Validity of the single processor approach to achieving large scale computing capabilities* |
//! | universal | λN / (1 + σ(N − 1) + κN(N − 1)) | also that each must agree with each of the others, which costs κ for every pair: X has its peak at √((1 − σ)/κ) | Gunther 1993, *A simple capacity model of massively parallel transaction systems*; 2007, *Guerrilla Capacity Planning* |
//!
//! Both are straight in their parameters once they are turned over: N/X = a + b(N − 1) +
//! cN(N − 1) with λ = 1/a, σ = b/a and κ = c/a. So the weighted least squares have one solution
//! and need no starting values. Intervals follow from the errors of the measured points, to first
//! order (the delta method); they are cut off where a parameter can't be.
//!
//! A law says nothing of what lies far beyond its points.

mod fit;
mod least_squares;

pub use fit::{Estimate, Fit, Fits, Law, NoFit, fits};

use serde::Serialize;

/// The throughput of some replicas together, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    replicas: u32,
    throughput: f64,
    deviation: f64,
}

/// Why something is no point.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidPoint {
    /// There is nobody to serve.
    #[error("replicas: 0 serve nothing; allowed: 1 or more")]
    NoReplicas,
    /// A throughput that can't be, or of which no law knows.
    #[error("throughput of {replicas} replicas: {value}; allowed: a number above 0")]
    Throughput {
        /// How many replicas.
        replicas: u32,
        /// What was said of them.
        value: f64,
    },
    /// An error that can't be.
    #[error(
        "standard error of the throughput of {replicas} replicas: {value}; allowed: a number above 0"
    )]
    Deviation {
        /// How many replicas.
        replicas: u32,
        /// What was said of them.
        value: f64,
    },
}

impl Point {
    /// So many `replicas` serve `throughput` a second, which is known with this standard error.
    pub fn new(replicas: u32, throughput: f64, deviation: f64) -> Result<Self, InvalidPoint> {
        let possible = |value: f64| value.is_finite() && value > 0.0;
        match (replicas, throughput, deviation) {
            (0, ..) => Err(InvalidPoint::NoReplicas),
            (_, value, _) if !possible(value) => Err(InvalidPoint::Throughput { replicas, value }),
            (_, _, value) if !possible(value) => Err(InvalidPoint::Deviation { replicas, value }),
            _ => Ok(Self {
                replicas,
                throughput,
                deviation,
            }),
        }
    }

    /// How many replicas.
    pub const fn replicas(&self) -> u32 {
        self.replicas
    }

    /// What they serve together, in requests per second.
    pub const fn throughput(&self) -> f64 {
        self.throughput
    }

    /// How long one replica takes for a request if all serve at this rate: N/X, in seconds.
    fn time(&self) -> f64 {
        f64::from(self.replicas) / self.throughput
    }

    /// How much it counts: one over the variance of N/X.
    fn weight(&self) -> f64 {
        (self.throughput / (self.time() * self.deviation)).powi(2)
    }
}

/// What N replicas serve by Amdahl's law, if one serves `single` and a share `contention` of
/// the work is serial.
///
/// ```
/// use availability::scaling::amdahl;
/// // A tenth of the work is serial: a hundred replicas do not even serve ten times as much.
/// assert!((amdahl(50.0, 0.1, 100.0) / 50.0 - 9.17).abs() < 0.01);
/// ```
pub fn amdahl(single: f64, contention: f64, replicas: f64) -> f64 {
    universal(single, contention, 0.0, replicas)
}

/// What N replicas serve by the universal law, if each pair of them also costs `coherence`.
pub fn universal(single: f64, contention: f64, coherence: f64, replicas: f64) -> f64 {
    let others = replicas - 1.0;
    single * replicas / (1.0 + contention * others + coherence * replicas * others)
}

#[cfg(test)]
mod tests;
