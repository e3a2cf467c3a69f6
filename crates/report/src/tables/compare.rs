//! The same chain, faults and rate of requests under different policies: what each buys and
//! costs.

use super::{Sheet, downtime, load, outage, scaled, scaling};
use crate::{
    facts::{attempts_per_request, cpu_per_request_us, predicted, waits},
    results::{RunResult, ScenarioResult, shown_interval},
    words::{
        between, called, censored, count, interval, is_out_of_the_usual, millis, percent,
        probability, recovery, times,
    },
};
use availability::format::rate;
use traces::analysis::{Between, Latency};

/// Scenarios that differ in nothing but their policy, side by side.
pub(crate) fn sheets(group: &[&ScenarioResult]) -> Vec<Sheet> {
    if group.iter().all(|result| waits(result)) {
        return vec![outage::sheet(group)];
    }
    let scaling = crate::scaling::of(group);
    let scaling = scaling.as_ref().map(scaling::sheet);
    let scaled = scaled::sheet(group);
    let is_told = scaling.is_some() || scaled.is_some();
    let shown: Vec<_> = group
        .iter()
        .filter_map(|result| Some((*result, result.shown()?)))
        .collect();
    let phases = |(result, _): &(&ScenarioResult, _)| result.plan.phases().len();
    let more = if is_told {
        None
    } else if shown.iter().any(|shown| phases(shown) > 1) {
        Some(outages(&shown))
    } else if shown.iter().any(|(result, _)| result.tries_again()) {
        loads(&shown)
    } else {
        None
    };
    let nines = differ_in_faults(group).then(|| downtime::sheet(group));
    scaling
        .into_iter()
        .chain(scaled)
        .chain([success(&shown)])
        .chain(more)
        .chain(nines)
        .collect()
}

/// Whether the same chain fails by chance more or less often, and nothing is done about it.
fn differ_in_faults(group: &[&ScenarioResult]) -> bool {
    let naive = |result: &&&ScenarioResult| !result.tries_again() && !result.plan.depends_on_time();
    let faults = |result: &ScenarioResult| result.plan.phases()[0].faults.clone();
    group.iter().filter(naive).count() == group.len()
        && group
            .windows(2)
            .any(|pair| faults(pair[0]) != faults(pair[1]))
}

/// Two rows per policy: what it buys and costs, and how sure that is.
fn success(shown: &[(&ScenarioResult, &RunResult)]) -> Sheet {
    let header = [
        "done about it",
        "requests",
        "answered",
        "predicted",
        "p50",
        "p99",
        "p99.9",
        "attempts",
        "CPU",
    ];
    let mut table = Sheet::new("What each buys and costs", &header, 1);
    for (result, run) in shown {
        table.add_row(bought(result, run));
        table.add_row(how_sure(result, run));
    }
    let note = "attempts and CPU: of all services, for one request; CPU is what this run took";
    table.note = Some(note.to_owned() + &different_loads(shown).unwrap_or_default());
    table
}

/// Says that latencies are not comparable, where a busy machine made the loads differ.
fn different_loads(shown: &[(&ScenarioResult, &RunResult)]) -> Option<String> {
    let is_lowered = |run: &RunResult| run.host.is_some_and(|host| host.lowered.is_some());
    if !shown.iter().any(|(_, run)| is_lowered(run)) {
        return None;
    }
    let rates = shown.iter().map(|(result, _)| result.plan.load().rate);
    let rates: Vec<_> = rates.map(rate).collect();
    Some(format!(
        "\nthis machine was busy, and loads were lowered: latencies are those at {}",
        rates.join(", ")
    ))
}

fn bought(result: &ScenarioResult, run: &RunResult) -> [String; 9] {
    let root = &run.analysis.root;
    let ratio = root.outcomes.availability();
    let latency = |of: fn(&Latency) -> f64| {
        let latency = root.latency.as_ref();
        latency.map_or_else(dash, |latency| censored(of(latency), &result.plan))
    };
    [
        called(result),
        count(root.outcomes.offered),
        ratio.value().map_or_else(dash, percent),
        predicted(result).map_or_else(dash, probability),
        latency(|latency| latency.p50_ms),
        latency(|latency| latency.p99_ms),
        latency(|latency| latency.p999_ms),
        attempts_per_request(run).map_or_else(dash, |(attempts, _)| times(attempts)),
        cpu_per_request_us(run).map_or_else(dash, |cpu| format!("{:.2} ms", cpu / 1e3)),
    ]
}

fn how_sure(result: &ScenarioResult, run: &RunResult) -> [String; 9] {
    let root = &run.analysis.root;
    let shown = shown_interval(root.outcomes.availability());
    let latency = |of: fn(&Latency) -> Between| {
        let latency = root.latency.as_ref();
        latency.map_or_else(dash, |latency| between(of(latency), &result.plan))
    };
    let attempts = attempts_per_request(run).and_then(|(_, half)| half);
    [
        "  99 % interval".to_owned(),
        String::new(),
        shown.as_ref().map_or_else(dash, interval),
        String::new(),
        latency(|latency| latency.intervals.p50),
        latency(|latency| latency.intervals.p99),
        latency(|latency| latency.intervals.p999),
        attempts.map_or_else(dash, |half| format!("± {half:.3}")),
        String::new(),
    ]
}

/// Two rows per policy: attempts at each hop for one request, measured and predicted.
fn loads(shown: &[(&ScenarioResult, &RunResult)]) -> Option<Sheet> {
    let (first, _) = shown.first()?;
    let mut hops: Vec<&str> = Vec::new();
    for hop in &first.prediction.hops {
        if !hops.contains(&&*hop.service) {
            hops.push(&hop.service);
        }
    }
    let header: Vec<_> = ["attempts for one request"]
        .into_iter()
        .chain(hops.iter().copied())
        .collect();
    let mut table = Sheet::new("Attempts for one request, at each hop", &header, 1);
    for (result, run) in shown {
        let measured = hops.iter().map(|name| {
            let hop = run.analysis.hop(name);
            hop.map_or_else(|| "0 ×".to_owned(), |hop| load::measured(hop, run))
        });
        table.add_row([called(result)].into_iter().chain(measured));
        let predicted = hops
            .iter()
            .map(|name| load::predicted(&result.prediction, name));
        if result.prediction.value().is_some() {
            table.add_row(["  predicted".to_owned()].into_iter().chain(predicted));
        }
    }
    Some(table)
}

/// A row per policy and phase in which more goes wrong: what reached the hop that is down
/// (or the deepest one), and how long
/// after it the first good answer came.
fn outages(shown: &[(&ScenarioResult, &RunResult)]) -> Sheet {
    let header = [
        "while it lasts, and after",
        "p50",
        "attempts",
        "predicted",
        "refused",
        "answers again after",
        "predicted",
    ];
    let mut table = Sheet::new("While something is wrong, and after", &header, 1);
    for (result, run) in shown {
        for place in 0..result.plan.phases().len() {
            if let Some(cells) = outage_row(result, run, place) {
                table.add_row(cells);
            }
        }
    }
    table
}

/// The row of one phase, if more goes wrong in it than usual.
fn outage_row(result: &ScenarioResult, run: &RunResult, place: usize) -> Option<[String; 7]> {
    let phase = result.plan.phases().get(place)?;
    is_out_of_the_usual(&result.plan, phase).then_some(())?;
    let stretch = run.timeline.phases.get(place)?;
    let after = run.timeline.phases.get(place + 1);
    let predicted = result.prediction.phases.get(place);
    let outage = predicted.and_then(|phase| phase.outage.as_ref());
    let place_of = |name: &str| {
        let mut hops = result.prediction.hops.iter();
        hops.find(|hop| &*hop.service == name).map(|hop| hop.load)
    };
    let at = match outage {
        Some(outage) => outage.callee.clone(),
        None => result.plan.topology().visits().pop()?.service,
    };
    let hop = stretch.hops.get(&*at).copied().unwrap_or_default();
    let ms = |nanos: u64| millis(nanos as f64 / 1e6);
    let answers = after.and_then(|after| after.first_answer).map(ms);
    let expected = predicted.map(|phase| phase.requests * place_of(&at).unwrap_or(1.0));
    let expected = outage.map(|outage| outage.reaching).or(expected);
    let recovered = match (predicted, outage) {
        (None, _) => dash(),
        (_, None) => "at once".to_owned(),
        (_, Some(outage)) => recovery(outage),
    };
    Some([
        called(result),
        stretch
            .latency
            .map_or_else(dash, |latency| millis(latency.p50_ms)),
        count(hop.attempts),
        expected.map_or_else(dash, |attempts| format!("{attempts:.0}")),
        count(hop.refused),
        answers.unwrap_or_else(|| "none".to_owned()),
        recovered,
    ])
}

fn dash() -> String {
    "-".to_owned()
}
