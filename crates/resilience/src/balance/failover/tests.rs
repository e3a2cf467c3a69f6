use super::*;
use proptest::{collection::vec, prelude::*};

#[test]
fn when_the_active_one_goes_down_the_next_that_is_up_takes_over() {
    let mut failover = Failover::new(3);
    assert_eq!(failover.heard(1, false), None, "a standby");
    assert_eq!(failover.heard(0, false), Some(2));
    assert_eq!(failover.heard(0, true), None, "back, it stands by");
    assert_eq!(failover.heard(2, false), Some(0));
}

#[test]
fn with_all_down_whichever_is_up_first_is_active() {
    let mut failover = Failover::new(2);
    assert_eq!(failover.heard(1, false), None);
    assert_eq!(failover.heard(0, false), None);
    assert_eq!(failover.active(), 0);
    let mut other = failover.clone();
    assert_eq!(failover.heard(0, true), None, "it was active all along");
    assert_eq!(other.heard(1, true), Some(1));
    assert_eq!(other.heard(0, true), None);
}

#[test]
fn without_replicas_or_beyond_them_nothing_happens() {
    assert_eq!(Failover::new(0).heard(0, false), None);
    assert_eq!(Failover::new(1).heard(1, false), None);
    let mut only = Failover::new(1);
    assert_eq!((only.heard(0, false), only.active()), (None, 0));
}

#[test]
fn whoever_was_active_stays_that_unless_it_is_known_to_be_down_already() {
    for (up, before, active) in [
        ([true, true, true], 1, 1),
        ([true, false, true], 1, 2),
        ([true, true, false], 2, 0),
        ([false, false, false], 1, 1),
        // It is not on the list any more.
        ([false, true, true], 7, 2),
    ] {
        let failover = Failover::of(up.to_vec(), before);
        assert_eq!(failover.active(), active, "{up:?} {before}");
    }
    assert_eq!(Failover::of(Vec::new(), usize::MAX).heard(0, true), None);
}

proptest! {
    #[test]
    fn exactly_one_is_active_and_it_changes_only_from_one_that_is_down_to_one_that_is_up(
        known in vec(any::<bool>(), 1..6),
        active in 0_usize..6,
        history in vec((0_usize..6, any::<bool>()), 0..60),
    ) {
        let (replicas, mut up) = (known.len(), known.clone());
        let active = active % replicas;
        let mut failover = Failover::of(known, active);
        prop_assert_eq!(failover.active() == active, up[active] || up.iter().all(|it| !it));
        prop_assert!(up[failover.active()] || up.iter().all(|it| !it));
        for (replica, is_up) in history {
            let replica = replica % replicas;
            let before = failover.active();
            up[replica] = is_up;
            let told = failover.heard(replica, is_up);
            let active = failover.active();
            prop_assert!(active < replicas);
            prop_assert_eq!(told, (active != before).then_some(active));
            if active == before {
                prop_assert!(up[active] || up.iter().all(|it| !it), "somebody could serve");
            } else {
                prop_assert!(!up[before] && up[active]);
            }
        }
    }
}
