//! The core: a bucket of tokens, in one word.

#[cfg(test)]
mod tests;

use super::BudgetSettings;
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Tokens are counted in thousandths.
const TOKEN: u32 = 1000;
/// By how many milliseconds the clock of one thread may lag behind that of another.
const LAG_MS: u32 = 60_000;

/// A bucket of tokens. Each request sent puts a part of one in, time does too, and each
/// retry takes one out.
///
/// All of it is one atomic word, the level and the time up to which it was topped up, so
/// that a deposit or a withdrawal is one compare-and-swap, and a deposit into a full bucket
/// is one load. Parts of a token are exact to a thousandth. Times are milliseconds since an
/// origin of the caller's choice, and wrap around: a bucket that nobody has drawn from for
/// 49 days earns what its time earns from then on.
#[derive(Debug)]
pub struct Bucket {
    /// The level in thousandths of a token (upper half), and when it was topped up (lower).
    state: AtomicU64,
    capacity: u32,
    deposit: u32,
    drip: Option<Drip>,
}

/// What time puts in: `amount` thousandths every `period` milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Drip {
    amount: u32,
    period: u32,
}

impl Bucket {
    /// A full bucket at time 0.
    pub fn new(settings: &BudgetSettings) -> Self {
        let capacity = settings.capacity.saturating_mul(TOKEN);
        Self {
            state: AtomicU64::new(pack(capacity, 0)),
            capacity,
            deposit: thousandths(settings.ratio),
            drip: Drip::new(settings.floor),
        }
    }

    /// A request is sent.
    pub fn deposit(&self) {
        self.update(|level, topped_up| {
            let more = level.saturating_add(self.deposit).min(self.capacity);
            (more > level).then(|| pack(more, topped_up))
        });
    }

    /// Takes `price` tokens at `now_ms`, if there are so many.
    pub fn withdraw(&self, price: u32, now_ms: u32) -> bool {
        let price = price.saturating_mul(TOKEN);
        self.update(|level, topped_up| {
            let (level, topped_up) = self.top_up(level, topped_up, now_ms);
            let less = level.checked_sub(price)?;
            Some(pack(less, topped_up))
        })
    }

    /// How many whole tokens there are at `now_ms`.
    pub fn level(&self, now_ms: u32) -> u32 {
        let (level, topped_up) = unpack(self.state.load(Relaxed));
        self.top_up(level, topped_up, now_ms).0 / TOKEN
    }

    /// What time has put in since `topped_up`, in whole drips; the rest of the time is kept.
    fn top_up(&self, level: u32, topped_up: u32, now: u32) -> (u32, u32) {
        let Some(Drip { amount, period }) = self.drip else {
            return (level, topped_up);
        };
        let elapsed = now.wrapping_sub(topped_up);
        if elapsed > u32::MAX - LAG_MS {
            // Another thread, whose clock was read a little later, has been here before.
            return (level, topped_up);
        }
        let drips = elapsed / period;
        let level = level
            .saturating_add(drips.saturating_mul(amount))
            .min(self.capacity);
        (level, topped_up.wrapping_add(drips * period))
    }

    /// Replaces the state as `change` says, unless it says nothing; whether it did.
    ///
    /// Relaxed is enough: the word guards no other memory.
    fn update(&self, change: impl Fn(u32, u32) -> Option<u64>) -> bool {
        let mut state = self.state.load(Relaxed);
        loop {
            let (level, topped_up) = unpack(state);
            let Some(next) = change(level, topped_up) else {
                return false;
            };
            match self
                .state
                .compare_exchange_weak(state, next, Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }
}

impl Drip {
    /// `floor` tokens a second, which is as many thousandths a millisecond. Periods are as
    /// short as they can be without rounding the amount by more than half a percent.
    fn new(floor: f64) -> Option<Self> {
        let (amount, period) = if floor >= 1.0 {
            (floor * 100.0, 100.0)
        } else {
            (100.0, 100.0 / floor)
        };
        let whole = amount >= 1.0 && period <= f64::from(u32::MAX / 2);
        whole.then(|| Self {
            amount: nearest(amount),
            period: nearest(period),
        })
    }
}

fn thousandths(tokens: f64) -> u32 {
    nearest(tokens * f64::from(TOKEN))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
fn nearest(number: f64) -> u32 {
    number.round() as u32
}

fn pack(level: u32, topped_up: u32) -> u64 {
    u64::from(level) << 32 | u64::from(topped_up)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn unpack(state: u64) -> (u32, u32) {
    ((state >> 32) as u32, state as u32)
}
