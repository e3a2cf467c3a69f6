//! The bucket of a retry budget, with every order of deposits and withdrawals.

use loom::{sync::Arc, thread};
use resilience::retry::{Bucket, BudgetSettings};

fn bucket(ratio: f64, capacity: u32) -> Arc<Bucket> {
    Arc::new(Bucket::new(&BudgetSettings {
        ratio,
        floor: 0.0,
        capacity,
    }))
}

#[test]
fn no_token_is_spent_twice() {
    loom::model(|| {
        let bucket = bucket(0.0, 2);
        let spenders: Vec<_> = (0..3)
            .map(|_| {
                let bucket = bucket.clone();
                thread::spawn(move || bucket.withdraw(1, 0))
            })
            .collect();
        let spent = spenders.into_iter().map(|it| it.join().unwrap());
        assert_eq!(spent.filter(|spent| *spent).count(), 2);
        assert_eq!(bucket.level(0), 0);
    });
}

#[test]
fn no_deposit_is_lost_beside_a_withdrawal() {
    loom::model(|| {
        let bucket = bucket(1.0, 3);
        assert!(bucket.withdraw(3, 0));
        let depositor = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.deposit())
        };
        bucket.deposit();
        let early = u32::from(bucket.withdraw(1, 0));
        depositor.join().unwrap();
        assert_eq!(bucket.level(0) + early, 2);
    });
}

#[test]
fn time_is_paid_for_once_whoever_comes_first() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::new(&BudgetSettings {
            ratio: 0.0,
            floor: 1.0,
            capacity: 1,
        }));
        assert!(bucket.withdraw(1, 0));
        let other = {
            let bucket = bucket.clone();
            thread::spawn(move || bucket.withdraw(1, 1000))
        };
        let mine = bucket.withdraw(1, 1000);
        assert!(mine ^ other.join().unwrap(), "one second earns one retry");
    });
}
