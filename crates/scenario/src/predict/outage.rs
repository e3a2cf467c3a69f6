//! A callee that is down for good in a phase, behind a breaker.
//!
//! The breaker is followed in mean values: calls come at a steady rate, and what they find
//! out comes back after the time of a failure. When it opens, when it probes, and how long it
//! stays open after the phase are then single numbers near which a run will be; of the last
//! there is also the most that it can be.

use super::{
    breaker::{LATE, Sight, longest_open_s, open_s, sight, unanswered},
    chain::{Chain, Flow, near},
};
use crate::topology::Name;
use resilience::circuit_breaker::BreakerSettings;
use serde::Serialize;
use types::Probability;

/// What a breaker makes of a callee that is down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutagePrediction {
    /// The service that calls.
    pub caller: Name,
    /// The callee whose attempts all fail.
    pub callee: Name,
    /// When the breaker opens, in seconds from the start of the phase; none if it does not.
    pub opens_after_s: Option<f64>,
    /// Attempts that reach the callee: those until it opens, and its probes.
    pub reaching: f64,
    /// Attempts that would reach it without a breaker.
    pub reaching_without: f64,
    /// The share of calls that are refused at once.
    pub refused: Probability,
    /// How long an attempt takes to fail before the breaker opens, in seconds.
    pub fails_after_s: f64,
    /// How long the breaker stays open after the end of the phase, in seconds.
    pub recovery_s: f64,
    /// The same at most.
    pub recovery_at_most_s: f64,
}

impl OutagePrediction {
    /// Whether the breaker opens at all.
    pub(super) const fn opens(&self) -> bool {
        self.opens_after_s.is_some()
    }
}

/// The outage at a visit right behind the edge, if there is one behind a breaker.
pub(super) fn forecast(
    chain: &Chain<'_>,
    flows: &[Flow],
    before: &[Flow],
) -> Option<(usize, OutagePrediction)> {
    let breaker = chain.policy().breaker?;
    let is_down =
        |place: &usize| chain.visits[*place].depth == 1 && super::breaker::is_down(&flows[*place]);
    let place = (0..flows.len()).find(is_down)?;
    let settings = *breaker.settings();
    let follow = Follow::new(chain, flows, before, place, settings);
    Some((place, follow.run(chain, place, &flows[place])))
}

/// One breaker in mean values, in seconds from the start of the phase.
struct Follow {
    settings: BreakerSettings,
    /// Whether the breaker learns of the failures.
    is_seen: bool,
    /// Calls per second.
    rate: f64,
    /// Attempts of a call, and the mean time from the start of one to that of the next.
    attempts: u32,
    gap: f64,
    /// How long an attempt takes to fail.
    fails_after: f64,
    /// Whether it counts as slow.
    is_slow: bool,
    /// How many breakers further down have seen the same outage. Each may keep the one
    /// above it open for another round: its probe is refused.
    deeper: u32,
    /// Good attempts per second before the phase, and for how long.
    good: f64,
    history: f64,
    length: f64,
}

impl Follow {
    fn new(
        chain: &Chain<'_>,
        flows: &[Flow],
        before: &[Flow],
        place: usize,
        settings: BreakerSettings,
    ) -> Self {
        let flow = &flows[place];
        let silent = unanswered(chain, flows, place) / flow.attempts;
        let fails_after = chain.limit(place).as_secs_f64() * silent;
        let is_seen = silent <= 0.0 || sight(chain, place, &settings) != Sight::Blind;
        let retries = if flow.retried > 0.0 {
            chain.retries(place)
        } else {
            0
        };
        let pauses = chain.longest_pauses(place) / 2.0 / f64::from(retries.max(1));
        let good = before.get(place).map_or(0.0, |flow| flow.ok_attempts);
        let depths = place..place + chain.visits[place].size;
        let down = depths.filter(|place| super::breaker::is_down(&flows[*place]));
        let deepest = down.map(|place| chain.visits[place].depth).max();
        let deeper = deepest.unwrap_or(1).saturating_sub(1);
        Self {
            settings,
            is_seen,
            deeper: u32::try_from(deeper).unwrap_or(u32::MAX),
            rate: chain.phase.load.rate * flow.calls,
            attempts: retries + 1,
            gap: fails_after + pauses,
            fails_after,
            is_slow: settings
                .slow_call
                .is_some_and(|slow| fails_after >= slow.as_secs_f64()),
            good: chain.phase.load.rate * good,
            history: chain.phase.start.as_secs_f64(),
            length: chain.phase.expected_duration().as_secs_f64(),
        }
    }

    fn run(&self, chain: &Chain<'_>, place: usize, flow: &Flow) -> OutagePrediction {
        let requests = chain.phase.expected_requests();
        let without = requests * flow.attempts;
        let opens = self.opens_after();
        let course = opens.map_or_else(
            || Course {
                reaching: without,
                admitted: self.rate * self.length,
                ..Course::default()
            },
            |after| self.after_opening(after),
        );
        OutagePrediction {
            caller: chain.visits[0].service.clone(),
            callee: chain.visits[place].service.clone(),
            opens_after_s: opens,
            reaching: course.reaching.min(without),
            reaching_without: without,
            refused: near(1.0 - course.admitted / (self.rate * self.length)),
            fails_after_s: self.fails_after,
            recovery_s: course.recovery.min(course.recovery_at_most),
            recovery_at_most_s: course.recovery_at_most,
        }
    }

    /// Attempts begun within so long, while nothing is refused.
    fn begun(&self, time: f64) -> f64 {
        let nth = |n: u32| (time - f64::from(n) * self.gap).max(0.0);
        (0..self.attempts).map(|n| self.rate * nth(n)).sum()
    }

    /// When the breaker has seen enough, if it does within the phase: the first step at
    /// which it has, and then by bisection since the step before.
    fn opens_after(&self) -> Option<f64> {
        const STEPS: u32 = 1_000;
        if !self.is_seen {
            return None;
        }
        let instant = |step: u32| self.length * f64::from(step) / f64::from(STEPS);
        let step = (1..=STEPS).find(|step| self.is_enough(instant(*step)))?;
        let (mut low, mut high) = (instant(step - 1), instant(step));
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.is_enough(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    fn is_enough(&self, time: f64) -> bool {
        let window = self.settings.window.as_secs_f64();
        let failed = self.begun(time - self.fails_after);
        let old = self.begun(time - self.fails_after - window);
        let good = self.good * (window - time).clamp(0.0, self.history);
        let share = (failed - old) / (failed - old + good);
        let many = failed - old + good >= f64::from(self.settings.min_calls);
        let reached = |rule: Option<f64>| many && rule.is_some_and(|rule| share >= rule);
        let in_a_row = self
            .settings
            .consecutive
            .is_some_and(|most| failed >= f64::from(most));
        in_a_row
            || reached(self.settings.failure_rate)
            || (self.is_slow && reached(self.settings.slow_rate))
    }

    /// What happens once the breaker has opened: it waits, probes, and opens again for longer.
    fn after_opening(&self, opens: f64) -> Course {
        let next_call = 1.0 / self.rate;
        let probes = f64::from(self.settings.probes).min(1.0 + self.rate * self.fails_after);
        let (mut now, mut doublings, mut tested) = (opens, 0, 0.0);
        loop {
            let probe = now + open_s(&self.settings, doublings) + next_call;
            if probe >= self.length {
                let longest = longest_open_s(&self.settings, doublings + 1);
                let round = self.fails_after + self.settings.max_open.as_secs_f64();
                return Course {
                    reaching: self.begun(opens) + tested,
                    admitted: self.rate * opens + tested,
                    recovery: probe - self.length,
                    recovery_at_most: self.fails_after
                        + longest
                        + LATE * next_call
                        + f64::from(self.deeper) * round,
                };
            }
            tested += probes;
            now = probe + self.fails_after;
            doublings += 1;
        }
    }
}

/// What comes of a phase: attempts that reach the callee, calls not refused, and how long the
/// breaker stays open afterwards, to be expected and at most.
#[derive(Debug, Default)]
struct Course {
    reaching: f64,
    admitted: f64,
    recovery: f64,
    recovery_at_most: f64,
}

/// The share of attempts that must be refused for `reaching` of them to be left of `calls`,
/// if each call makes at most 1 + `retries` that are all tried again: by bisection.
pub(super) fn refused(calls: f64, reaching: f64, retries: u32) -> Probability {
    let left = |refused: f64| {
        let admitted = 1.0 - refused;
        calls * admitted * (0..retries).fold(1.0, |sum, _| 1.0 + admitted * sum)
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if left(middle) > reaching {
            low = middle;
        } else {
            high = middle;
        }
    }
    near(f64::midpoint(low, high))
}
