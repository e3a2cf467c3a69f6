//! "Fix hop X and gain Y": the promise, and a run in which X never fails.

use availability::{Confidence, difference::Difference, perfect::Gain};
use report::results::{FixCheck, ScenarioResult};

/// Compares what `before` promises of `hop` with what came `after` its failures were taken
/// away; none where too little was measured.
///
/// The two agree if nothing between the ends of both intervals, at 99.9 %, tells them apart.
/// The runs share their seed, and with it most of their failures, so that the measured
/// difference varies less than this says.
pub fn check(hop: &str, before: &ScenarioResult, after: &ScenarioResult) -> Option<FixCheck> {
    let (first, second) = (before.shown()?, after.shown()?);
    let promised = report::gain_of(hop, first)?;
    let (with, without) = (first.availability()?, second.availability()?);
    let measured = |level| Difference::of(without, with, level);
    Some(FixCheck {
        hop: hop.to_owned(),
        promised,
        measured: measured(Confidence::P99),
        agrees: agree(&promised, &measured(Confidence::P999)),
    })
}

/// Whether the difference of two estimates may be none: their half-widths towards each other,
/// squared and added (as Newcombe 1998 does), reach from one to the other.
fn agree(promised: &Gain, measured: &Difference) -> bool {
    let apart = measured.value - promised.value;
    let reach = if apart > 0.0 {
        (promised.high - promised.value).hypot(measured.value - measured.low)
    } else {
        (promised.value - promised.low).hypot(measured.high - measured.value)
    };
    apart.abs() <= reach
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promised(value: f64) -> Gain {
        Gain {
            value,
            low: value - 0.003,
            high: value + 0.003,
        }
    }

    fn measured(value: f64) -> Difference {
        Difference {
            value,
            low: value - 0.004,
            high: value + 0.004,
            level: Confidence::P999,
        }
    }

    #[test]
    fn a_promise_is_kept_as_far_as_both_intervals_together_can_tell() {
        assert!(agree(&promised(0.01), &measured(0.01)));
        assert!(agree(&promised(0.01), &measured(0.0149)));
        assert!(!agree(&promised(0.01), &measured(0.0151)), "√(3² + 4²) = 5");
        assert!(!agree(&promised(0.01), &measured(0.0049)));
    }
}
