//! The measuring: rounds of everything in turn, so that a disturbance hits all alike.

use crate::allocations;
use rustix::{
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use std::{sync::Barrier, thread};

/// Makes so many calls.
pub type Calls = Box<dyn FnMut(u64) + Send>;

/// Something to measure.
pub struct Subject {
    pub group: &'static str,
    pub name: &'static str,
    /// Who calls: one for each thread.
    pub start: Box<dyn Fn(usize) -> Vec<Calls>>,
}

/// How long to measure.
#[derive(Debug)]
pub struct Size {
    rounds: usize,
    /// Calls of each thread and round, at least.
    calls: u64,
    /// What a round of one subject should take, in nanoseconds.
    time: f64,
}

impl Size {
    /// Short or long.
    pub const fn new(quick: bool) -> Self {
        let (rounds, calls, time) = if quick {
            (1, 1000, 1e5)
        } else {
            (25, 10_000, 2e7)
        };
        Self {
            rounds,
            calls,
            time,
        }
    }
}

/// How many threads are tried.
pub const THREADS: [usize; 2] = [1, 2];

/// What one subject costs: medians, on one thread and on two.
#[derive(Debug)]
pub struct Cost {
    pub group: &'static str,
    pub name: &'static str,
    /// From the first call of any thread to the last, per call of each.
    pub wall: [f64; 2],
    /// On the processor, per call.
    pub cpu: [f64; 2],
    /// Per call, on one thread.
    pub allocations: f64,
}

/// Measures all of them.
pub fn measure(subjects: &[Subject], size: &Size) -> Vec<Cost> {
    let mut running: Vec<Running> = subjects.iter().map(|it| Running::new(it, size)).collect();
    for round in 0..size.rounds {
        eprint!("\rround {} of {}", round + 1, size.rounds);
        running.iter_mut().for_each(Running::round);
    }
    eprintln!();
    running.into_iter().map(Running::cost).collect()
}

struct Running<'a> {
    subject: &'a Subject,
    /// For each number of threads: who calls, how often, and what was measured.
    tries: [Try; 2],
    allocations: f64,
}

struct Try {
    threads: Vec<Calls>,
    calls: u64,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    wall: f64,
    cpu: f64,
}

impl<'a> Running<'a> {
    fn new(subject: &'a Subject, size: &Size) -> Self {
        let tries = THREADS.map(|threads| Try::new((subject.start)(threads), size));
        let mut it = Self {
            subject,
            tries,
            allocations: 0.0,
        };
        it.allocations = it.tries[0].allocations();
        it
    }

    fn round(&mut self) {
        self.tries.iter_mut().for_each(Try::round);
    }

    fn cost(self) -> Cost {
        let medians = |part: fn(&Sample) -> f64| {
            let of = |tried: &Try| median(tried.samples.iter().map(part).collect());
            [of(&self.tries[0]), of(&self.tries[1])]
        };
        Cost {
            group: self.subject.group,
            name: self.subject.name,
            wall: medians(|sample| sample.wall),
            cpu: medians(|sample| sample.cpu),
            allocations: self.allocations,
        }
    }
}

impl Try {
    /// Finds out how many calls fill a round.
    fn new(mut threads: Vec<Calls>, size: &Size) -> Self {
        let first = run(&mut threads, size.calls);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float saturates"
        )]
        let fill = (size.time / first.wall.max(0.1)) as u64;
        Self {
            threads,
            calls: fill.max(size.calls),
            samples: Vec::new(),
        }
    }

    fn round(&mut self) {
        let sample = run(&mut self.threads, self.calls);
        self.samples.push(sample);
    }

    fn allocations(&mut self) -> f64 {
        const CALLS: u64 = 1000;
        let before = allocations::count();
        (self.threads[0])(CALLS);
        (allocations::count() - before) as f64 / CALLS as f64
    }
}

/// So many calls by each thread at once; what one call costs.
fn run(threads: &mut [Calls], calls: u64) -> Sample {
    let barrier = Barrier::new(threads.len());
    let barrier = &barrier;
    let times: Vec<Times> = thread::scope(|scope| {
        let running: Vec<_> = threads
            .iter_mut()
            .enumerate()
            .map(|(number, thread)| {
                scope.spawn(move || {
                    pin_to(number);
                    timed(barrier, || thread(calls))
                })
            })
            .collect();
        let joined = running.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|times| times.expect("no panic")).collect()
    });
    let count = calls as f64;
    let begun = times.iter().map(|it| it.begun).fold(f64::MAX, f64::min);
    let ended = times.iter().map(|it| it.ended).fold(0.0, f64::max);
    let cpu: f64 = times.iter().map(|it| it.cpu).sum();
    Sample {
        wall: (ended - begun) / count,
        cpu: cpu / count / times.len() as f64,
    }
}

/// Each thread on a processor of its own: left alone, they may take turns on one. Where that
/// can't be, they are left alone.
fn pin_to(processor: usize) {
    let mut one = CpuSet::new();
    one.set(processor);
    let _ = sched_setaffinity(None, &one);
}

struct Times {
    begun: f64,
    ended: f64,
    cpu: f64,
}

fn timed(barrier: &Barrier, work: impl FnOnce()) -> Times {
    barrier.wait();
    let (begun, cpu) = (read(ClockId::Monotonic), read(ClockId::ThreadCPUTime));
    work();
    Times {
        cpu: read(ClockId::ThreadCPUTime) - cpu,
        begun,
        ended: read(ClockId::Monotonic),
    }
}

/// Nanoseconds.
fn read(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
