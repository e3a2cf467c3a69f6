//! The same chain, faults and rate of requests under different policies: what each buys and
//! costs.

use super::{load, outage, timeline};
use crate::{
    results::{RunResult, ScenarioResult, shown_interval},
    words::{count, interval, millis, percent, policy, probability},
};
use scenario::{Load, Phase, Plan};

/// A table for each group of scenarios that differ in nothing but their policy.
pub(super) fn tables(results: &[ScenarioResult]) -> String {
    let groups = groups(results);
    let compared = groups.iter().filter(|group| group.len() > 1);
    compared.map(|group| table(group)).collect()
}

/// Scenarios that can be compared, in the order of their runs.
fn groups(results: &[ScenarioResult]) -> Vec<Vec<&ScenarioResult>> {
    let mut groups: Vec<Vec<&ScenarioResult>> = Vec::new();
    for result in results {
        let same = |group: &&mut Vec<&ScenarioResult>| {
            group
                .first()
                .is_some_and(|first| only_policies_differ(&first.plan, &result.plan))
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(result),
            None => groups.push(vec![result]),
        }
    }
    groups
}

fn only_policies_differ(one: &Plan, other: &Plan) -> bool {
    let same = |(one, other): (&Phase, &Phase)| {
        one.start == other.start && same_load(&one.load, &other.load) && one.faults == other.faults
    };
    one.topology() == other.topology()
        && one.phases().len() == other.phases().len()
        && one.phases().iter().zip(other.phases()).all(same)
}

/// The same rate and the same patience; how many requests there are decides only how narrow
/// the intervals are.
fn same_load(one: &Load, other: &Load) -> bool {
    one.rate.to_bits() == other.rate.to_bits() && one.patience == other.patience
}

fn table(group: &[&ScenarioResult]) -> String {
    let shown: Vec<_> = group
        .iter()
        .filter_map(|result| Some((*result, result.shown()?)))
        .collect();
    let names: Vec<_> = group.iter().map(|result| result.name.as_str()).collect();
    let mut text = format!("Side by side: {}\n", names.join(", "));
    if group.iter().all(|result| waits(result)) {
        return text + &outage::table(group) + "\n";
    }
    text += &success(&shown);
    if shown
        .iter()
        .any(|(result, _)| result.plan.phases().len() > 1)
    {
        text += &outages(&shown);
    } else if shown.iter().any(|(result, _)| result.tries_again()) {
        text += &loads(&shown);
    }
    text + "\n"
}

/// Whether requests wait for nothing in a run without phases: then waiting is what matters.
fn waits(result: &ScenarioResult) -> bool {
    result.prediction.wait.is_some() && result.plan.phases().len() == 1
}

/// A row per policy: success and latency.
fn success(shown: &[(&ScenarioResult, &RunResult)]) -> String {
    let header = [
        "done about it",
        "requests",
        "answered",
        "99 % interval",
        "predicted",
        "p50",
        "p99",
        "lost",
    ];
    let mut table = super::table(&header, 1);
    for (result, run) in shown {
        let root = &run.analysis.root;
        let ratio = root.outcomes.availability();
        let latency = |of: fn(&traces::analysis::Latency) -> f64| {
            let latency = root.latency.as_ref();
            latency.map_or_else(|| "-".to_owned(), |l| super::censored(of(l), &result.plan))
        };
        table.add_row([
            words(&result.plan),
            count(root.outcomes.offered),
            ratio.value().map_or_else(|| "-".to_owned(), percent),
            shown_interval(ratio)
                .as_ref()
                .map_or_else(|| "-".to_owned(), interval),
            probability(result.prediction.availability),
            latency(|latency| latency.p50_ms),
            latency(|latency| latency.p99_ms),
            count(root.outcomes.failed.total),
        ]);
    }
    format!("{table}\n")
}

/// Two rows per policy: attempts at each hop for one request, measured and predicted.
fn loads(shown: &[(&ScenarioResult, &RunResult)]) -> String {
    let Some((first, _)) = shown.first() else {
        return String::new();
    };
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
    let mut table = super::table(&header, 1);
    for (result, run) in shown {
        let measured = hops.iter().map(|name| {
            let hop = run.analysis.hop(name);
            hop.map_or_else(|| "0 ×".to_owned(), |hop| load::measured(hop, run))
        });
        table.add_row([words(&result.plan)].into_iter().chain(measured));
        let predicted = hops
            .iter()
            .map(|name| load::predicted(&result.prediction, name));
        table.add_row(["  predicted".to_owned()].into_iter().chain(predicted));
    }
    format!("\n{table}\n")
}

/// A row per policy and phase in which more goes wrong: what reached the hop that is down
/// (or the deepest one), and how long
/// after it the first good answer came.
fn outages(shown: &[(&ScenarioResult, &RunResult)]) -> String {
    let header = [
        "while it lasts, and after",
        "p50",
        "attempts",
        "predicted",
        "refused",
        "answers again after",
        "predicted",
    ];
    let mut table = super::table(&header, 1);
    for (result, run) in shown {
        for place in 0..result.plan.phases().len() {
            if let Some(cells) = outage_row(result, run, place) {
                table.add_row(cells);
            }
        }
    }
    format!("\n{table}\n")
}

/// Whether more goes wrong in the phase than all the time.
fn is_out_of_the_usual(plan: &Plan, phase: &Phase) -> bool {
    let least = plan.phases().iter().map(|phase| phase.faults.len()).min();
    Some(phase.faults.len()) > least
}

/// The row of one phase, if more goes wrong in it than usual.
fn outage_row(result: &ScenarioResult, run: &RunResult, place: usize) -> Option<[String; 7]> {
    let phase = result.plan.phases().get(place)?;
    is_out_of_the_usual(&result.plan, phase).then_some(())?;
    let stretch = run.timeline.phases.get(place)?;
    let after = run.timeline.phases.get(place + 1);
    let outage = result.prediction.phases.get(place)?.outage.as_ref();
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
    let requests = result.prediction.phases.get(place)?.requests;
    let expected = requests * place_of(&at).unwrap_or(1.0);
    Some([
        words(&result.plan),
        stretch
            .latency
            .map_or_else(dash, |latency| millis(latency.p50_ms)),
        count(hop.attempts),
        format!("{:.0}", outage.map_or(expected, |outage| outage.reaching)),
        count(hop.refused),
        answers.unwrap_or_else(|| "none".to_owned()),
        outage.map_or_else(|| "at once".to_owned(), timeline::recovery),
    ])
}

fn dash() -> String {
    "-".to_owned()
}

/// What the plan does about failures.
fn words(plan: &Plan) -> String {
    let policy = plan.phases().first().map(|phase| policy(&phase.policy));
    policy.unwrap_or_default().join(", ")
}
