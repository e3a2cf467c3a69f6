//! How soon heartbeats noticed that a replica was down, beside what they promise.

use crate::{
    results::{RunResult, Scheduled},
    words::{count, millis},
};
use availability::failover::Detection;
use resilience::balance::{CheckSettings, Pick};
use scenario::Plan;
use std::{collections::BTreeMap, time::Duration};
use traces::{News, ReplicaChange};
use types::Probability;

/// What the heartbeats of a run came to: one line, or two where one replica serves and others
/// stand by; none if nobody was asked.
pub(crate) fn lines(plan: &Plan, run: &RunResult) -> Vec<(&'static str, String)> {
    let balance = plan.phases().first().map(|phase| phase.policy.balancing());
    let Some((balance, check)) = balance.and_then(|it| Some((it, it.check?))) else {
        return Vec::new();
    };
    let seen = run.timeline.replicas.iter();
    let failovers = seen.filter(|change| change.news == News::Active).count();
    let failover = (balance.pick == Pick::First).then(|| {
        let times = count(failovers as u64);
        let takeover = plan.services().iter().find_map(|name| {
            let relay = plan.topology().relay(name)?;
            relay.takeover
        });
        let takeover = millis(takeover.unwrap_or_default().as_secs_f64() * 1e3);
        format!("{times} times another replica took over, and needed {takeover} for it")
    });
    let noticed = ("heartbeats", noticed(&check, &delays(run, &check)));
    let failover = failover.map(|line| ("failover", line));
    [noticed].into_iter().chain(failover).collect()
}

/// Delays and what they should have been; outages whose failures are told at once need no
/// time-out to be noticed.
fn noticed(check: &CheckSettings, delays: &[f64]) -> String {
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
    let measured = match delays {
        [] => "no outage was noticed".to_owned(),
        delays => {
            let mean = delays.iter().sum::<f64>() / delays.len() as f64;
            let (least, most) = delays
                .iter()
                .fold((f64::MAX, 0.0_f64), |(least, most), it| {
                    (least.min(*it), most.max(*it))
                });
            format!(
                "{} outages noticed after {} to {}, {} on average",
                count(delays.len() as u64),
                millis(least * 1e3),
                millis(most * 1e3),
                millis(mean * 1e3)
            )
        }
    };
    format!("{measured} (predicted: {promised}{alarm})")
}

/// For each outage that was noticed, by whoever was first: how long after its begin, in
/// seconds.
fn delays(run: &RunResult, check: &CheckSettings) -> Vec<f64> {
    // An answer that is waited for may be given up a little after the end.
    let grace = check.every.saturating_add(check.timeout).as_secs_f64();
    let downs = run.timeline.replicas.iter();
    let downs = downs.filter(|change| change.news == News::Down);
    let mut noticed: BTreeMap<(&str, u64), f64> = BTreeMap::new();
    for change in downs {
        let at = run.timeline.seconds(change.at);
        if let Some(from) = outage(run, change, at, grace) {
            let known = noticed.entry((&change.replica, from.to_bits()));
            known.or_insert(at - from);
        }
    }
    noticed.into_values().collect()
}

/// When the outage began in which the replica was found to be down `at` that time.
fn outage(run: &RunResult, change: &ReplicaChange, at: f64, grace: f64) -> Option<f64> {
    let is_its = |fault: &&Scheduled| {
        let name = match fault.replica {
            Some(number) => format!("{}-{number}", fault.service),
            None => fault.service.to_string(),
        };
        *name == *change.replica
    };
    let windows = run.schedule.iter().filter(is_its);
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

    #[test]
    fn what_was_noticed_stands_beside_what_was_promised() {
        let check = CheckSettings {
            every: Duration::from_millis(10),
            timeout: Duration::from_millis(5),
            misses: 3,
            hits: 1,
        };
        let line = noticed(&check, &[0.021, 0.029]);
        for part in [
            "2 outages noticed after 21.0 ms to 29.0 ms, 25.0 ms on average",
            "predicted: 20.0 ms to 30.0 ms, 25.0 ms on average, and up to 5.0 ms more",
            "a false alarm in 1010100 of them",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(noticed(&check, &[]).starts_with("no outage was noticed (predicted: "));
    }
}
