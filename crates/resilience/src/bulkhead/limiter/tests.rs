use super::*;
use crate::bulkhead::LimitSettings;

const MS: Duration = Duration::from_millis(1);

fn limiter(max: u32, adaptive: bool) -> Limiter {
    let settings = LimitSettings {
        max,
        adaptive,
        ..LimitSettings::default()
    };
    Limiter::new(LimitPolicy::new(settings).unwrap())
}

#[test]
fn so_many_calls_pass_at_once_and_no_more() {
    let limiter = limiter(3, false);
    let mut permits: Vec<_> = (0..4).map(|_| limiter.try_acquire(MS)).collect();
    assert!(permits[2].is_some() && permits[3].is_none());
    assert_eq!((limiter.in_flight(), limiter.has_room()), (3, false));
    permits.truncate(1);
    assert_eq!((limiter.in_flight(), limiter.has_room()), (1, true));
    let clone = limiter.clone();
    drop(permits);
    assert_eq!(clone.in_flight(), 0);
}

#[test]
fn a_permit_makes_room_once_whether_it_is_released_or_dropped() {
    let limiter = limiter(1, true);
    for outcome in [
        Outcome::Success,
        Outcome::Failure(Cause::Error),
        Outcome::Cancelled,
    ] {
        limiter.try_acquire(MS).unwrap().release(2 * MS, outcome);
        assert_eq!(limiter.in_flight(), 0, "{outcome:?}");
    }
    drop(limiter.try_acquire(MS));
    assert_eq!(limiter.in_flight(), 0);
}

#[test]
fn a_fixed_limit_learns_nothing() {
    let limiter = limiter(4, false);
    for call in 0..1000 {
        let late = Outcome::Failure(Cause::Timeout);
        limiter
            .try_acquire(MS * call)
            .unwrap()
            .release(MS * (call + 500), late);
    }
    assert_eq!(limiter.limit(), 4);
}

#[test]
fn errors_and_calls_given_up_say_nothing_about_capacity() {
    let limiter = limiter(100, true);
    let before = limiter.limit();
    for outcome in [
        Outcome::Failure(Cause::Error),
        Outcome::Ignored,
        Outcome::Cancelled,
    ] {
        for call in 0..1000 {
            limiter
                .try_acquire(MS * call)
                .unwrap()
                .release(MS * (call + 1), outcome);
        }
    }
    assert_eq!(limiter.limit(), before);
}
