//! The measuring: rounds of everything in turn, so that a disturbance hits all alike.

use rustix::{
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// Something to measure. The floor comes first in its group.
pub struct Subject {
    pub group: &'static str,
    pub name: &'static str,
    pub call: Box<dyn FnMut()>,
}

/// What one call costs: the median, in microseconds on the processor.
#[derive(Debug)]
pub struct Cost {
    pub group: &'static str,
    pub name: &'static str,
    pub us: f64,
}

/// What a round of one subject should take, in nanoseconds.
const ROUND: f64 = 2e7;

/// Measures all of them.
pub fn measure(mut subjects: Vec<Subject>, quick: bool) -> Vec<Cost> {
    pin();
    let (rounds, time) = if quick { (1, 1e5) } else { (25, ROUND) };
    let calls: Vec<u64> = subjects.iter_mut().map(|it| fill(it, time)).collect();
    let mut samples = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for ((subject, calls), samples) in subjects.iter_mut().zip(&calls).zip(&mut samples) {
            samples.push(run(subject, *calls));
        }
    }
    let cost = |(subject, samples): (Subject, Vec<f64>)| Cost {
        group: subject.group,
        name: subject.name,
        us: median(samples) / 1000.0,
    };
    subjects.into_iter().zip(samples).map(cost).collect()
}

/// How many calls fill `time`. The first calls warm the subject up.
fn fill(subject: &mut Subject, time: f64) -> u64 {
    let mut calls = 1;
    loop {
        let one = run(subject, calls);
        if one * calls as f64 >= time {
            return calls;
        }
        calls *= 2;
    }
}

/// Nanoseconds on the processor, per call.
fn run(subject: &mut Subject, calls: u64) -> f64 {
    let begun = now();
    for _ in 0..calls {
        (subject.call)();
    }
    (now() - begun) / calls as f64
}

fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// On one processor, whose caches stay warm. Where that can't be, it is left alone.
fn pin() {
    let mut one = CpuSet::new();
    one.set(0);
    let _ = sched_setaffinity(None, &one);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
