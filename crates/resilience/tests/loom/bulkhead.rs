//! A limit under threads that race.

use loom::thread;
use resilience::{
    bulkhead::{LimitPolicy, LimitSettings, Limiter, Permit},
    circuit_breaker::Outcome,
};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1);

fn limiter(max: u32) -> Limiter {
    let settings = LimitSettings {
        max,
        ..LimitSettings::default()
    };
    Limiter::new(LimitPolicy::new(settings).unwrap())
}

#[test]
fn no_more_permits_are_out_than_there_is_room_for() {
    loom::model(|| {
        let limiter = limiter(2);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let limiter = limiter.clone();
                thread::spawn(move || limiter.try_acquire(NOW))
            })
            .collect();
        let mut permits: Vec<Option<Permit>> = vec![limiter.try_acquire(NOW)];
        permits.extend(others.into_iter().map(|it| it.join().unwrap()));
        assert_eq!(permits.iter().flatten().count(), 2);
        assert_eq!(limiter.in_flight(), 2);
    });
}

#[test]
fn room_that_was_made_is_there_for_the_next_one() {
    loom::model(|| {
        let limiter = limiter(1);
        let other = {
            let limiter = limiter.clone();
            thread::spawn(move || {
                let permit = limiter.try_acquire(NOW);
                permit
                    .map(|permit| permit.release(NOW, Outcome::Success))
                    .is_some()
            })
        };
        let mine = limiter.try_acquire(NOW);
        let others = other.join().unwrap();
        assert!(mine.is_some() || others, "one of them found it empty");
        drop(mine);
        assert_eq!(limiter.in_flight(), 0);
        assert!(limiter.try_acquire(NOW).is_some());
    });
}
