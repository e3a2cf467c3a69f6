//! What happened when: the stretches of a run that are looked at by themselves.

use faults::{Fault, When, Window};
use report::results::{Scheduled, Timeline};
use scenario::{Name, Plan, PlannedFault};
use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, SystemTime},
};
use traces::{Analysis, ReplicaChange, analysis::Transition};

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

/// When the first phase began, in nanoseconds since 1970.
pub(crate) fn begin(switches: &[SystemTime]) -> u64 {
    switches.first().copied().map(nanos).unwrap_or_default()
}

/// Puts the stretches that were counted in `analysis` where they belong.
pub(crate) fn of(
    analysis: &mut Analysis,
    switches: &[SystemTime],
    replicas: Vec<ReplicaChange>,
) -> Timeline {
    let mut phases = std::mem::take(&mut analysis.stretches);
    let slices = phases.split_off(switches.len().min(phases.len()));
    Timeline {
        begin: phases.first().map_or(0, |phase| phase.start),
        phases,
        slices,
        transitions: std::mem::take(&mut analysis.transitions),
        replicas,
    }
}

/// Calls replicas by their names, which services know only by their `addresses`; where these are
/// not known, by their service and where they are. The only replica of a service has its name.
pub(crate) fn name_replicas(
    plan: &Plan,
    (transitions, changes): (&mut [Transition], &mut [ReplicaChange]),
    addresses: &BTreeMap<String, String>,
) {
    for change in changes {
        if let Some(name) = addresses.get(&*change.replica) {
            change.replica = name.as_str().into();
        }
    }
    for change in transitions {
        let callee = &change.callee;
        let known = |at: String| {
            let name = addresses.get(&at).cloned();
            name.unwrap_or_else(|| format!("{callee} at {at}"))
        };
        let replica = change.replica.take().filter(|_| has_several(plan, callee));
        change.replica = replica.map(known);
        if !has_several(plan, &change.caller) {
            change.caller_replica = None;
        }
    }
}

/// Whether there are several replicas of `service`, or may be at some time.
fn has_several(plan: &Plan, service: &str) -> bool {
    let is_scaled = plan.scale().is_some_and(|scale| *scale.service == *service);
    is_scaled || plan.topology().replicas(service) > 1
}

/// When the faults of `plan` struck that come and go, of all services and of each phase that
/// has them, in a run of so many seconds.
pub(crate) fn schedule(plan: &Plan, load_s: f64) -> Vec<Scheduled> {
    let run = Duration::try_from_secs_f64(load_s).unwrap_or_default();
    let mut all = Vec::new();
    for phase in plan.phases() {
        let end = phase.end().unwrap_or(run).min(run);
        let comes_and_goes = |planned: &&PlannedFault| planned.fault.when != When::Always;
        for planned in phase.faults.iter().filter(comes_and_goes) {
            for (service, number, replica) in struck(plan, planned) {
                let fault = &planned.fault;
                let windows = faults::schedule(plan.seed(), &service, &replica, fault);
                let clipped = |window: Window| {
                    let (from, to) = (window.at.max(phase.start), window.end().min(end));
                    (from < to).then_some((from.as_secs_f64(), to.as_secs_f64()))
                };
                let several = plan.topology().replicas(&service) > 1;
                let replica = several.then_some(number);
                let windows = windows.within(end).filter_map(clipped);
                add(&mut all, (&service, replica), fault, windows);
            }
        }
    }
    all
}

/// The replicas that a fault strikes: service, number and name of each.
fn struck(plan: &Plan, planned: &PlannedFault) -> Vec<(Name, u32, Name)> {
    let replicas = |service: Name| {
        let names = plan.replica_names(&service);
        let numbered = (0..).zip(names);
        numbered.map(move |(number, name)| (service.clone(), number, name))
    };
    let all = plan.services().into_iter().flat_map(replicas);
    all.filter(|(service, number, _)| planned.strikes(service, *number))
        .collect()
}

/// More outages of a fault than these are only counted: nobody reads them.
const KEPT: usize = 10_000;

/// A fault of several phases is one fault.
fn add(
    all: &mut Vec<Scheduled>,
    (service, replica): (&Name, Option<u32>),
    fault: &Fault,
    windows: impl Iterator<Item = (f64, f64)>,
) {
    let known = |known: &Scheduled| {
        (&known.service, known.replica, &*known.fault) == (service, replica, &*fault.id)
    };
    let place = all.iter().position(known).unwrap_or_else(|| {
        all.push(Scheduled {
            service: service.clone(),
            replica,
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
    use types::BreakerState;

    /// What a breaker of `front-1` for the replica of `back` at an address is called.
    fn breaker(services: &str, addresses: &[(&str, &str)]) -> (String, String) {
        let head = "title = \"t\"\n[load]\nrate = 1\nrequests = 1\n";
        let plan = scenario::parse("t", &format!("{head}{services}")).unwrap();
        let mut transitions = [Transition {
            at: 0,
            caller: "front".to_owned(),
            caller_replica: Some("front-1".to_owned()),
            callee: "back".to_owned(),
            replica: Some("127.0.0.1:1".to_owned()),
            from: BreakerState::Closed,
            to: BreakerState::Open,
        }];
        let known = addresses.iter();
        let known = known.map(|(at, name)| ((*at).to_owned(), (*name).to_owned()));
        name_replicas(&plan, (&mut transitions, &mut []), &known.collect());
        let (from, to) = transitions[0].breaker();
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_replica_keeps_its_name_or_its_address_and_an_only_one_has_its_services_name() {
        let one = "[service.front]\ncalls = [\"back\"]\n[service.back]\n";
        let several = "[service.front]\ncalls = [\"back\"]\nreplicas = 2\n\
                       [service.back]\nreplicas = 2\n";
        let names = [("127.0.0.1:1", "back-1")];
        let called = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(breaker(one, &[]), called("front", "back"));
        assert_eq!(breaker(one, &names), called("front", "back"));
        assert_eq!(breaker(several, &names), called("front-1", "back-1"));
        let at = "back at 127.0.0.1:1";
        assert_eq!(breaker(several, &[]), called("front-1", at));
    }

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
