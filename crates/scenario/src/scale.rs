//! How many replicas a service should have, by how busy they are.
//!
//! The rule is that of Kubernetes' horizontal pod autoscaler (Kubernetes documentation,
//! *Horizontal Pod Autoscaling*, "Algorithm details"): so many that each would be as busy as it
//! should be, `ceil(replicas × busy / target)`; nothing changes while that is within a tenth of
//! what there is; replicas that do not serve yet count as idle, and are never a reason for fewer;
//! more come at once, and fewer only when for a while nothing asked for more. How busy a replica
//! is, is the share of its slots that was taken since the last look, as it is processor time
//! there.
//!
//! Left out are its default limit on growth (in 15 s at most four more, or twice as many), and that
//! it may take some away while others start.
//!
//! One consequence is easily overlooked: nobody is busier than all the time. Of replicas that are
//! overloaded only 1/`target` times as many are asked for, however great the overload is.
//!
//! The decision knows no clock: the same serves a run of real processes and one that is played.

use crate::topology::Name;
use serde::Serialize;
use std::{collections::VecDeque, time::Duration};

/// A change within this share of what there is, is not worth it.
pub const TOLERANCE: f64 = 0.1;

/// What is scaled, and within which limits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scale {
    /// The service.
    pub service: Name,
    /// The fewest replicas: one or more.
    pub min: u32,
    /// The most.
    pub max: u32,
    /// The share of its slots that should be taken: from 0.1 to 0.9.
    pub target: f64,
    /// How often it is looked at.
    #[serde(rename = "every_ms", serialize_with = "crate::plan::millis")]
    pub every: Duration,
    /// For how long nothing may have asked for more before there are fewer.
    #[serde(rename = "stabilise_ms", serialize_with = "crate::plan::millis")]
    pub stabilise: Duration,
    /// How long a new replica needs before it serves.
    #[serde(rename = "start_ms", serialize_with = "crate::plan::millis")]
    pub start: Duration,
}

/// What is seen of the replicas at one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// How many serve.
    pub serving: u32,
    /// How many more are starting.
    pub starting: u32,
    /// The share of its slots that was taken, added up over all that serve.
    pub busy: f64,
}

/// Decides how many replicas there should be.
#[derive(Debug, Clone)]
pub struct Scaler {
    scale: Scale,
    /// What was advised of late, and when.
    advised: VecDeque<(Duration, u32)>,
}

impl Scaler {
    /// Nothing was seen yet.
    pub const fn new(scale: Scale) -> Self {
        Self {
            scale,
            advised: VecDeque::new(),
        }
    }

    /// How many replicas there should be from `now` on.
    pub fn decide(&mut self, now: Duration, seen: &Seen) -> u32 {
        let all = seen.serving.saturating_add(seen.starting);
        let advised = self.advise(seen, all);
        if self.advised.is_empty() {
            // What there is at first counts as advised when the load began.
            self.advised.push_back((Duration::ZERO, all));
        }
        self.advised.push_back((now, advised));
        let is_old = |(at, _): &(Duration, u32)| at.saturating_add(self.scale.stabilise) < now;
        while self.advised.front().is_some_and(is_old) {
            self.advised.pop_front();
        }
        let most = self.advised.iter().map(|(_, advised)| *advised).max();
        let fewer = most.unwrap_or(advised).min(all);
        advised.max(fewer).clamp(self.scale.min, self.scale.max)
    }

    /// What this look alone asks for.
    fn advise(&self, seen: &Seen, all: u32) -> u32 {
        let needed = seen.busy.max(0.0) / self.scale.target;
        let is_near = (needed - f64::from(all)).abs() <= TOLERANCE * f64::from(all);
        // A hair of slack, for what is measured is no whole number.
        let advised = if is_near { all } else { ceil(needed - 1e-9) };
        let advised = if seen.starting > 0 {
            advised.max(all)
        } else {
            advised
        };
        advised.clamp(self.scale.min, self.scale.max)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 0; what is too large ends at the largest number"
)]
fn ceil(needed: f64) -> u32 {
    needed.max(0.0).ceil() as u32
}

/// Replicas over time: how many serve, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Staff {
    /// Each change: when, in milliseconds since the load began; how many serve from then on; and
    /// how many are starting.
    pub changes: Vec<(u64, u32, u32)>,
}

impl Staff {
    /// From `at` on, so many serve and so many are starting.
    pub fn change(&mut self, at: Duration, serving: u32, starting: u32) {
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let is_news = |last: &(u64, u32, u32)| (last.1, last.2) != (serving, starting);
        if self.changes.last().is_none_or(is_news) {
            self.changes.push((at, serving, starting));
        }
    }

    /// What they cost until `end`: the seconds of all replicas together, each from its start until
    /// it is told to stop.
    pub fn replica_seconds(&self, end: Duration) -> f64 {
        let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
        let ends = self.changes.iter().skip(1).map(|(at, ..)| *at);
        let spans = self.changes.iter().zip(ends.chain([end]));
        let cost = |((from, serving, starting), to): (&(u64, u32, u32), u64)| {
            let seconds = to.min(end).saturating_sub(*from) as f64 / 1e3;
            seconds * f64::from(serving.saturating_add(*starting))
        };
        spans.map(cost).sum()
    }

    /// The most there were.
    pub fn most(&self) -> u32 {
        let all = self.changes.iter();
        let all = all.map(|(_, serving, starting)| serving.saturating_add(*starting));
        all.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaler(stabilise: u64) -> Scaler {
        Scaler::new(Scale {
            service: "back".into(),
            min: 1,
            max: 8,
            target: 0.7,
            every: Duration::from_millis(100),
            stabilise: Duration::from_millis(stabilise),
            start: Duration::from_millis(200),
        })
    }

    fn look(serving: u32, starting: u32, busy: f64) -> Seen {
        Seen {
            serving,
            starting,
            busy,
        }
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn so_many_are_asked_for_that_each_is_as_busy_as_it_should_be() {
        // The examples of the documentation: twice the target asks for twice as many, half of it
        // for half.
        for (serving, each, asked) in [(2, 1.0, 3), (4, 0.35, 2), (3, 0.0, 1), (8, 1.0, 8)] {
            let busy = each * f64::from(serving);
            assert_eq!(
                scaler(0).decide(ms(100), &look(serving, 0, busy)),
                asked,
                "{serving}"
            );
        }
    }

    #[test]
    fn a_tenth_more_or_less_changes_nothing() {
        for each in [0.64, 0.7, 0.76] {
            assert_eq!(
                scaler(0).decide(ms(100), &look(4, 0, 4.0 * each)),
                4,
                "{each}"
            );
        }
        assert_eq!(scaler(0).decide(ms(100), &look(4, 0, 4.0 * 0.79)), 5);
        assert_eq!(scaler(0).decide(ms(100), &look(4, 0, 4.0 * 0.5)), 3);
    }

    #[test]
    fn overload_is_seen_as_no_more_than_being_busy_all_the_time() {
        let mut all = vec![1];
        let mut scaler = scaler(0);
        while *all.last().unwrap() < 8 {
            let now = *all.last().unwrap();
            all.push(scaler.decide(ms(0), &look(now, 0, f64::from(now))));
        }
        assert_eq!(all, [1, 2, 3, 5, 8]);
    }

    #[test]
    fn those_that_are_starting_count_as_idle_and_are_no_reason_for_fewer() {
        assert_eq!(scaler(0).decide(ms(0), &look(1, 1, 1.0)), 2);
        assert_eq!(scaler(0).decide(ms(0), &look(3, 2, 3.0)), 5);
        assert_eq!(scaler(0).decide(ms(0), &look(3, 2, 0.5)), 5);
    }

    #[test]
    fn more_come_at_once_and_fewer_when_nothing_asked_for_more_for_a_while() {
        let mut scaler = scaler(500);
        assert_eq!(scaler.decide(ms(0), &look(2, 0, 2.0)), 3);
        for at in [100, 300, 500] {
            assert_eq!(scaler.decide(ms(at), &look(3, 0, 0.5)), 3, "{at}");
        }
        assert_eq!(scaler.decide(ms(501), &look(3, 0, 0.5)), 1);
        assert_eq!(scaler.decide(ms(601), &look(1, 0, 1.0)), 2);
    }

    #[test]
    fn the_highest_of_late_is_kept_when_load_falls_step_by_step() {
        let mut scaler = scaler(300);
        assert_eq!(scaler.decide(ms(400), &look(6, 0, 2.8)), 4);
        assert_eq!(scaler.decide(ms(600), &look(6, 0, 0.7)), 4);
        assert_eq!(scaler.decide(ms(800), &look(4, 0, 0.7)), 1);
    }

    #[test]
    fn as_many_as_there_are_at_first_stay_for_a_while_after_the_begin() {
        let mut scaler = scaler(500);
        for at in [100, 500] {
            assert_eq!(scaler.decide(ms(at), &look(4, 0, 0.1)), 4, "{at}");
        }
        assert_eq!(scaler.decide(ms(501), &look(4, 0, 0.1)), 1);
    }

    #[test]
    fn the_limits_hold_whatever_is_measured() {
        for busy in [f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0] {
            let asked = scaler(0).decide(ms(0), &look(3, 0, busy));
            assert!((1..=8).contains(&asked), "{busy}: {asked}");
        }
    }

    #[test]
    fn a_replica_costs_from_its_start_until_it_is_told_to_stop() {
        let mut staff = Staff::default();
        staff.change(ms(0), 1, 0);
        staff.change(ms(1_000), 1, 2);
        staff.change(ms(1_000), 1, 2);
        staff.change(ms(1_500), 3, 0);
        staff.change(ms(3_000), 1, 0);
        assert_eq!((staff.changes.len(), staff.most()), (4, 3));
        assert!((staff.replica_seconds(ms(4_000)) - (1.0 + 1.5 + 4.5 + 1.0)).abs() < 1e-9);
        assert!((staff.replica_seconds(ms(2_000)) - (1.0 + 1.5 + 1.5)).abs() < 1e-9);
    }
}
