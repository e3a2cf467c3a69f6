//! How soon heartbeats noticed that a replica was down, beside what they promise.

use crate::{
    results::{RunResult, Scheduled, Timeline},
    words::{counted, millis, often},
};
use availability::{Confidence, failover::Detection};
use resilience::balance::{CheckSettings, Pick};
use scenario::Plan;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use traces::{News, ReplicaChange};
use types::Probability;

/// What the heartbeats of a run came to: one line, or two where one replica serves and others
/// stand by; none if nobody was asked.
pub(crate) fn lines(plan: &Plan, run: &RunResult) -> Vec<(&'static str, String)> {
    let balance = plan.phases().first().map(|phase| phase.policy.balancing());
    let Some((balance, check)) = balance.and_then(|it| Some((it, it.check?))) else {
        return Vec::new();
    };
    if run.deployed.is_some() {
        return vec![("heartbeats", NOT_SEEN.to_owned())];
    }
    let seen = run.timeline.replicas.iter();
    let failovers = seen.filter(|change| change.news == News::Active).count();
    let failover = (balance.pick == Pick::First).then(|| {
        let times = often(failovers as u64);
        let takeover = plan.services().iter().find_map(|name| {
            let relay = plan.topology().relay(name)?;
            relay.takeover
        });
        let takeover = millis(takeover.unwrap_or_default().as_secs_f64() * 1e3);
        format!("{times} another replica took over, and needed {takeover} for it")
    });
    let noticed = (
        "heartbeats",
        noticed(&check, &delays(&run.timeline, &run.schedule, &check)),
    );
    let failover = failover.map(|line| ("failover", line));
    [noticed].into_iter().chain(failover).collect()
}

/// Spans of a deployed chain are asked for by request, and those of heartbeats belong to none.
const NOT_SEEN: &str = "not seen: spans of a deployed chain are fetched by request, and \
                        heartbeats belong to none";

/// Delays and what they should have been; outages whose failures are told at once need no
/// time-out to be noticed.
fn noticed(check: &CheckSettings, delays: &Delays) -> String {
    let detection = Detection::new(check.every, check.misses, Duration::ZERO);
    let ms = |time: Duration| millis(time.as_secs_f64() * 1e3);
    let promised = format!(
        "{} to {}, {} on average, and up to {} more where nobody answers",
        ms(detection.least()),
        ms(detection.most()),
        ms(detection.mean()),
        ms(check.timeout)
    );
    let alarm = Probability::new(0.01).ok();
    let alarm = alarm.and_then(|lost| detection.heartbeats_to_false_alarm(lost));
    let alarm = alarm.map_or_else(String::new, |beats| {
        format!("; if one in a hundred is lost, a false alarm in {beats:.0} of them")
    });
    format!("{} (predicted: {promised}{alarm})", delays.told())
}

/// How long after the begin of an outage a caller noticed it.
#[derive(Debug, Default)]
struct Delays {
    /// Outages that were noticed by anybody.
    outages: u64,
    /// Those who noticed any. Each sends heartbeats of its own.
    callers: u64,
    /// One for each outage and each caller that noticed it, in seconds.
    seconds: Vec<f64>,
}

impl Delays {
    fn told(&self) -> String {
        if self.seconds.is_empty() {
            return "no outage was noticed".to_owned();
        }
        let each = self.seconds.iter().copied();
        let (least, most) = (
            each.clone().fold(f64::MAX, f64::min),
            each.fold(0.0, f64::max),
        );
        let by = match self.callers {
            1 => String::new(),
            callers => format!(" by {callers} callers"),
        };
        format!(
            "{} noticed{by} after {} to {}{}",
            counted(self.outages, "outage"),
            millis(least * 1e3),
            millis(most * 1e3),
            self.on_average().unwrap_or_default()
        )
    }

    /// The mean and its 99 % interval; of a few there is none that could be trusted.
    fn on_average(&self) -> Option<String> {
        let number = self.seconds.len() as f64;
        if number < ENOUGH {
            return None;
        }
        let mean = self.seconds.iter().sum::<f64>() / number;
        let squares = self.seconds.iter().map(|it| (it - mean).powi(2));
        let deviation = (squares.sum::<f64>() / (number - 1.0)).sqrt();
        let half = Confidence::P99.two_sided_z() * deviation / number.sqrt();
        let [mean, low, high] = [mean, mean - half, mean + half].map(|it| millis(it * 1e3));
        Some(format!(", {mean} on average ({low} to {high}, 99 %)"))
    }
}

/// The mean of so many delays is as good as normal.
const ENOUGH: f64 = 30.0;

/// For each outage, and for each caller that noticed it: how long after its begin.
fn delays(timeline: &Timeline, schedule: &[Scheduled], check: &CheckSettings) -> Delays {
    // An answer that is waited for may be given up a little after the end.
    let grace = check.every.saturating_add(check.timeout).as_secs_f64();
    let downs = timeline.replicas.iter();
    let downs = downs.filter(|change| change.news == News::Down);
    let mut noticed: BTreeMap<(&str, u64, &str), f64> = BTreeMap::new();
    for change in downs {
        let at = timeline.seconds(change.at);
        if let Some(from) = outage(schedule, change, at, grace) {
            let known = noticed.entry((&change.replica, from.to_bits(), &change.caller));
            known.or_insert(at - from);
        }
    }
    let outages: BTreeSet<_> = noticed.keys().map(|(at, from, _)| (at, from)).collect();
    let callers: BTreeSet<_> = noticed.keys().map(|(.., caller)| caller).collect();
    Delays {
        outages: outages.len() as u64,
        callers: callers.len() as u64,
        seconds: noticed.values().copied().collect(),
    }
}

/// When the outage began in which the replica was found to be down `at` that time.
fn outage(schedule: &[Scheduled], change: &ReplicaChange, at: f64, grace: f64) -> Option<f64> {
    let is_its = |fault: &&Scheduled| {
        let name = match fault.replica {
            Some(number) => format!("{}-{number}", fault.service),
            None => fault.service.to_string(),
        };
        *name == *change.replica
    };
    let windows = schedule.iter().filter(is_its);
    let windows = windows.flat_map(|fault| &fault.windows_s);
    let holds = |(from, to): &&(f64, f64)| (*from..*to + grace).contains(&at);
    windows
        .filter(holds)
        .map(|(from, _)| *from)
        .max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: CheckSettings = CheckSettings {
        every: Duration::from_millis(10),
        timeout: Duration::from_millis(5),
        misses: 3,
        hits: 1,
    };

    /// `outages`, each noticed by each of `callers` after one of two delays in turn.
    fn seen(outages: u64, callers: u64) -> Delays {
        let delays = [0.021, 0.029].into_iter().cycle();
        let seconds = (0..outages * callers).zip(delays);
        Delays {
            outages,
            callers,
            seconds: seconds.map(|(_, delay)| delay).collect(),
        }
    }

    #[test]
    fn what_was_noticed_stands_beside_what_was_promised() {
        let line = noticed(&CHECK, &seen(100, 1));
        for part in [
            "100 outages noticed after 21.0 ms to 29.0 ms, 25.0 ms on average (24.0 ms to 26.0 ms, 99 %)",
            "predicted: 20.0 ms to 30.0 ms, 25.0 ms on average, and up to 5.0 ms more",
            "a false alarm in 1010100 of them",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(noticed(&CHECK, &seen(0, 1)).starts_with("no outage was noticed (predicted: "));
    }

    #[test]
    fn the_delay_of_each_caller_counts_and_not_only_of_whoever_is_first() {
        let down = |ms: u64, caller: &str| ReplicaChange {
            at: ms * 1_000_000,
            caller: caller.into(),
            callee: "back".into(),
            replica: "back-1".into(),
            news: News::Down,
        };
        let timeline = Timeline {
            begin: 0,
            phases: Vec::new(),
            slices: Vec::new(),
            transitions: Vec::new(),
            replicas: vec![
                down(1021, "front-0"),
                down(1029, "front-1"),
                down(3025, "front-0"),
            ],
        };
        let schedule = [Scheduled {
            service: "back".into(),
            replica: Some(1),
            fault: "down".to_owned(),
            outages: 2,
            windows_s: vec![(1.0, 2.0), (3.0, 4.0)],
        }];
        let seen = delays(&timeline, &schedule, &CHECK);
        assert_eq!((seen.outages, seen.callers), (2, 2));
        let ms: Vec<_> = seen.seconds.iter().map(|it| (it * 1e3).round()).collect();
        assert_eq!(ms, [21.0, 29.0, 25.0]);
    }

    #[test]
    fn each_caller_notices_by_heartbeats_of_its_own_and_a_few_delays_have_no_average() {
        let line = noticed(&CHECK, &seen(2, 2));
        let told = "2 outages noticed by 2 callers after 21.0 ms to 29.0 ms (predicted: ";
        assert!(line.starts_with(told), "{line}");
        let line = noticed(&CHECK, &seen(1, 1));
        assert!(
            line.starts_with("1 outage noticed after 21.0 ms to 21.0 ms ("),
            "{line}"
        );
    }
}
