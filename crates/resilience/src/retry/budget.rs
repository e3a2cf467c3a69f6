//! A bucket with a clock, shared by whatever adds load to one callee.

use super::{BudgetSettings, bucket::Bucket};
use tokio::time::Instant;
use tower::retry::budget::Budget;

/// How much load may be added to a callee by attempts that are not the first of their call:
/// retries, and hedges.
///
/// Without one, retries multiply the load just when the callee can bear it least: three
/// attempts at each of three layers make 27 of one. A budget bounds what each layer adds,
/// whatever the failure rate: to a ratio of its calls, and a floor (Finagle's retry
/// budgets; Google SRE book, chapter 21). A call earns its part when it begins and not when
/// it ends, so that a callee that hangs does not leave its callers without a single retry. It
/// does so even if a circuit breaker further in then refuses it; the capacity bounds what is
/// saved up meanwhile.
#[derive(Debug)]
pub struct RetryBudget {
    bucket: Bucket,
    origin: Instant,
}

impl RetryBudget {
    /// A budget, full at first.
    pub fn new(settings: &BudgetSettings) -> Self {
        Self {
            bucket: Bucket::new(settings),
            origin: Instant::now(),
        }
    }

    /// Takes what `price` retries cost, if there is so much.
    pub fn spend(&self, price: u32) -> bool {
        self.bucket.withdraw(price, self.now_ms())
    }

    /// How many retries could be made right now.
    pub fn level(&self) -> u32 {
        self.bucket.level(self.now_ms())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bucket's time wraps around"
    )]
    fn now_ms(&self) -> u32 {
        self.origin.elapsed().as_millis() as u32
    }
}

impl Budget for RetryBudget {
    fn deposit(&self) {
        self.bucket.deposit();
    }

    fn withdraw(&self) -> bool {
        self.spend(1)
    }
}
