//! Random sequences of events.

use crate::{MS, model::Model, policy};
use proptest::{collection::vec, option, prelude::*};
use resilience::circuit_breaker::{Breaker, BreakerSettings, Outcome, Permit, State, Transition};
use std::time::Duration;
use types::Cause;

#[derive(Debug, Clone, Copy)]
pub enum Event {
    Call,
    /// One of the calls under way ends.
    End(usize, Outcome),
    /// One of them is never heard of again.
    Lose(usize),
    Pass(Duration),
    ForceOpen,
    ForceClose,
}

pub fn events() -> impl Strategy<Value = Vec<Event>> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Success),
        4 => Just(Outcome::Failure(Cause::Error)),
        1 => Just(Outcome::Ignored),
        2 => Just(Outcome::Cancelled),
    ];
    let time = prop_oneof![
        4 => (1..40_u32).prop_map(|ms| ms * MS),
        2 => (40..2000_u32).prop_map(|ms| ms * MS),
        1 => Just(Duration::from_hours(24)),
    ];
    let event = prop_oneof![
        12 => Just(Event::Call),
        12 => (0..8_usize, outcome).prop_map(|(which, outcome)| Event::End(which, outcome)),
        1 => (0..8_usize).prop_map(Event::Lose),
        6 => time.prop_map(Event::Pass),
    ];
    let event = prop_oneof![
        60 => event,
        1 => Just(Event::ForceOpen),
        2 => Just(Event::ForceClose),
    ];
    vec(event, 1..200)
}

/// Small numbers, so that every boundary is met often. No jitter: the model has none.
pub fn settings() -> impl Strategy<Value = BreakerSettings> {
    let rate = || option::of(prop_oneof![Just(0.1), Just(0.5), Just(1.0)]);
    let time = |most: u32| (1..most).prop_map(|ms| ms * MS);
    let rules = (rate(), rate(), time(60), option::of(1..5_u32));
    let window = ((1..100_u32).prop_map(|tenth| tenth * 10 * MS), 1..6_u32);
    let times = (time(300), 0..4_u32, 1..4_u32, time(300), time(60));
    (rules, window, times).prop_map(|(rules, (window, min_calls), times)| {
        let (failure_rate, slow_rate, slow_call, consecutive) = rules;
        let (open, growth, probes, lease, cancelled_after) = times;
        let max_open = open * 3_u32.pow(growth);
        BreakerSettings {
            failure_rate,
            slow_rate,
            slow_call: slow_rate.map(|_| slow_call),
            consecutive,
            window,
            min_calls,
            open,
            max_open,
            jitter: 0.0,
            probes,
            lease,
            cancelled_after,
        }
    })
}

/// Where the time begins: at the start, and where the times packed into the state begin anew.
pub fn beginning() -> impl Strategy<Value = Duration> {
    let turn = (1_u32 << 28) * MS;
    prop_oneof![
        Just(Duration::ZERO),
        (1..3000_u32).prop_map(move |before| turn - before * MS),
        (1..3000_u32).prop_map(move |before| 5 * turn - before * MS),
    ]
}

/// A breaker, its model beside it, and the calls under way.
pub struct Run {
    pub breaker: Breaker,
    pub model: Model,
    pub settings: BreakerSettings,
    pub now: Duration,
    pub live: Vec<(Permit, crate::model::Permit)>,
    pub transitions: Vec<Transition>,
    /// Whether completions of earlier generations are left out.
    pub without_stale: bool,
}

impl Run {
    pub fn new(settings: BreakerSettings, now: Duration) -> Self {
        let policy = policy(settings);
        Self {
            breaker: Breaker::new(policy, 7),
            model: Model::new(*policy.settings()),
            settings: *policy.settings(),
            now,
            live: Vec::new(),
            transitions: Vec::new(),
            without_stale: false,
        }
    }

    /// Lets `event` happen to both; whether a call was admitted, if it is one.
    pub fn step(&mut self, event: Event) -> Option<bool> {
        let on = |transition: &Transition| self.transitions.push(*transition);
        match event {
            Event::Call => return Some(self.call()),
            Event::Pass(time) => self.now += time,
            Event::End(which, outcome) => {
                if let Some((permit, of_model)) = take(&mut self.live, which)
                    && !(self.without_stale && of_model.generation != self.model.generation())
                {
                    self.breaker.complete(permit, outcome, self.now, on);
                    self.model.complete(of_model, outcome, self.now);
                }
            }
            Event::Lose(which) => drop(take(&mut self.live, which)),
            Event::ForceOpen => {
                self.breaker.force_open(on);
                self.model.force(true);
            }
            Event::ForceClose => {
                self.breaker.force_close(on);
                self.model.force(false);
            }
        }
        None
    }

    fn call(&mut self) -> bool {
        let on = |transition: &Transition| self.transitions.push(*transition);
        let expected = self.breaker.state_at(self.now);
        // Looking may do what is due, which the call would have done.
        let foretold = self.breaker.would_admit(self.now, on);
        let on = |transition: &Transition| self.transitions.push(*transition);
        let permit = self.breaker.try_acquire(self.now, on);
        let of_model = self.model.try_acquire(self.now);
        assert_eq!(permit.is_ok(), of_model.is_some(), "at {:?}", self.now);
        assert_eq!(permit.is_ok(), foretold, "would_admit at {:?}", self.now);
        assert_eq!(expected, self.model.state(), "state_at {:?}", self.now);
        let admitted = permit.is_ok();
        self.live.extend(permit.ok().zip(of_model));
        admitted
    }

    /// How many probes of this generation are under way.
    pub fn probes(&self) -> usize {
        let generation = self.model.generation();
        let probes = self.live.iter().filter(|(permit, of_model)| {
            permit.state() == State::HalfOpen && of_model.generation == generation
        });
        probes.count()
    }
}

fn take<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(which % from.len()))
}
