//! Numbers and judgements in words: every number with its unit, every estimate with its
//! interval.

mod runs;

pub use availability::format::percent;
pub use runs::{counted_by, lowered, other_run, size};

use crate::{
    remedies,
    results::{Counts, Deployed, FixCheck, RunResult, Sampled, ScenarioResult},
};
use availability::{
    Interval, Probability,
    format::{percent_interval, rate},
    nines::{Downtime, Period, nines},
    perfect::Gain,
};
use resilience::circuit_breaker::BreakerSettings;
use scenario::{
    Class, Expected, Length, Limit, Model, OutagePrediction, Phase, Plan, Policy, Prediction,
    simulate::GivenSchedule,
};
use std::{collections::BTreeMap, time::Duration};
use traces::analysis::Between;
use types::Cause;

/// A share in percent that is no availability, such as that of requests that wait: `51.00 %`.
pub fn share(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// An availability in percent.
pub fn probability(value: Probability) -> String {
    percent(value.get())
}

/// An interval of availabilities in percent: `95.70 – 96.38 %`.
pub fn interval(interval: &Interval) -> String {
    percent_interval(interval.low.get(), interval.high.get())
}

/// A count with its thousands apart: `20,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups = groups.map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// A count of things that have a simple plural: `1 outage`, `2,000 outages`.
pub fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(number))
}

/// How often: `once`, `2 times`.
pub fn often(number: u64) -> String {
    if number == 1 {
        "once".to_owned()
    } else {
        format!("{} times", count(number))
    }
}

/// Failures by cause: `error 780, timeout 3`; empty if there are none.
pub fn causes(by_cause: &BTreeMap<Cause, u64>) -> String {
    let each = by_cause.iter();
    let each: Vec<_> = each
        .map(|(cause, n)| format!("{cause} {}", count(*n)))
        .collect();
    each.join(", ")
}

/// Every request, accounted for once: `20 offered = 18 ok + 0 degraded + 2 failed (error 2)`.
pub fn accounted(counts: &Counts) -> String {
    let [offered, ok, degraded, failed] =
        [counts.offered, counts.ok, counts.degraded, counts.failed].map(count);
    let sum = format!("{offered} offered = {ok} ok + {degraded} degraded + {failed} failed");
    match causes(&counts.failed_by_cause) {
        causes if causes.is_empty() => sum,
        causes => format!("{sum} ({causes})"),
    }
}

/// A time in milliseconds, in the unit that suits it: `3.2 ms`, `5.00 s`.
pub fn millis(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

/// A round time, without decimals that would say nothing: `10 ms`.
pub fn round_millis(ms: f64) -> String {
    if ms < 1.0 {
        format!("{:.0} µs", ms * 1e3)
    } else if ms < 1e3 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.0} s", ms / 1e3)
    }
}

/// A time as short as those of single spans are: `34 µs`, `3.2 ms`.
pub fn brief(nanos: u64) -> String {
    let ms = nanos as f64 / 1e6;
    if ms < 1.0 {
        round_millis(ms)
    } else {
        millis(ms)
    }
}

/// A difference of shares in percentage points, with its sign: `−0.24 points`.
pub fn difference(share: f64) -> String {
    let sign = if share < 0.0 { '−' } else { '+' };
    format!("{sign}{:.2} points", share.abs() * 100.0)
}

/// What would be gained, in percentage points: `+0.95 points`.
pub fn gained(share: f64) -> String {
    format!("+{}", points(share))
}

/// The interval of a gain: `+0.72 to +1.23 points`.
pub fn gained_between(gain: &Gain) -> String {
    format!("+{:.2} to +{}", gain.low * 100.0, points(gain.high))
}

/// A distance of shares in percentage points: `0.90 points`.
pub fn points(share: f64) -> String {
    let points = share * 100.0;
    let decimals = if points < 0.1 { 3 } else { 2 };
    format!("{points:.decimals$} points")
}

/// A duration without needless digits: `250 ms`, `1 s`.
pub fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{} s", duration.as_secs_f64())
    }
}

/// A load: attempts for one request.
pub fn times(load: f64) -> String {
    format!("{load:.3} ×")
}

/// A load with the half-width of its interval.
pub fn times_about(load: f64, half: Option<f64>) -> String {
    let half = half.map_or_else(String::new, |half| format!(" ± {half:.3}"));
    format!("{load:.3}{half} ×")
}

/// A latency in milliseconds. At the client's patience it is only known to be at least that.
pub fn censored(ms: f64, plan: &Plan) -> String {
    let patience = plan.phases().first().map(|phase| phase.load.patience);
    let patience = patience.map_or(f64::INFINITY, |patience| patience.as_secs_f64() * 1e3);
    if ms >= patience {
        format!("≥ {}", millis(patience))
    } else {
        millis(ms)
    }
}

/// The interval of a percentile; open where too little was measured to tell.
pub fn between(ends: Between, plan: &Plan) -> String {
    let end = |ms: Option<f64>| ms.map_or_else(|| "?".to_owned(), |ms| censored(ms, plan));
    format!("{} – {}", end(ends.low_ms), end(ends.high_ms))
}

/// The load, the seed and the replicas: `20,000 requests at 1500/s, open model, seed 42`.
pub fn offered(plan: &Plan) -> String {
    let replicas = remedies::replicas(plan);
    let all = [load(plan)].into_iter().chain(replicas);
    all.collect::<Vec<_>>().join(", ")
}

fn load(plan: &Plan) -> String {
    let Some(phase) = plan.phases().first() else {
        return String::new();
    };
    let length = match phase.load.length {
        Length::Requests(requests) => counted(requests, "request"),
        Length::For(duration) => format!("{} of requests", millis(duration.as_secs_f64() * 1e3)),
    };
    let (rate, seed) = (rate(phase.load.rate), plan.seed());
    match phase.load.model {
        Model::Open => format!("{length} at {rate}, open model, seed {seed}"),
        Model::Closed { workers, think } => {
            let plural = if workers == 1 { "" } else { "s" };
            let pause = if think.is_zero() {
                String::new()
            } else {
                format!(" and then {}", duration(think))
            };
            format!(
                "{length} by {workers} worker{plural} who wait{} for each answer{pause}, closed model, seed {seed}",
                if workers == 1 { "s" } else { "" }
            )
        }
    }
}

/// What was predicted, as far as it can be told.
pub fn expected(prediction: &Prediction) -> String {
    let value = probability(prediction.availability);
    if let Some(reason) = prediction.not_predicted {
        return format!("not predicted: {reason}");
    }
    match (prediction.class, &prediction.range) {
        (Class::Exact | Class::NotPredicted, _) => value,
        (Class::Approximate, _) => match &prediction.played {
            Some(simulated) => {
                format!("about {value} ({}, 99 %, simulated)", interval(simulated))
            }
            None => format!("about {value}"),
        },
        (Class::Bound, None) => format!("at most {value}"),
        (Class::Bound, Some(range)) => format!(
            "{} to {}, probably {value}",
            probability(range.min()),
            probability(range.max()),
        ),
    }
}

/// The share of requests that was answered in the runs that were played.
pub fn played(given: &GivenSchedule) -> Probability {
    let Interval { low, high, .. } = given.availability;
    let middle = f64::midpoint(low.get(), high.get());
    Probability::new(middle).unwrap_or(low)
}

/// How a prediction was made for one run alone.
pub fn how_played(run: &RunResult, given: &GivenSchedule) -> String {
    let requests = count(given.requests);
    let outages: u64 = run.schedule.iter().map(|fault| fault.outages).sum();
    let what = if outages == 0 {
        "with workers who wait for their answers".to_owned()
    } else {
        format!("with its {}", counted(outages, "outage"))
    };
    let between = interval(&given.availability);
    format!("predicted {what}: {requests} requests simulated before it ({between}, 99 %)")
}

/// What a run with outages says of the long run.
pub fn long_run_of(seen: &Interval) -> String {
    format!(
        "{} (99 %, batch means: failures come in clusters, so this run says less of others)",
        interval(seen)
    )
}

/// What a collector would show that keeps all failures and a share of the others; none if
/// nothing was kept.
pub fn sampled(sampled: &Sampled) -> Option<String> {
    let (weighed, seen) = sampled.weighed?;
    Some(format!(
        "if only failed traces and {} % of the others were kept ({} and {}): {} of them are good; \
         each weighed by how many it stands for: {} ({}, 99 %)",
        sampled.share.get() * 100.0,
        count(sampled.failed),
        count(sampled.answered),
        probability(sampled.shown?),
        probability(weighed),
        interval(&seen),
    ))
}

/// The gain promised if a hop never fails, the gain in a run where it did not, and whether they
/// agree.
pub fn promise(fix: &FixCheck) -> String {
    let measured = &fix.measured;
    let (low, high) = (difference(measured.low), difference(measured.high));
    let gave = format!(
        "a run without them gave {} ({low} to {high}, 99 %)",
        difference(measured.value)
    );
    let Some(promised) = &fix.promised else {
        return format!(
            "what {} without failures would give is not predicted: {}; {gave}",
            fix.hop,
            fix.caveat.as_deref().unwrap_or_default()
        );
    };
    let mut text = format!(
        "{} without failures would give {} ({}, 99 %); {gave}: {}",
        fix.hop,
        gained(promised.value),
        gained_between(promised),
        agreement(fix),
    );
    if let Some(caveat) = &fix.caveat {
        text += "; the promise ";
        text += caveat;
    }
    text
}

const fn agreement(fix: &FixCheck) -> &'static str {
    match (fix.agrees, fix.differs) {
        (Some(true), false) => "they agree",
        (Some(true), true) => {
            "they do not agree; two more runs with a fresh seed agree, so this is taken as chance"
        }
        (Some(false), _) => "they do NOT agree",
        (None, true) => {
            "they do NOT agree; not final, this machine was too busy in one of the runs"
        }
        (None, false) => "not judged: this machine was too busy in one of the runs",
    }
}

/// How far a prediction can be trusted.
pub const fn class(class: Class) -> &'static str {
    match class {
        Class::Exact => "exact",
        Class::Approximate => "approximate",
        Class::Bound => "range",
        Class::NotPredicted => "not predicted",
    }
}

/// An availability in nines, and in the time lost in a year.
pub fn in_nines(availability: Probability) -> String {
    if availability == Probability::ONE {
        return "nothing was lost".to_owned();
    }
    let downtime = Downtime::of(availability, Period::Year);
    format!("{:.2} nines, down {downtime}", nines(availability))
}

/// Why the verdict is what it is; empty where the interval lies in promised bounds.
pub fn reason(result: &ScenarioResult) -> String {
    let broken = result.fix.as_ref().filter(|fix| fix.agrees == Some(false));
    let broken = broken.map(|fix| {
        let hop = &fix.hop;
        format!("a run without failures of {hop} did not give the promised gain")
    });
    let other = Some(reason_of_runs(result)).filter(|text| !text.is_empty());
    let all: Vec<_> = broken.into_iter().chain(other).collect();
    all.join("; ")
}

/// The same, but for the promise of a hop that never fails.
fn reason_of_runs(result: &ScenarioResult) -> String {
    let doubts = &result.judgement.doubts;
    match (doubts.is_empty(), result.is_judged_again()) {
        (false, _) => {
            let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
            doubts.join("; ")
        }
        (true, _) if is_promise(&result.plan) => String::new(),
        (true, false) => format!("{} the 99 % interval", inside(result.prediction.class)),
        (true, true) => {
            "a first run missed the prediction; this one, with a fresh seed, is judged at 99.9 %"
                .to_owned()
        }
    }
}

/// What lies in the interval if the prediction holds.
const fn inside(class: Class) -> &'static str {
    match class {
        Class::Exact => "the prediction lies in",
        Class::Approximate => "a value near enough to the prediction lies in",
        Class::Bound => "a part of the predicted range lies in",
        // Then there is a doubt, which is the reason.
        Class::NotPredicted => "",
    }
}

/// Whether runs are judged against stated bounds, and not against a prediction.
fn is_promise(plan: &Plan) -> bool {
    matches!(plan.expectation().availability, Expected::Within(_))
}

/// What ends a wait for nothing.
pub const fn limit(limit: Limit) -> &'static str {
    match limit {
        Limit::AttemptTimeout => "an attempt's time-out",
        Limit::Deadline => "the deadline",
        Limit::Patience => "the client's patience: it would be longer",
    }
}

/// How long a breaker is expected to stay open after an outage.
pub fn recovery(outage: &OutagePrediction) -> String {
    let (likely, most) = (outage.recovery_s * 1e3, outage.recovery_at_most_s * 1e3);
    format!("{}, at most {}", millis(likely), millis(most))
}

/// What a phase without a title is called: one without faults of its own.
const USUAL: &str = "as usual";

/// What a phase is called: its title, or the faults that make it differ from the usual.
pub fn phase_name(plan: &Plan, phase: &Phase) -> String {
    if let Some(title) = &phase.title {
        return title.clone();
    }
    let more = phase.faults.iter().skip(usual_faults(plan));
    let names: Vec<_> = more.map(|planned| &*planned.fault.id).collect();
    if names.is_empty() {
        return USUAL.to_owned();
    }
    names.join(", ")
}

/// Whether more goes wrong in the phase than all the time.
pub fn is_out_of_the_usual(plan: &Plan, phase: &Phase) -> bool {
    phase.faults.len() > usual_faults(plan)
}

fn usual_faults(plan: &Plan) -> usize {
    let faults = plan.phases().iter().map(|phase| phase.faults.len());
    faults.min().unwrap_or_default()
}

/// What the plan does about failures.
pub fn plan_policy(plan: &Plan) -> String {
    let first = plan.phases().first();
    first.map_or_else(String::new, |phase| policy(&phase.policy).join(", "))
}

/// What a scenario is called among those it is compared with: the title of the variant, or
/// what is done about failures.
pub fn called(result: &ScenarioResult) -> String {
    let title = result.variant.as_ref();
    let title = title.and_then(|variant| variant.title.clone());
    title.unwrap_or_else(|| plan_policy(&result.plan))
}

/// The same, where what matters is who stops waiting.
pub fn waiting_policy(result: &ScenarioResult) -> String {
    let policy = result.plan.phases().first().map(|phase| phase.policy);
    match policy {
        Some(policy) if policy == Policy::default() && result.variant.is_none() => {
            "nobody stops waiting".to_owned()
        }
        _ => called(result),
    }
}

/// What is done about failures, in a few words; each part on a line of its own if need be.
pub fn policy(policy: &Policy) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(timeout) = policy.attempt_timeout {
        parts.push(format!("time-out {}", duration(timeout)));
    }
    if let Some(deadline) = policy.deadline {
        parts.push(format!("deadline {}", duration(deadline)));
    }
    if let Some(retry) = &policy.retry {
        let settings = retry.settings();
        let what = if settings.propagated {
            "of all failures"
        } else {
            "where it failed"
        };
        let plural = if settings.retries == 1 { "y" } else { "ies" };
        parts.push(format!("{} retr{plural} {what}", settings.retries));
        if policy.client_retries {
            parts.push("by the client too".to_owned());
        }
        if let Some(budget) = &settings.budget {
            let (share, saved) = (budget.ratio * 100.0, budget.capacity);
            parts.push(format!("budget {share} % and {saved}"));
        }
    }
    if let Some(breaker) = &policy.breaker {
        parts.push(format!("circuit breaker ({})", rules(breaker.settings())));
    }
    parts.extend(remedies::of(policy));
    if parts.is_empty() {
        parts.push("nothing".to_owned());
    }
    parts
}

/// What opens a breaker.
fn rules(settings: &BreakerSettings) -> String {
    let in_a_row = settings.consecutive.map(|most| format!("{most} in a row"));
    let share = |rate: Option<f64>, of: &str| rate.map(|rate| format!("{} % {of}", rate * 100.0));
    let rules = [
        in_a_row,
        share(settings.failure_rate, "failed"),
        share(settings.slow_rate, "slow"),
    ];
    let rules: Vec<_> = rules.into_iter().flatten().collect();
    rules.join(", ")
}

/// Which chain was measured that somebody else has deployed.
pub(crate) fn deployed(deployed: &Deployed) -> String {
    let Deployed { target, traces, .. } = deployed;
    let clocks = deployed.clocks_apart_s.map(|apart| {
        format!(
            "; its clocks are up to {} from this machine's: outages come that much earlier or \
             later than predicted",
            millis(apart * 1e3)
        )
    });
    format!(
        "deployed at {target}; spans from the Jaeger at {traces}; its processor time is not known{}",
        clocks.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use availability::{Confidence, difference::Difference};

    #[test]
    fn clocks_that_are_apart_are_told_of_a_deployed_chain() {
        let mut chain = Deployed {
            target: "http://t/".to_owned(),
            traces: "http://j/".to_owned(),
            clocks_apart_s: None,
        };
        assert!(!deployed(&chain).contains("clocks"));
        chain.clocks_apart_s = Some(0.35);
        let told = deployed(&chain);
        assert!(
            told.contains("its clocks are up to 350.0 ms from this machine's"),
            "{told}"
        );
    }

    fn fix(agrees: Option<bool>, differs: bool) -> FixCheck {
        FixCheck {
            hop: "d".to_owned(),
            promised: Some(Gain {
                value: 0.1229,
                low: 0.102,
                high: 0.1466,
            }),
            measured: Difference {
                value: 0.162,
                low: 0.1256,
                high: 0.1978,
                level: Confidence::P99,
            },
            differs,
            agrees,
            caveat: None,
        }
    }

    #[test]
    fn a_promise_that_was_not_kept_is_said_to_disagree_whatever_it_assumes() {
        let mut kept = fix(Some(true), false);
        assert!(promise(&kept).ends_with("99 %): they agree"));
        kept.caveat = Some("assumes independent failures".to_owned());
        assert!(promise(&kept).ends_with("they agree; the promise assumes independent failures"));
        for agrees in [Some(false), None] {
            let mut broken = fix(agrees, true);
            broken.caveat = Some("assumes independent failures".to_owned());
            let text = promise(&broken);
            assert!(text.contains("they do NOT agree"), "{text}");
            assert!(
                text.ends_with("; the promise assumes independent failures"),
                "{text}"
            );
            assert!(
                !text.contains("not judged") && !text.contains("they agree"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_gain_that_is_not_predicted_is_never_said_to_agree() {
        let unknown = FixCheck {
            promised: None,
            agrees: None,
            caveat: Some("one run does not tell".to_owned()),
            ..fix(None, false)
        };
        let text = promise(&unknown);
        assert!(text.starts_with("what d without failures would give is not predicted: one run"));
        assert!(
            text.contains("a run without them gave +16.20") && !text.contains("agree"),
            "{text}"
        );
    }

    #[test]
    fn figures_that_differ_are_never_said_to_agree_without_a_word_on_the_second_runs() {
        let text = promise(&fix(Some(true), true));
        assert!(text.contains("they do not agree; two more runs with a fresh seed agree"));
        let text = promise(&fix(None, false));
        assert!(text.ends_with("not judged: this machine was too busy in one of the runs"));
    }

    #[test]
    fn a_rate_below_one_is_not_shown_as_none() {
        let text = "title = \"t\"\n[load]\nrate = 0.4\nrequests = 4\n[service.a]\n";
        let plan = scenario::parse("t.toml", text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(offered(&plan), "4 requests at 0.4/s, open model, seed 42");
    }

    #[test]
    fn numbers_carry_units_and_thousands_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "outage"), "1 outage");
        assert_eq!(counted(2_000, "outage"), "2,000 outages");
        assert_eq!([0, 1, 2].map(often), ["0 times", "once", "2 times"]);
        assert_eq!(percent(0.960_596_01), "96.06 %");
        assert_eq!(millis(3.21), "3.2 ms");
        assert_eq!(millis(5000.0), "5.00 s");
    }
}
