//! Replicas that come and go with the load, in virtual time.

use super::{hop::Hop, world::World};
use crate::scale::{Scale, Scaler, Seen, Staff};
use std::{cell::RefCell, time::Duration};

impl World<'_> {
    /// Looks at the load for ever, and changes the number of replicas; what it does stands in
    /// `staff`.
    pub(super) async fn scale(&self, scale: &Scale, staff: &RefCell<Staff>) {
        let Some(hop) = self.hops.iter().find(|hop| hop.name == scale.service) else {
            return;
        };
        let mut scaler = Scaler::new(scale.clone());
        let mut before: Vec<Duration> = vec![Duration::ZERO; hop.replicas.len()];
        // When those that are starting will serve, the next one first.
        let mut starting: Vec<Duration> = Vec::new();
        let mut next = scale.every;
        let note = |serving: usize, starting: usize| {
            let mut staff = staff.borrow_mut();
            staff.change(self.clock.now(), few(serving), few(starting));
        };
        // This begins to run with the first request, and what it sees holds from the begin.
        let first = few(hop.serving.get());
        staff.borrow_mut().change(Duration::ZERO, first, 0);
        loop {
            let up = starting.first().copied().filter(|up| *up <= next);
            self.clock.sleep_until(up.unwrap_or(next)).await;
            if up.is_some() {
                starting.remove(0);
                hop.serving.set(hop.serving.get() + 1);
                note(hop.serving.get(), starting.len());
                continue;
            }
            let serving = hop.serving.get();
            let busy = self.busy_since(hop, &mut before, scale.every);
            let seen = Seen {
                serving: few(serving),
                starting: few(starting.len()),
                busy,
            };
            let now = self.clock.now();
            let wanted = usize::try_from(scaler.decide(now, &seen)).unwrap_or(usize::MAX);
            let all = serving + starting.len();
            let more = wanted.saturating_sub(all);
            starting.extend((0..more).map(|_| now.saturating_add(scale.start)));
            if wanted < all && starting.is_empty() {
                hop.serving.set(wanted);
            }
            note(hop.serving.get(), starting.len());
            next = next.saturating_add(scale.every);
        }
    }

    /// The shares of slots taken since the last look, added up over those that serve.
    fn busy_since(&self, hop: &Hop, before: &mut [Duration], every: Duration) -> f64 {
        let mut sum = 0.0;
        for (nth, (replica, before)) in hop.replicas.iter().zip(before).enumerate() {
            let Some(room) = &replica.slots else { continue };
            let now = room.busy(self.clock.now());
            let share = now.saturating_sub(*before).div_duration_f64(every) / room.number();
            *before = now;
            if nth < hop.serving.get() {
                sum += share;
            }
        }
        sum
    }
}

/// A number of replicas.
fn few(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
