//! Replicas that fail together.
//!
//! Redundancy is worth what is independent in its failures. Three ways to say how much is not:
//!
//! - **beta factor**: a share β of a replica's failures strikes all replicas of its service
//!   together (Fleming 1975; IEC 61508-6, annex D; NUREG/CR-5485);
//! - **random environment**: the replicas share a failure probability that is itself random,
//!   here with the beta law (the beta-binomial model);
//! - **shared fate**: replicas stand in groups, such as zones or racks, that go down as a
//!   whole.
//!
//! What matters beside it: whether the replicas that are left can carry the load at all
//! ([`enough_for`]).

use crate::{
    probability::{Probability, nearest},
    redundancy,
};

/// A failure probability in two parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// That a failure strikes all replicas together: β·p.
    pub common: Probability,
    /// That a replica fails by itself: (1 − β)·p / (1 − β·p).
    pub own: Probability,
}

/// The parts of the failure probability `p` of which the share `beta` is common. A replica
/// still fails with exactly `p`: 1 − p = (1 − common)·(1 − own).
pub fn split(p: Probability, beta: Probability) -> Parts {
    let (p, beta) = (p.get(), beta.get());
    let common = beta * p;
    let own = if common < 1.0 {
        (1.0 - beta) * p / (1.0 - common)
    } else {
        0.0
    };
    Parts {
        common: nearest(common),
        own: nearest(own),
    }
}

/// The probability that at least `k` of `n` replicas work, of whose failure probability `p`
/// the share `beta` is common: (1 − β·p) · P(at least k of n, each failing by itself). No
/// number of replicas gets above 1 − β·p.
pub fn k_of_n(k: usize, n: usize, p: Probability, beta: Probability) -> Probability {
    let parts = split(p, beta);
    let apart = redundancy::k_of_n(k, &vec![parts.own.complement(); n]);
    nearest(parts.common.complement().get() * apart.get())
}

/// The correlation of the failures of two replicas; 0 if they never fail, or always.
pub fn pairwise(p: Probability, beta: Probability) -> f64 {
    let Parts { common, own } = split(p, beta);
    let both = common.get() + common.complement().get() * own.get().powi(2);
    let (p, variance) = (p.get(), p.get() * p.complement().get());
    if variance > 0.0 {
        (both - p * p) / variance
    } else {
        0.0
    }
}

/// The probability that one of `n` replicas works whose failure probability is random with
/// mean `p`, so that the failures of two have the correlation `rho` (beta law):
/// 1 − Π (p·s + i) / (s + i) with s = 1/ρ − 1. Replicas of the same pairwise correlation may
/// be worth more or less than by the beta factor, from the third on.
pub fn in_random_environment(n: u32, p: Probability, rho: Probability) -> Probability {
    if rho == Probability::ZERO {
        return redundancy::parallel((0..n).map(|_| p.complement()));
    }
    let size = 1.0 / rho.get() - 1.0;
    // Of the first replica the ratio is p, also where the failures are all the same.
    let fails = |nth: u32| match nth {
        0 => p.get(),
        _ => (p.get() * size + f64::from(nth)) / (size + f64::from(nth)),
    };
    nearest(1.0 - (0..n).map(fails).product::<f64>())
}

/// A service whose replicas each stand in a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The probability that a replica fails by itself.
    pub failure: Probability,
    /// The number of the group of each replica; a number beyond the groups there are means
    /// none.
    pub groups: Vec<usize>,
}

/// So many groups are gone through in all their states; of more, the first so many.
const MOST_GROUPS: usize = 20;

/// The availability of services that are all needed, one replica of each, if every group goes
/// down as a whole with its probability: the mean over all states of the groups, given which
/// everything else is independent.
///
/// Fate shared between services in series helps, because it is counted once; fate shared
/// among the replicas of one service hurts (Esary, Proschan, Walkup 1967, *Association of
/// Random Variables*).
pub fn in_groups(groups: &[Probability], services: &[Placed]) -> Probability {
    let groups = &groups[..groups.len().min(MOST_GROUPS)];
    let state = |state: u32| {
        let is_down = |group: usize| group < groups.len() && state >> group & 1 == 1;
        let weigh = |(group, down): (usize, &Probability)| {
            let state = if is_down(group) {
                *down
            } else {
                down.complement()
            };
            state.get()
        };
        let weight: f64 = groups.iter().enumerate().map(weigh).product();
        let up = |service: &Placed| {
            let standing = service.groups.iter().filter(|group| !is_down(**group));
            redundancy::parallel(standing.map(|_| service.failure.complement())).get()
        };
        weight * services.iter().map(up).product::<f64>()
    };
    nearest((0..1_u32 << groups.len()).map(state).sum())
}

/// How many replicas of capacity `capacity` must work to carry `load`: below it those that
/// are left are overloaded and fail too (Beyer et al. 2016, *Site Reliability Engineering*,
/// chapter 22). None if no number is enough.
pub fn enough_for(load: f64, capacity: f64) -> Option<usize> {
    let needed = (load / capacity).ceil();
    let is_a_number = needed.is_finite() && (0.0..=1e9).contains(&needed) && capacity > 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and between 0 and a thousand million"
    )]
    is_a_number.then_some(needed as usize)
}
