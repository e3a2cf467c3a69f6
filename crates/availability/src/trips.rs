//! How soon a breaker opens although nothing is down: false trips.
//!
//! Calls fail independently, each with the same small probability. Sooner or later enough
//! of them fail together.

use crate::{linear::solve, probability::Probability};

/// The expected calls until `in_a_row` of them have failed one after the other:
/// (p^(−k) − 1)/(1 − p). Infinite if nothing fails.
pub fn calls_to_failures_in_a_row(failure: Probability, in_a_row: u32) -> f64 {
    let p = failure.get();
    if failure == Probability::ONE {
        return f64::from(in_a_row);
    }
    (p.powf(-f64::from(in_a_row)) - 1.0) / (1.0 - p)
}

/// The largest window that [`calls_to_full_window`] can solve: it has a state for each
/// pattern of outcomes.
pub const LARGEST_WINDOW: u32 = 10;

/// The expected calls until at least `failures` of the last `window` calls have failed, and
/// so many calls have been made. None for a window larger than [`LARGEST_WINDOW`] or of no
/// calls. Infinite if it never comes to that.
///
/// An absorbing Markov chain over the patterns of the last outcomes, once the window is full.
pub fn calls_to_full_window(failure: Probability, window: u32, failures: u32) -> Option<f64> {
    if window == 0 || window > LARGEST_WINDOW {
        return None;
    }
    let p = failure.get();
    if failures > window || (p == 0.0 && failures > 0) {
        return Some(f64::INFINITY);
    }
    let patterns = 1_usize << window;
    let live: Vec<_> = (0..patterns)
        .filter(|pattern| pattern.count_ones() < failures)
        .collect();
    let more = more_calls(p, &live, patterns)?;
    let first = |(pattern, calls): (&usize, f64)| {
        let failed = pattern.count_ones();
        let (ok, failed) = (f64::from(window - failed), f64::from(failed));
        p.powf(failed) * (1.0 - p).powf(ok) * calls
    };
    let after: f64 = live.iter().zip(more).map(first).sum();
    Some(f64::from(window) + after)
}

/// The expected calls from each live pattern on.
fn more_calls(p: f64, live: &[usize], patterns: usize) -> Option<Vec<f64>> {
    let place = |pattern: usize| live.binary_search(&pattern).ok();
    let row = |(own, pattern): (usize, &usize)| {
        let mut row = vec![0.0; live.len()];
        row[own] += 1.0;
        for (outcome, share) in [(0, 1.0 - p), (1, p)] {
            if let Some(next) = place((pattern << 1 | outcome) % patterns) {
                row[next] -= share;
            }
        }
        row
    };
    let rows = live.iter().enumerate().map(row).collect();
    solve(rows, vec![1.0; live.len()])
}

/// The share of calls that a breaker refuses in the long run, if calls come at `rate` per
/// second and fail independently.
///
/// It opens after `in_a_row` failures for the first of the times `open`, in seconds, then
/// lets `probes` calls pass; if all succeed it recovers, and with the first failure it opens
/// for the next of the times, and after the last always for that one. Renewal-reward: what
/// is refused between two closings, as a share of all calls between them. Without times
/// nothing is refused.
pub fn refused(
    failure: Probability,
    in_a_row: u32,
    rate: f64,
    open: &[f64],
    probes: u32,
) -> Probability {
    let Some(longest) = open.last() else {
        return Probability::ZERO;
    };
    let ok = failure.complement().get();
    let recovers = ok.powf(f64::from(probes));
    // Probes until one fails or all have succeeded.
    let probing: f64 = (0..probes).fold(0.0, |sum, _| 1.0 + ok * sum);
    let (mut again, mut turned_away, mut tested) = (1.0, 0.0, 0.0);
    for time in open {
        turned_away += again * rate * time;
        tested += again * probing;
        again *= 1.0 - recovers;
    }
    // From here on it is the last time again and again.
    if recovers > 0.0 {
        turned_away += again / recovers * rate * longest;
        tested += again / recovers * probing;
    } else {
        (turned_away, tested) = (rate * longest, probing);
    }
    let until_trip = if recovers > 0.0 {
        calls_to_failures_in_a_row(failure, in_a_row)
    } else {
        0.0
    };
    let all = until_trip + tested + turned_away;
    let share = if all.is_finite() {
        turned_away / all
    } else {
        0.0
    };
    crate::probability::nearest(share)
}
