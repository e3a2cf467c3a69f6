//! What happened when: the stretches of a run that are looked at by themselves.

use faults::{Fault, When, Window};
use report::results::{Scheduled, Timeline};
use scenario::{Name, Plan, PlannedFault};
use std::{
    ops::Range,
    time::{Duration, SystemTime},
};
use traces::Analysis;

/// A run is cut into slices of a length that people use, so that there are at most so many.
const MOST_SLICES: f64 = 60.0;
/// Lengths of slices, in seconds.
const LENGTHS: [f64; 9] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// The phases of `plan`, which began at `switches`, and then the slices of the whole run.
pub(crate) fn stretches(plan: &Plan, switches: &[SystemTime], load_s: f64) -> Vec<Range<u64>> {
    let begins: Vec<_> = switches.iter().copied().map(nanos).collect();
    let begin = begins.first().copied().unwrap_or_default();
    let last = plan.phases().last().and_then(scenario::Phase::end);
    let seconds = last.map_or(load_s, |end| end.as_secs_f64());
    let end = begin.saturating_add(whole_nanos(seconds));
    let ends = begins.iter().skip(1).copied().chain([end]);
    let mut all: Vec<_> = begins
        .iter()
        .copied()
        .zip(ends)
        .map(|(a, b)| a..b)
        .collect();
    all.extend(slices(begin, seconds));
    all
}

/// Puts the stretches that were counted in `analysis` where they belong.
pub(crate) fn of(analysis: &mut Analysis, switches: &[SystemTime]) -> Timeline {
    let mut phases = std::mem::take(&mut analysis.stretches);
    let slices = phases.split_off(switches.len().min(phases.len()));
    Timeline {
        begin: phases.first().map_or(0, |phase| phase.start),
        phases,
        slices,
        transitions: std::mem::take(&mut analysis.transitions),
    }
}

/// When the faults of `plan` struck that come and go, of all services and of each phase that
/// has them, in a run of so many seconds.
pub(crate) fn schedule(plan: &Plan, load_s: f64) -> Vec<Scheduled> {
    let run = Duration::try_from_secs_f64(load_s).unwrap_or_default();
    let mut all = Vec::new();
    for phase in plan.phases() {
        let end = phase.end().unwrap_or(run).min(run);
        let comes_and_goes = |planned: &&PlannedFault| planned.fault.when != When::Always;
        for PlannedFault { fault, on } in phase.faults.iter().filter(comes_and_goes) {
            for service in on {
                let windows = faults::schedule(plan.seed(), service, &replica(service), fault);
                let clipped = |window: Window| {
                    let (from, to) = (window.at.max(phase.start), window.end().min(end));
                    (from < to).then_some((from.as_secs_f64(), to.as_secs_f64()))
                };
                add(
                    &mut all,
                    service,
                    fault,
                    windows.within(end).filter_map(clipped),
                );
            }
        }
    }
    all
}

/// More outages of a fault than these are only counted: nobody reads them.
const KEPT: usize = 10_000;

/// A fault of several phases is one fault.
fn add(
    all: &mut Vec<Scheduled>,
    service: &Name,
    fault: &Fault,
    windows: impl Iterator<Item = (f64, f64)>,
) {
    let known = |known: &Scheduled| known.service == *service && *known.fault == *fault.id;
    let place = all.iter().position(known).unwrap_or_else(|| {
        all.push(Scheduled {
            service: service.clone(),
            fault: fault.id.to_string(),
            outages: 0,
            windows_s: Vec::new(),
        });
        all.len() - 1
    });
    let scheduled = &mut all[place];
    for window in windows {
        scheduled.outages += 1;
        if scheduled.windows_s.len() < KEPT {
            scheduled.windows_s.push(window);
        }
    }
}

/// The name of the one replica of a service.
fn replica(service: &str) -> String {
    format!("{service}-0")
}

fn slices(begin: u64, seconds: f64) -> Vec<Range<u64>> {
    let fits = |length: &&f64| seconds / **length <= MOST_SLICES;
    let length = LENGTHS
        .iter()
        .find(fits)
        .copied()
        .unwrap_or(seconds / MOST_SLICES);
    let (length, end) = (whole_nanos(length).max(1), begin + whole_nanos(seconds));
    let mut slices = Vec::new();
    let mut start = begin;
    while start < end {
        slices.push(start..start + length);
        start += length;
    }
    slices
}

fn nanos(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn whole_nanos(seconds: f64) -> u64 {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_into_slices_of_a_length_that_people_use() {
        for (seconds, length, count) in [
            (6.0, 0.1, 60),
            (12.0, 0.2, 60),
            (13.3, 0.5, 27),
            (3600.0, 60.0, 60),
        ] {
            let slices = slices(5, seconds);
            assert_eq!(slices.len(), count, "{seconds}");
            assert_eq!(slices[0], 5..5 + whole_nanos(length));
            assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
        assert_eq!(slices(0, 86_400.0).len(), 60);
        assert!(slices(0, 0.0).is_empty());
    }
}
