//! The words around the tables.

use super::Style;
use crate::{
    facts, heartbeats,
    results::{RunResult, ScenarioResult},
    tables::losses,
    words::{
        self, accounted, censored, count, expected, how_played, in_nines, interval, limit,
        long_run_of, millis, offered, percent, played, probability, promise, reason, sampled,
    },
};
use availability::{Probability, Verdict};
use scenario::{Plan, Prediction, Size};
use std::fmt::Write;

/// The scenario's title, load and seed.
pub(super) fn title(plan: &Plan) -> String {
    let mut text = format!("{}\n{}\n", plan.title(), offered(plan));
    if !plan.overrides().is_empty() {
        let flags = plan.overrides().join(" ");
        let _ = writeln!(text, "with {flags} in place of the scenario's own");
    }
    text
}

pub(super) fn heading(result: &ScenarioResult, style: Style) -> String {
    let title = title(&result.plan);
    let (first, rest) = title.split_once('\n').unwrap_or((&title, ""));
    format!(
        "{}\n{rest}",
        style.paint(1, &format!("{} · {first}", result.name))
    )
}

/// The whole prediction in one line.
pub(super) fn predicted(prediction: &Prediction) -> String {
    let mut text = format!("predicted    {}", folded(&expected(prediction)));
    if prediction.nines.is_some() {
        let _ = write!(text, ": {}", in_nines(prediction.availability));
    }
    text.push('\n');
    if let Some(without) = prediction.without_breaker {
        let without = probability(without);
        let _ = writeln!(
            text,
            "             {without} without the circuit breaker: it saves waiting and load, not requests"
        );
    }
    text
}

/// How many requests wait in vain, how long, and how many are stuck meanwhile.
pub(super) fn predicted_wait(prediction: &Prediction) -> String {
    let Some(wait) = &prediction.wait else {
        return String::new();
    };
    let limit = limit(wait.ended_by);
    let (share, after) = (
        words::share(wait.share.get()),
        millis(wait.known_after_s * 1e3),
    );
    let stuck = wait.stuck_requests;
    let when = if prediction.phases.len() > 1 {
        " of the worst phase"
    } else {
        ""
    };
    format!(
        "waiting      {share} of requests{when}, {after} each, ended by {limit}; {stuck:.0} stuck at the edge on average\n"
    )
}

/// Prediction, measurement, verdict; then how far they can be trusted.
pub(super) fn footer(result: &ScenarioResult, run: &RunResult, style: Style) -> String {
    let mut text = predicted(&result.prediction);
    text += &given(run);
    text += &measured(&result.plan, run);
    for other in result.others() {
        let _ = writeln!(text, "             {}", words::other_run(other));
    }
    if let Some(lowered) = words::lowered(run) {
        let _ = writeln!(text, "load         {}", folded(&lowered));
    }
    if let Some(long_run) = facts::long_run(&result.plan, run) {
        let _ = writeln!(text, "long run     {}", long_run_of(&long_run));
    }
    text += &verdict(result, style);
    for (what, line) in heartbeats::lines(&result.plan, run) {
        let _ = writeln!(text, "{what:13}{line}");
    }
    if !facts::is_curve(result) {
        text += &to_gain(&result.plan, run);
    }
    if let Some(sampled) = run.sampled.as_ref().and_then(sampled) {
        let _ = writeln!(text, "sampled      {sampled}");
    }
    if let Some(fix) = &result.fix {
        let _ = writeln!(text, "promise      {}", folded(&promise(fix)));
    }
    text += &latency(result, run);
    text += &accounting(run);
    let _ = writeln!(text, "spans        {}", run.analysis.completeness);
    text += &deployed(run);
    text += &forwarded(run);
    text
}

/// The hop with the most to gain, and what the estimate assumes.
fn to_gain(plan: &Plan, run: &RunResult) -> String {
    let Some((most, caveat)) = losses::most(plan, run) else {
        return String::new();
    };
    let caveat = caveat.map(|caveat| format!("             {}\n", folded(&caveat)));
    format!("to gain      {most}\n{}", caveat.unwrap_or_default())
}

/// What is said where the host was too slow for any run.
pub(super) fn without_runs(result: &ScenarioResult, style: Style) -> String {
    predicted(&result.prediction) + &verdict(result, style)
}

/// Whether the number of requests is enough for what is asked.
pub(super) fn sizes(sizes: &[Size]) -> String {
    let line = |size| format!("size         {}\n", folded(&words::size(size)));
    sizes.iter().map(line).collect()
}

/// A long line, folded where a new clause starts.
fn folded(line: &str) -> String {
    line.replace("; ", ";\n             ")
}

/// What was predicted of this run alone, if anything.
fn given(run: &RunResult) -> String {
    let Some(given) = &run.given else {
        return String::new();
    };
    let value = probability(played(given));
    format!("of this run  {value}: {}\n", how_played(run, given))
}

/// Which chain it was, if it was not started for the run.
fn deployed(run: &RunResult) -> String {
    let Some(deployed) = &run.deployed else {
        return String::new();
    };
    format!("chain        {}\n", words::deployed(deployed))
}

/// What became of the spans passed on to a collector.
fn forwarded(run: &RunResult) -> String {
    let Some(forward) = &run.forwarded else {
        return String::new();
    };
    let (sent, dropped) = (count(forward.forwarded), count(forward.dropped));
    let why = forward
        .last_error
        .as_ref()
        .map(|error| format!(" (last error: {error})"));
    format!(
        "forwarded    {sent} spans, {dropped} dropped{}\n",
        why.unwrap_or_default()
    )
}

fn measured(plan: &Plan, run: &RunResult) -> String {
    let ratio = run.analysis.root.outcomes.availability();
    let seen = facts::measured_interval(plan, run);
    let (Some(value), Some(seen)) = (ratio.value(), seen) else {
        return "measured     nothing\n".to_owned();
    };
    let (value_in_words, seen) = (percent(value), interval(&seen));
    if !run.doubts.is_empty() {
        return format!(
            "disturbed    {value_in_words} ({seen}, 99 %) says nothing of this chain: this machine was too busy\n"
        );
    }
    let nines = Probability::new(value).map(in_nines).unwrap_or_default();
    format!("measured     {value_in_words} ({seen}, 99 %): {nines}\n")
}

fn verdict(result: &ScenarioResult, style: Style) -> String {
    let judgement = &result.judgement;
    let (sign, color) = match judgement.verdict {
        Verdict::Holds => ("✔", 32),
        Verdict::Fails => ("✘", 31),
        Verdict::Inconclusive => ("?", 33),
    };
    let word = style.paint(color, &format!("{sign} {}", judgement.verdict));
    let why = match reason(result) {
        reason if reason.is_empty() => reason,
        reason if judgement.doubts.is_empty() => format!(" ({reason})"),
        reason => format!(": {reason}"),
    };
    format!("verdict      {word}{why}\n")
}

fn latency(result: &ScenarioResult, run: &RunResult) -> String {
    let Some(latency) = run.analysis.root.latency else {
        return String::new();
    };
    let at = [
        ("p50", latency.p50_ms),
        ("p99", latency.p99_ms),
        ("p99.9", latency.p999_ms),
    ];
    let at: Vec<_> = at
        .map(|(name, ms)| format!("{name} {}", censored(ms, &result.plan)))
        .into();
    let lateness = millis(run.generator.worst_lateness_ms);
    format!(
        "latency      {} (from the scheduled start; the generator was at most {lateness} late)\n{}",
        at.join(", "),
        gave_up(run),
    )
}

/// Says that latencies are censored, where they are.
fn gave_up(run: &RunResult) -> String {
    let gave_up = run.generator.gave_up;
    if gave_up == 0 {
        return String::new();
    }
    let requests = count(gave_up);
    format!(
        "             {requests} times the client gave up: those latencies are censored, the true ones longer\n"
    )
}

fn accounting(run: &RunResult) -> String {
    let sum = accounted(&run.generator.counts);
    if run.accounting.agrees() {
        let lines = run.accounting.lines.len();
        let who = words::counted_by(&run.accounting);
        return format!("accounting   {sum}; {who} agree to the request ({lines} counts)\n");
    }
    let mut text = format!("accounting   {sum}; NOT all counts agree:\n");
    for line in run.accounting.disagreements() {
        let (left, right) = (&line.left, &line.right);
        let _ = writeln!(
            text,
            "             {}: {} {}, {} {}",
            line.what,
            left.by,
            count(left.count),
            right.by,
            count(right.count)
        );
    }
    text
}
