//! The same breaker, as plainly as it can be written: lists, exact times, no concurrency.

use resilience::circuit_breaker::{BreakerSettings, Outcome, State, Transition, Why};
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
struct Ended {
    at: Duration,
    failed: bool,
    slow: bool,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Forced,
    Open {
        until: Duration,
        round: u32,
    },
    HalfOpen {
        live: u32,
        ok: u32,
        lease_ends: Duration,
        round: u32,
    },
}

#[derive(Debug)]
pub struct Model {
    settings: BreakerSettings,
    generation: u32,
    phase: Phase,
    log: Vec<Ended>,
    in_a_row: u32,
    last_success: Duration,
    pub transitions: Vec<Transition>,
}

#[derive(Debug, Clone, Copy)]
pub struct Permit {
    pub generation: u32,
    started: Duration,
}

impl Model {
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            generation: 0,
            phase: Phase::Closed,
            log: Vec::new(),
            in_a_row: 0,
            last_success: Duration::ZERO,
            transitions: Vec::new(),
        }
    }

    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Forced | Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    pub fn try_acquire(&mut self, now: Duration) -> Option<Permit> {
        let most = self.settings.probes;
        match self.phase {
            Phase::Closed => {}
            Phase::Open { until, round } if now >= until => {
                let probing = self.probing(now, 1, 0, round);
                self.go(probing, Why::OpenTimeOver);
            }
            Phase::HalfOpen {
                live,
                lease_ends,
                round,
                ..
            } if live > 0 && now >= lease_ends => {
                self.open(lease_ends, round + 1, Why::ProbeLost);
                return self.try_acquire(now);
            }
            Phase::HalfOpen {
                live, ok, round, ..
            } if live + ok < most => {
                self.phase = self.probing(now, live + 1, ok, round);
            }
            Phase::Forced | Phase::Open { .. } | Phase::HalfOpen { .. } => return None,
        }
        Some(Permit {
            generation: self.generation,
            started: now,
        })
    }

    pub fn complete(&mut self, permit: Permit, outcome: Outcome, now: Duration) {
        if permit.generation != self.generation {
            return;
        }
        let age = now - permit.started;
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure(_) => true,
            Outcome::Cancelled if age >= self.settings.cancelled_after => true,
            Outcome::Cancelled | Outcome::Ignored => {
                if let Phase::HalfOpen { live, .. } = &mut self.phase {
                    *live -= 1;
                }
                return;
            }
        };
        let slow = self.settings.slow_call.is_some_and(|slow| age >= slow);
        match self.phase {
            Phase::Closed => self.end_call(permit, failed, slow, now),
            Phase::HalfOpen { .. } => self.end_probe(failed, slow, now),
            _ => unreachable!("admits nothing"),
        }
    }

    pub fn force(&mut self, open: bool) {
        let phase = if open { Phase::Forced } else { Phase::Closed };
        self.go(phase, Why::Forced);
    }

    fn end_call(&mut self, permit: Permit, failed: bool, slow: bool, now: Duration) {
        let at = now;
        self.log.push(Ended { at, failed, slow });
        if !failed {
            self.in_a_row = 0;
            self.last_success = now;
        } else if permit.started >= self.last_success {
            self.in_a_row += 1;
            if Some(self.in_a_row) == self.settings.consecutive {
                return self.open(now, 0, Why::Consecutive);
            }
        }
        if failed || slow {
            self.look_at_shares(now);
        }
    }

    fn look_at_shares(&mut self, now: Duration) {
        // The window moves on in tenths.
        let tenth = |at: Duration| at.as_nanos() / (self.settings.window.as_nanos() / 10);
        let counts = |it: &&Ended| tenth(it.at) + 10 > tenth(now);
        let seen: Vec<Ended> = self.log.iter().filter(counts).copied().collect();
        if seen.len() < self.settings.min_calls as usize {
            return;
        }
        let share = |which: fn(&Ended) -> bool| seen.iter().filter(|it| which(it)).count() as f64;
        let reached = |part: f64, rate: Option<f64>| {
            rate.is_some_and(|rate| part >= rate * seen.len() as f64)
        };
        if reached(share(|it| it.failed), self.settings.failure_rate) {
            self.open(now, 0, Why::FailureRate);
        } else if reached(share(|it| it.slow), self.settings.slow_rate) {
            self.open(now, 0, Why::SlowRate);
        }
    }

    fn end_probe(&mut self, failed: bool, slow: bool, now: Duration) {
        let Phase::HalfOpen {
            live, ok, round, ..
        } = &mut self.phase
        else {
            return;
        };
        *live -= 1;
        let round = *round;
        if failed {
            self.open(now, round + 1, Why::ProbeFailed);
        } else if slow {
            self.open(now, round + 1, Why::ProbeSlow);
        } else {
            *ok += 1;
            if *ok == self.settings.probes {
                self.go(Phase::Closed, Why::ProbesSucceeded);
            }
        }
    }

    fn probing(&self, now: Duration, live: u32, ok: u32, round: u32) -> Phase {
        Phase::HalfOpen {
            live,
            ok,
            lease_ends: now + self.settings.lease,
            round,
        }
    }

    fn open(&mut self, from: Duration, round: u32, why: Why) {
        let doubled = self.settings.open * 2_u32.pow(round.min(15));
        let until = from + doubled.min(self.settings.max_open);
        self.go(Phase::Open { until, round }, why);
    }

    fn go(&mut self, phase: Phase, why: Why) {
        let from = self.state();
        self.phase = phase;
        self.generation += 1;
        self.log.clear();
        self.in_a_row = 0;
        self.last_success = Duration::ZERO;
        self.transitions.push(Transition {
            from,
            to: self.state(),
            generation: self.generation,
            why,
        });
    }
}
