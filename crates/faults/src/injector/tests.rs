use super::*;
use crate::{FaultKind, Law, Renewal, Scope};
use proptest::prelude::*;
use types::Probability;

fn set(when: When, probability: f64) -> FaultSet {
    FaultSet {
        seed: 42,
        begin: None,
        faults: vec![Fault {
            id: "f".into(),
            kind: FaultKind::Error,
            probability: Probability::new(probability).unwrap(),
            scope: Scope::Attempt,
            when,
            shared: None,
        }],
    }
}

fn renewal(up_ms: u64, down_ms: u64) -> When {
    When::Renewal(Renewal {
        up: Duration::from_millis(up_ms),
        down: Duration::from_millis(down_ms),
        law: Law::Exponential,
    })
}

fn key(request: u32) -> RequestKey {
    RequestKey {
        request_id: format!("r-{request}").into(),
        attempt_path: "0".into(),
    }
}

fn windows() -> When {
    let window = |at, length| Window {
        at: Duration::from_millis(at),
        length: Duration::from_millis(length),
    };
    When::Windows(vec![window(5, 10), window(15, 5), window(900, 300)])
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        Just(When::Always),
        Just(windows()),
        Just(renewal(3, 1)),
        Just(renewal(190, 10)),
    ]
}

proptest! {
    /// Also in any order: the instants are not sorted.
    #[test]
    fn it_decides_as_the_set_does_whenever_it_is_asked(
        when in when(),
        probability in prop_oneof![Just(1.0), Just(0.5)],
        instants in prop::collection::vec(0_u64..500_000_000, 1..12),
    ) {
        let set = set(when, probability);
        let injector = Injector::new(set.clone(), "auth", "auth-0");
        for (request, instant) in (0..).zip(instants) {
            let (key, instant) = (key(request), Duration::from_micros(instant));
            let expected = set.decide("auth", "auth-0", &key, instant);
            prop_assert_eq!(injector.decide(&key, instant), expected);
        }
    }
}

#[test]
fn a_fault_in_time_hits_exactly_those_who_come_while_it_is_down() {
    for when in [renewal(19, 6), windows()] {
        let set = set(when, 1.0);
        let injector = Injector::new(set.clone(), "auth", "auth-0");
        let down: Vec<_> = schedule(42, "auth", "auth-0", &set.faults[0])
            .within(Duration::from_secs(3))
            .collect();
        for micros in (0..2_000_000).step_by(97) {
            let instant = Duration::from_micros(micros);
            let is_down = down.iter().any(|window| window.holds(instant));
            let is_hit = injector.decide(&key(0), instant).end().is_some();
            assert_eq!(is_hit, is_down, "{instant:?}");
        }
        for window in down.iter().take(20) {
            let last = window.end().checked_sub(Duration::from_nanos(1)).unwrap();
            let hit = |instant| injector.decide(&key(0), instant).end().is_some();
            assert!(hit(window.at) && hit(last), "{window:?}");
        }
    }
}

#[test]
fn outages_of_a_group_strike_all_its_members_at_the_same_moments() {
    let mut set = set(renewal(19, 6), 1.0);
    set.faults[0].shared = Some("zone-a".into());
    let own = Injector::new(set.clone(), "auth", "auth-0");
    let other = Injector::new(set.clone(), "profile", "profile-3");
    set.faults[0].shared = Some("zone-b".into());
    let apart = Injector::new(set, "auth", "auth-0");
    let hits = |injector: &Injector| -> Vec<_> {
        let at = |millis| Duration::from_millis(millis);
        let hit = |millis| injector.decide(&key(0), at(millis)).end().is_some();
        (0..2_000).map(hit).collect()
    };
    assert_eq!(hits(&own), hits(&other));
    assert_ne!(hits(&own), hits(&apart));
}

#[test]
fn while_a_fault_is_down_its_probability_decides() {
    let set = set(renewal(1, 1), 0.25);
    let injector = Injector::new(set.clone(), "auth", "auth-0");
    let window = schedule(42, "auth", "auth-0", &set.faults[0])
        .next()
        .unwrap();
    let hit = |request: &u32| injector.decide(&key(*request), window.at).end().is_some();
    let hits = (0..10_000).filter(hit).count() as f64;
    // Six sigma of 10,000 draws.
    assert!(
        (hits - 2_500.0).abs() < 6.0 * f64::sqrt(10_000.0 * 0.25 * 0.75),
        "{hits}"
    );
}

#[test]
fn a_question_after_a_day_remembers_no_more_than_one_after_a_second() {
    let injector = Injector::new(set(renewal(950, 50), 1.0), "auth", "auth-0");
    for minutes in 0..=24 * 60 {
        injector.decide(&key(0), Duration::from_mins(minutes));
    }
    let cursor = injector.cursors[0].as_ref().unwrap().lock().unwrap();
    assert_eq!(cursor.latest.len(), REMEMBERED);
}

#[test]
fn a_question_after_a_thousand_years_of_outages_is_answered_at_once() {
    let set = set(renewal(1, 1), 1.0);
    let injector = Injector::new(set.clone(), "auth", "auth-0");
    for years in [1_000, 999, 0] {
        let instant = Duration::from_hours(24 * 365 * years);
        let expected = set.decide("auth", "auth-0", &key(0), instant);
        assert_eq!(injector.decide(&key(0), instant), expected);
    }
}

#[test]
fn a_question_about_what_was_skipped_gets_the_same_answer() {
    let set = set(renewal(3, 1), 1.0);
    let injector = Injector::new(set.clone(), "auth", "auth-0");
    // An epoch is 40 s: what lies between the first two questions is never gone through.
    let later = (20_000..20_050).map(Duration::from_millis);
    let first = [10_000, 40_050].map(Duration::from_millis);
    let all = first.into_iter().chain(later);
    for instant in all {
        let expected = set.decide("auth", "auth-0", &key(0), instant);
        assert_eq!(injector.decide(&key(0), instant), expected, "{instant:?}");
    }
}
