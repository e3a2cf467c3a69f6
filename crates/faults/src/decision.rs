//! Whether a fault fires.
//!
//! A decision is a pure function of (seed, service, replica, fault, request id, attempt
//! path), and for faults in time of the time since their begin. Arrival order, threads and
//! clocks play no part, so the same seed gives the same faults request by request, and two
//! faults, two services or two attempts never share a draw. The exception is a fault of a
//! group ([`Fault::shared`]): the group takes the place of service and replica, so that of
//! scope `request` it strikes all members in the same requests, and in time all at the same
//! moments.

use crate::{Fault, FaultKind, Scope, When, draw::uniform, schedule};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

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
    /// Time zero of its faults in time; none: the moment at which it is put in force.
    #[serde(
        rename = "begin_ms",
        with = "unix_millis",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub begin: Option<SystemTime>,
    /// The faults, each decided independently of the others.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl FaultSet {
    /// Decides what happens to the request `key` at `replica` of `service`, so long after
    /// time zero.
    ///
    /// It looks for the place in each schedule anew. Whoever asks often asks an
    /// [`Injector`](crate::Injector).
    pub fn decide(
        &self,
        service: &str,
        replica: &str,
        key: &RequestKey,
        elapsed: Duration,
    ) -> Decision {
        let acts = |place: usize| {
            let fault = &self.faults[place];
            let mut windows = schedule(self.seed, service, replica, fault);
            windows.skip_to(elapsed);
            let next = windows.find(|window| window.end() > elapsed);
            fault.when == When::Always || next.is_some_and(|window| window.holds(elapsed))
        };
        self.decide_if(service, replica, key, acts)
    }

    /// The same, if `acts` knows which faults act, by their place.
    pub(crate) fn decide_if(
        &self,
        service: &str,
        replica: &str,
        key: &RequestKey,
        acts: impl Fn(usize) -> bool,
    ) -> Decision {
        let mut decision = Decision::default();
        for (place, fault) in self.faults.iter().enumerate() {
            if !acts(place) || !self.fires(fault, service, replica, key) {
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
        let [service, replica] = fault.drawn_for(service, replica);
        let words = [service, replica, &fault.id, &key.request_id, path];
        uniform(self.seed, &words) < fault.probability.get()
    }
}

/// A moment as Unix milliseconds.
mod unix_millis {
    use serde::{
        Deserialize, Deserializer, Serialize, Serializer,
        de::{Error, Unexpected},
    };
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    #[expect(clippy::ref_option, reason = "the signature serde calls")]
    pub(super) fn serialize<S: Serializer>(
        moment: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let since = moment.map(|moment| moment.duration_since(UNIX_EPOCH).unwrap_or_default());
        let millis = since.map(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        millis.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let millis = Option::<u64>::deserialize(deserializer)?;
        let moment = |millis| {
            let moment = UNIX_EPOCH.checked_add(Duration::from_millis(millis));
            moment.ok_or_else(|| {
                D::Error::invalid_value(Unexpected::Unsigned(millis), &"Unix milliseconds")
            })
        };
        millis.map(moment).transpose()
    }
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
            when: When::Always,
            shared: None,
        }
    }

    fn shared(id: &str, group: &str) -> Fault {
        Fault {
            shared: Some(group.into()),
            ..fault(id, FaultKind::Error, 0.5, Scope::Request)
        }
    }

    fn set(faults: Vec<Fault>) -> FaultSet {
        FaultSet {
            seed: 42,
            begin: None,
            faults,
        }
    }

    fn key(request: usize, path: &str) -> RequestKey {
        RequestKey {
            request_id: format!("r-{request}").into(),
            attempt_path: path.into(),
        }
    }

    fn hits(set: &FaultSet, service: &str, replica: &str, path: &str) -> Vec<bool> {
        let hit = |n| {
            let decision = set.decide(service, replica, &key(n, path), Duration::ZERO);
            decision.end().is_some()
        };
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
    fn what_shares_a_group_fails_in_the_same_requests_whatever_service_and_replica_it_is() {
        let zone = set(vec![shared("down", "zone-a")]);
        let first = hits(&zone, "auth", "auth-0", "gateway:0/auth:0");
        for (service, replica) in [("auth", "auth-1"), ("profile", "profile-0")] {
            assert_eq!(first, hits(&zone, service, replica, "gateway:0/other:1"));
        }
    }

    #[test]
    fn groups_faults_and_those_outside_the_group_draw_independently_of_each_other() {
        let here = |fault| hits(&set(vec![fault]), "auth", "auth-0", "0");
        let first = here(shared("down", "zone-a"));
        let outside = fault("down", FaultKind::Error, 0.5, Scope::Request);
        for other in [shared("down", "zone-b"), shared("up", "zone-a"), outside] {
            // Of 100,000 pairs of fair coins 25,000 are two heads, give or take 137 (one sigma).
            let both = count(first.iter().zip(here(other)).map(|(a, b)| *a && b));
            assert!((24_300..=25_700).contains(&both), "{both}");
        }
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
        let decision = set.decide("auth", "auth-0", &key(0, "0"), Duration::ZERO);
        assert_eq!(decision.delay(), Duration::from_millis(20));
        assert_eq!(
            decision.end().map(|firing| firing.kind),
            Some(FaultKind::Hang)
        );
        assert_eq!(decision.fired.len(), 3);
    }

    #[test]
    fn the_begin_is_written_in_unix_milliseconds_or_left_out() {
        let json = r#"{"seed":1,"begin_ms":1500,"faults":[]}"#;
        let set: FaultSet = serde_json::from_str(json).unwrap();
        let begin = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(set.begin, Some(begin));
        assert_eq!(serde_json::to_string(&set).unwrap(), json);
        let none = r#"{"seed":1,"faults":[]}"#;
        let set: FaultSet = serde_json::from_str(none).unwrap();
        assert_eq!(set.begin, None);
        assert_eq!(serde_json::to_string(&set).unwrap(), none);
    }
}
