//! Whether a fault fires.
//!
//! A decision is a pure function of (seed, service, replica, fault, request id, attempt
//! path). Arrival order, threads and clocks play no part, so the same seed gives the same
//! faults request by request, and two faults, two services or two attempts never share a
//! draw. The hash is SipHash-2-4 (Aumasson, Bernstein 2012) keyed by the seed: its output
//! is indistinguishable from uniform, and the same on every platform.

use crate::{Fault, FaultKind, Scope};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::{hash::Hasher, sync::Arc, time::Duration};

/// Who is asking: the request and the attempt, as they arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The request's identity, the same in every service it reaches.
    pub request_id: Arc<str>,
    /// Which attempt of which call this is, from the edge down.
    pub attempt_path: Arc<str>,
}

/// A fault that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// The fault's name.
    pub id: Arc<str>,
    /// What happens.
    pub kind: FaultKind,
}

/// What is to happen to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Every fault that fired, in the order of the set, up to the one that ends the request.
    pub fired: Vec<Firing>,
}

impl Decision {
    /// How long the request waits before it is handled or ended.
    pub fn delay(&self) -> Duration {
        let delay = |firing: &Firing| match firing.kind {
            FaultKind::Delay(pause) => pause,
            _ => Duration::ZERO,
        };
        self.fired
            .iter()
            .map(delay)
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// The fault that keeps the request from its handler, if any.
    pub fn end(&self) -> Option<&Firing> {
        self.fired
            .last()
            .filter(|firing| !matches!(firing.kind, FaultKind::Delay(_)))
    }
}

/// The faults of one replica of one service, and the seed of their draws.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSet {
    /// The seed.
    pub seed: u64,
    /// The faults, each decided independently of the others.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl FaultSet {
    /// Decides what happens to the request `key` at `replica` of `service`.
    pub fn decide(&self, service: &str, replica: &str, key: &RequestKey) -> Decision {
        let mut decision = Decision::default();
        for fault in &self.faults {
            if !self.fires(fault, service, replica, key) {
                continue;
            }
            decision.fired.push(Firing {
                id: fault.id.clone(),
                kind: fault.kind,
            });
            if decision.end().is_some() {
                break;
            }
        }
        decision
    }

    fn fires(&self, fault: &Fault, service: &str, replica: &str, key: &RequestKey) -> bool {
        let path = match fault.scope {
            Scope::Attempt => &*key.attempt_path,
            Scope::Request => "",
        };
        let words = [service, replica, &fault.id, &key.request_id, path];
        uniform(self.seed, &words) < fault.probability.get()
    }
}

/// The distance between neighbouring draws: 2⁻⁵³.
const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;

/// A number in [0, 1) with 53 random bits, drawn by hashing `words` under `seed`.
fn uniform(seed: u64, words: &[&str]) -> f64 {
    let mut hasher = SipHasher24::new_with_keys(seed, !seed);
    for word in words {
        hasher.write(&(word.len() as u64).to_le_bytes());
        hasher.write(word.as_bytes());
    }
    (hasher.finish() >> 11) as f64 * SCALE
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Probability;

    fn fault(id: &str, kind: FaultKind, probability: f64, scope: Scope) -> Fault {
        Fault {
            id: id.into(),
            kind,
            probability: Probability::new(probability).unwrap(),
            scope,
        }
    }

    fn set(faults: Vec<Fault>) -> FaultSet {
        FaultSet { seed: 42, faults }
    }

    fn key(request: usize, path: &str) -> RequestKey {
        RequestKey {
            request_id: format!("r-{request}").into(),
            attempt_path: path.into(),
        }
    }

    fn hits(set: &FaultSet, service: &str, replica: &str, path: &str) -> Vec<bool> {
        let hit = |n| set.decide(service, replica, &key(n, path)).end().is_some();
        (0..100_000).map(hit).collect()
    }

    fn count(hits: impl IntoIterator<Item = bool>) -> i64 {
        hits.into_iter().map(i64::from).sum()
    }

    #[test]
    fn a_fault_fires_as_often_as_its_probability_says() {
        for (probability, allowed) in [
            (0.0, 0..=0),
            (0.01, 850..=1_150),
            (0.5, 49_250..=50_750),
            (1.0, 100_000..=100_000),
        ] {
            let set = set(vec![fault(
                "f",
                FaultKind::Error,
                probability,
                Scope::Attempt,
            )]);
            assert!(
                allowed.contains(&count(hits(&set, "auth", "auth-0", "0"))),
                "{probability}"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_gives_others() {
        let one = set(vec![fault("f", FaultKind::Error, 0.5, Scope::Attempt)]);
        let other = FaultSet {
            seed: 43,
            ..one.clone()
        };
        let first = hits(&one, "auth", "auth-0", "0");
        assert_eq!(first, hits(&one, "auth", "auth-0", "0"));
        assert_ne!(first, hits(&other, "auth", "auth-0", "0"));
    }

    #[test]
    fn services_replicas_attempts_and_faults_draw_independently_of_each_other() {
        let one = set(vec![fault("f", FaultKind::Error, 0.5, Scope::Attempt)]);
        let another = set(vec![fault("g", FaultKind::Error, 0.5, Scope::Attempt)]);
        let first = hits(&one, "auth", "auth-0", "gateway:0/auth:0");
        let others = [
            hits(&one, "profile", "auth-0", "gateway:0/auth:0"),
            hits(&one, "auth", "auth-1", "gateway:0/auth:0"),
            hits(&one, "auth", "auth-0", "gateway:0/auth:1"),
            hits(&another, "auth", "auth-0", "gateway:0/auth:0"),
        ];
        for other in others {
            // Of 100,000 pairs of fair coins 25,000 are two heads, give or take 137 (one sigma).
            let both = count(first.iter().zip(other).map(|(a, b)| *a && b));
            assert!((24_300..=25_700).contains(&both), "{both}");
        }
    }

    #[test]
    fn a_fault_of_scope_request_hits_every_attempt_on_the_same_replica_alike() {
        let set = set(vec![fault("down", FaultKind::Error, 0.5, Scope::Request)]);
        let first = hits(&set, "auth", "auth-0", "0");
        assert_eq!(first, hits(&set, "auth", "auth-0", "1"));
        assert_ne!(first, hits(&set, "auth", "auth-1", "1"));
    }

    #[test]
    fn words_that_run_together_are_told_apart() {
        assert_ne!(
            uniform(1, &["ab", "c"]).to_bits(),
            uniform(1, &["a", "bc"]).to_bits()
        );
    }

    #[test]
    fn delays_add_up_and_the_first_fault_that_ends_a_request_hides_the_later_ones() {
        let pause = FaultKind::Delay(Duration::from_millis(10));
        let set = set(vec![
            fault("a", pause, 1.0, Scope::Attempt),
            fault("b", pause, 1.0, Scope::Attempt),
            fault("c", FaultKind::Hang, 1.0, Scope::Attempt),
            fault("d", FaultKind::Error, 1.0, Scope::Attempt),
        ]);
        let decision = set.decide("auth", "auth-0", &key(0, "0"));
        assert_eq!(decision.delay(), Duration::from_millis(20));
        assert_eq!(
            decision.end().map(|firing| firing.kind),
            Some(FaultKind::Hang)
        );
        assert_eq!(decision.fired.len(), 3);
    }
}
