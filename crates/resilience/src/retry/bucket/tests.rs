use super::*;
use proptest::prelude::*;

fn settings(ratio: f64, floor: f64, capacity: u32) -> BudgetSettings {
    BudgetSettings {
        ratio,
        floor,
        capacity,
    }
}

/// Spends all there is; how much that was.
fn drain(bucket: &Bucket, now_ms: u32) -> u32 {
    let mut spent = 0;
    while bucket.withdraw(1, now_ms) {
        spent += 1;
    }
    spent
}

#[test]
fn a_bucket_is_full_at_first_and_never_holds_more_than_its_capacity() {
    let bucket = Bucket::new(&settings(0.5, 10.0, 3));
    (0..100).for_each(|_| bucket.deposit());
    assert_eq!(bucket.level(3_600_000), 3);
    assert_eq!(drain(&bucket, 3_600_000), 3);
}

#[test]
fn ten_requests_earn_one_retry_at_a_tenth_each() {
    let bucket = Bucket::new(&settings(0.1, 0.0, 5));
    drain(&bucket, 0);
    (0..9).for_each(|_| bucket.deposit());
    assert!(!bucket.withdraw(1, u32::MAX));
    bucket.deposit();
    assert!(bucket.withdraw(1, 0));
    assert!(!bucket.withdraw(1, 0));
}

#[test]
fn time_earns_the_floor_whatever_its_size_and_however_often_it_is_asked() {
    for (floor, seconds) in [(0.01, 1000), (0.3, 1000), (1.0, 60), (7.5, 60), (999.0, 10)] {
        for step_ms in [1, 7, 1000] {
            let bucket = Bucket::new(&settings(0.0, floor, 100_000));
            drain(&bucket, 0);
            let mut earned = 0;
            let mut now = 0;
            while now < seconds * 1000 {
                now += step_ms;
                earned += drain(&bucket, now);
            }
            let expected = floor * f64::from(seconds);
            let off = (f64::from(earned) - expected).abs();
            assert!(
                off <= 1.0 + expected * 0.005,
                "{floor}/s asked every {step_ms} ms: {earned} in {seconds} s"
            );
        }
    }
}

#[test]
fn a_floor_too_small_to_count_is_none() {
    assert_eq!(Drip::new(0.0), None);
    assert_eq!(Drip::new(1e-12), None);
}

#[test]
fn time_may_wrap_around_and_a_clock_read_late_takes_nothing_back() {
    let bucket = Bucket::new(&settings(0.0, 1.0, 10));
    // Bring the bucket's time close to the end of its range, in steps it can tell.
    for now in [1 << 30, 2 << 30, 3 << 30, u32::MAX - 500] {
        drain(&bucket, now);
    }
    assert_eq!(bucket.level(u32::MAX - 500), 0);
    assert_eq!(bucket.level(u32::MAX - 2000), 0, "earlier than the last");
    assert_eq!(bucket.level(1500), 2, "two seconds later");
}

#[test]
fn a_bucket_that_nobody_drew_from_for_weeks_still_earns() {
    for idle in [1 << 31, (1 << 31) + 1, 3 << 30] {
        let bucket = Bucket::new(&settings(0.0, 1.0, 10));
        assert_eq!(drain(&bucket, idle), 10);
        assert_eq!(drain(&bucket, idle + 3_600_000), 10);
    }
}

/// The bucket as a naive person would write it: a float, and nobody else about.
struct Naive {
    tokens: f64,
    topped_up_ms: f64,
    settings: BudgetSettings,
}

impl Naive {
    fn deposit(&mut self) {
        self.tokens = (self.tokens + self.settings.ratio).min(f64::from(self.settings.capacity));
    }

    fn withdraw(&mut self, price: u32, now_ms: u32) -> bool {
        let now = f64::from(now_ms);
        let earned = (now - self.topped_up_ms) / 1000.0 * self.settings.floor;
        let tokens = (self.tokens + earned).min(f64::from(self.settings.capacity));
        let enough = tokens >= f64::from(price);
        if enough {
            self.tokens = tokens - f64::from(price);
            self.topped_up_ms = now;
        }
        enough
    }
}

#[derive(Debug, Clone)]
enum Step {
    Deposit,
    Withdraw { price: u32, after_ms: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let withdraw = (1_u32..3, 0_u32..50).prop_map(|(price, tenths)| Step::Withdraw {
        price,
        // Whole drips of the floors used, so that both count alike.
        after_ms: tenths * 100,
    });
    prop::collection::vec(prop_oneof![3 => Just(Step::Deposit), 1 => withdraw], 1..300)
}

proptest! {
    #[test]
    fn the_bucket_decides_as_a_naive_one_does(
        steps in steps(),
        ratio in 0_u32..=8,
        floor in 0_u32..=4,
        capacity in 1_u32..20,
    ) {
        // Eighths and whole numbers: exact in both.
        let settings = settings(f64::from(ratio) / 8.0, f64::from(floor) * 10.0, capacity);
        let bucket = Bucket::new(&settings);
        let mut naive = Naive { tokens: f64::from(capacity), topped_up_ms: 0.0, settings };
        let mut now = 0;
        for step in steps {
            match step {
                Step::Deposit => {
                    bucket.deposit();
                    naive.deposit();
                }
                Step::Withdraw { price, after_ms } => {
                    now += after_ms;
                    prop_assert_eq!(bucket.withdraw(price, now), naive.withdraw(price, now));
                }
            }
        }
    }
}
