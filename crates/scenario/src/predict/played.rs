//! What is predicted of a plan that is simulated: from counts, in place of formulas.

use super::{Class, HopPrediction, PhasePrediction, chain::near};
use crate::{
    simulate::{LongRun, PhaseTally, Tally},
    topology::{Name, Visit},
};
use std::collections::BTreeSet;
use types::Probability;

/// Each visit. Those of one service are not told apart: each shows the mean of all.
pub(super) fn hops(run: &LongRun, visits: &[Visit]) -> Vec<HopPrediction> {
    let mut seen: BTreeSet<&Name> = BTreeSet::new();
    let mut kept = 1.0;
    let each = visits.iter().map(|visit| {
        let tally = run.tallies.get(&visit.service).copied().unwrap_or_default();
        if seen.insert(&visit.service) {
            kept -= ratio(tally.lost, run.offered).unwrap_or(0.0);
        }
        let same = visits.iter().filter(|other| other.service == visit.service);
        hop(visit, tally, run.offered, same.count(), kept)
    });
    each.collect()
}

fn hop(visit: &Visit, tally: Tally, offered: u64, visits: usize, kept: f64) -> HopPrediction {
    let Tally {
        calls,
        answered,
        attempts,
        first,
        first_answered,
        first_passed,
        ..
    } = tally;
    let share = |part, whole| ratio(part, whole).map_or(Probability::ONE, near);
    HopPrediction {
        service: visit.service.clone(),
        depth: visit.depth,
        own: share(first_passed, first),
        attempt: share(first_answered, first),
        call: share(answered, calls),
        attempts_per_call: ratio(attempts, calls).unwrap_or(0.0),
        load: ratio(attempts, offered).unwrap_or(0.0) / visits as f64,
        cumulative: Some(near(kept)),
    }
}

/// The same phases, with what was counted in place of what was computed.
pub(super) fn phases(computed: Vec<PhasePrediction>, run: &LongRun) -> Vec<PhasePrediction> {
    let tallies = run.phases.iter().copied();
    let pairs = computed.into_iter().zip(tallies);
    pairs.map(|(phase, tally)| played(phase, tally)).collect()
}

fn played(phase: PhasePrediction, tally: PhaseTally) -> PhasePrediction {
    let availability = ratio(tally.answered, tally.offered);
    PhasePrediction {
        availability: availability.map_or(phase.availability, near),
        range: None,
        class: Class::Approximate,
        outage: None,
        wait: None,
        ..phase
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
