//! How many requests are answered while replicas fail at once, in virtual time.

use super::*;
use crate::balance::{BalanceSettings, EjectSettings};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::{cmp::Reverse, collections::BinaryHeap};
use types::Cause;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
/// Requests before the outage: the balancer knows what answers of each replica take.
const BEFORE: u32 = 1_000;
const REQUESTS: u32 = 20_000;

/// A callee with replicas of one slot each: exponential times of work, first come, first
/// served, and Poisson arrivals.
#[derive(Debug, Clone, Copy)]
struct Callee {
    replicas: usize,
    /// How many of them are out of order.
    dead: usize,
    /// The share of its calls that a replica fails, at once, when it is out of order.
    failing: f64,
    /// The mean time of work.
    latency: Duration,
    /// Of each replica, if requests were spread evenly over all of them.
    utilisation: f64,
    /// How many requests a replica takes at once, before it refuses more.
    room: u32,
}

impl Callee {
    fn mean_gap(&self) -> Duration {
        self.latency
            .div_f64(self.utilisation * self.replicas as f64)
    }
}

/// Requests on their way to a callee.
struct Simulation {
    callee: Callee,
    board: Board,
    chance: StdRng,
    now: Duration,
    /// When each slot is free again.
    free: Vec<Duration>,
    /// The answers to come: when, which request, from which replica, sent when.
    answers: BinaryHeap<Reverse<(Duration, u32, usize, Duration)>>,
}

impl Simulation {
    fn new(callee: Callee, settings: BalanceSettings) -> Self {
        let states = (0..callee.replicas).map(|_| ReplicaState::new()).collect();
        Self {
            callee,
            board: Board::new(BalancePolicy::new(settings).unwrap(), states),
            chance: StdRng::seed_from_u64(7),
            now: SECOND,
            free: vec![Duration::ZERO; callee.replicas],
            answers: BinaryHeap::new(),
        }
    }

    /// The share of `requests` that is answered while the first `dead` replicas are out of order.
    fn answered(&mut self, requests: u32, dead: usize) -> f64 {
        let gap = self.callee.mean_gap();
        let answered = (0..requests).filter(|request| {
            let pause = self.exponential(gap);
            self.now += pause;
            self.end_until_now();
            self.send(*request, dead)
        });
        answered.count() as f64 / f64::from(requests)
    }

    fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.chance.random::<f64>()).ln())
    }

    /// Whether the request will be answered.
    fn send(&mut self, request: u32, dead: usize) -> bool {
        let draw = self.chance.random();
        let tried = Tried::default();
        let replica = self.board.choose(&tried, draw, self.now, |_| true).unwrap();
        self.board.began(replica);
        let is_full = self.board.replicas()[replica].in_flight() > self.callee.room;
        let fails = self.chance.random::<f64>() < self.callee.failing;
        if is_full || replica < dead && fails {
            let cause = if is_full { Cause::Shed } else { Cause::Reset };
            let failure = Outcome::Failure(cause);
            self.board.ended(replica, failure, Duration::ZERO, self.now);
            return false;
        }
        let end = self.free[replica].max(self.now) + self.exponential(self.callee.latency);
        self.free[replica] = end;
        self.answers
            .push(Reverse((end, request, replica, self.now)));
        true
    }

    fn end_until_now(&mut self) {
        while let Some(Reverse((end, _, replica, sent))) = self.answers.peek().copied() {
            if end > self.now {
                return;
            }
            self.answers.pop();
            self.board
                .ended(replica, Outcome::Success, end.saturating_sub(sent), end);
        }
    }
}

/// The share of requests that is answered in an outage.
fn answered(callee: Callee, pick: Pick, eject: Option<EjectSettings>) -> f64 {
    let settings = BalanceSettings {
        pick,
        eject,
        ..BalanceSettings::default()
    };
    let mut simulation = Simulation::new(callee, settings);
    simulation.answered(BEFORE, 0);
    simulation.answered(REQUESTS, callee.dead)
}

/// On every point of the grid, the less loaded of two answers at least as much as a random choice,
/// but for two percentage points.
fn is_never_worse_than_random(callees: impl Iterator<Item = Callee>, eject: Option<EjectSettings>) {
    for callee in callees {
        let random = answered(callee, Pick::Random, eject);
        let less_loaded = answered(callee, Pick::LessLoaded, eject);
        assert!(
            less_loaded >= random - 0.02,
            "{less_loaded}, at random {random}: {callee:?}"
        );
    }
}

/// Every callee of the grid, with this room.
fn grid(room: u32) -> impl Iterator<Item = Callee> {
    let latencies = [MS, 10 * MS, 100 * MS, 2 * SECOND];
    let sizes = (2..=5).flat_map(|replicas| (1..replicas).map(move |dead| (replicas, dead)));
    sizes.flat_map(move |(replicas, dead)| {
        latencies.into_iter().flat_map(move |latency| {
            [0.1, 0.5, 0.9].map(|utilisation| Callee {
                replicas,
                dead,
                latency,
                utilisation,
                failing: 1.0,
                room,
            })
        })
    })
}

#[test]
fn replicas_that_fail_at_once_get_no_more_calls_than_by_chance_whatever_healthy_ones_take() {
    is_never_worse_than_random(grid(u32::MAX), None);
}

#[test]
fn the_same_where_dead_replicas_are_ejected_as_well() {
    is_never_worse_than_random(grid(u32::MAX), Some(EjectSettings::default()));
}

#[test]
fn the_same_where_healthy_replicas_refuse_what_they_have_no_room_for() {
    is_never_worse_than_random(grid(10), None);
}

#[test]
fn replicas_that_fail_a_fifth_of_their_calls_at_once_get_no_more_than_by_chance() {
    // Larger callees cost much time and show nothing new.
    let small = grid(u32::MAX).filter(|callee| callee.replicas <= 3);
    let callees = small.map(|callee| Callee {
        failing: 0.2,
        ..callee
    });
    is_never_worse_than_random(callees, None);
}

/// The default, and the same with all but one replica ejected at most, and no panic.
fn caps() -> [BalanceSettings; 2] {
    let default = BalanceSettings::default();
    let eject = default.eject.map(|eject| EjectSettings {
        max_share: 0.99,
        ..eject
    });
    let wide = BalanceSettings {
        eject,
        panic_below: 0.0,
        ..default
    };
    [default, wide]
}

/// Replicas that take 10 ms, and have room for ten requests each.
fn small(replicas: usize, utilisation: f64) -> Callee {
    Callee {
        replicas,
        dead: replicas - 1,
        failing: 1.0,
        latency: 10 * MS,
        utilisation,
        room: 10,
    }
}

#[test]
fn a_second_dead_replica_of_three_that_the_default_leaves_in_costs_no_answers() {
    for utilisation in [0.1, 0.3, 0.5, 0.9] {
        let [default, wide] = caps().map(|settings| {
            let callee = small(3, utilisation);
            let mut simulation = Simulation::new(callee, settings);
            simulation.answered(BEFORE, 0);
            simulation.answered(REQUESTS, callee.dead)
        });
        assert!(
            default >= wide - 0.02,
            "{utilisation}: {default}, all but one ejected {wide}"
        );
        // The third of the capacity that is left bears three times its utilisation.
        let possible = (1.0 / (3.0 * utilisation)).min(1.0);
        assert!(default >= 0.9 * possible, "{utilisation}: {default}");
    }
}

#[test]
fn after_a_failure_of_all_replicas_the_default_leaves_enough_of_them_in() {
    let [default, wide] = caps().map(|settings| {
        let callee = small(5, 0.5);
        let mut simulation = Simulation::new(callee, settings);
        simulation.answered(BEFORE, 0);
        // Half a minute of each.
        simulation.answered(7_500, callee.replicas);
        simulation.answered(7_500, 0)
    });
    assert!(default >= 0.98, "{default}");
    assert!(wide < 0.5, "{wide}");
}
