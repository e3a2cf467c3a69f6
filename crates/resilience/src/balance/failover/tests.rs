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

proptest! {
    #[test]
    fn exactly_one_is_active_and_it_changes_only_from_one_that_is_down_to_one_that_is_up(
        replicas in 1_usize..6,
        history in vec((0_usize..6, any::<bool>()), 0..60),
    ) {
        let mut failover = Failover::new(replicas);
        let mut up = vec![true; replicas];
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
