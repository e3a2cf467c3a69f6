//! The vectors of retries, budgets, outages and breakers.

use super::Inputs;
use availability::{
    Dependency, Probability,
    breaker::{self, Breaker},
    budget::{self, BudgetForecast, Deposit, TokenBucket},
    omission::LossyCall,
    outage::{self, Failures},
    outages,
    replicas::{self, ReplicatedHop},
    retry,
    throttle::Throttle,
    trips,
};
use std::num::NonZeroU32;

/// The value of the vector `name`, if it is one of these.
pub fn computed(name: &str, inputs: &Inputs) -> Option<f64> {
    let (topic, rest) = name.split_once('.')?;
    Some(match topic {
        "replica_retry" | "quasistatic" | "attempt_availability" => on_replicas(name, inputs),
        "budget" => budgeted(rest, inputs),
        "grpc" => throttled(rest, inputs),
        "amplification" => budget::worst_amplification(inputs.get("b"), inputs.get("layers")),
        "omission" => lossy(rest, inputs),
        "dependency" => inputs.dependency().availability().get(),
        "outage" => in_outage(rest, inputs),
        "outages" => of_systems(rest, inputs),
        "breaker" => behind_breaker(rest, inputs),
        "consec" => trips::calls_to_failures_in_a_row(inputs.p("p"), inputs.get("k")),
        "sliding" => {
            let (window, failures) = (inputs.get("window"), inputs.get("failures"));
            trips::calls_to_full_window(inputs.p("p"), window, failures).unwrap()
        }
        _ => return None,
    })
}

impl Inputs {
    pub(super) fn dependency(&self) -> Dependency {
        Dependency::new(self.seconds("mttf"), self.seconds("mttr")).unwrap()
    }

    fn failures(&self) -> Failures {
        if self.has("eu") {
            let (up, down) = (self.p("eu"), self.p("ed"));
            Failures { up, down }
        } else {
            Failures::HARD
        }
    }

    fn pauses(&self, key: &str) -> Vec<std::time::Duration> {
        let seconds: Vec<f64> = self.get(key);
        let duration = std::time::Duration::from_secs_f64;
        seconds.into_iter().map(duration).collect()
    }

    fn breaker(&self) -> Breaker {
        let key = if self.has("k") { "k" } else { "failures" };
        let in_a_row = NonZeroU32::new(self.get(key)).unwrap();
        Breaker::new(self.get("rate"), in_a_row, self.seconds("T")).unwrap()
    }
}

/// A number that stands alone, or one per hop.
fn each<T: serde::de::DeserializeOwned>(inputs: &Inputs, key: &str) -> Vec<T> {
    match inputs.try_get(key) {
        Some(list) => list,
        None => vec![inputs.get(key)],
    }
}

fn on_replicas(name: &str, inputs: &Inputs) -> f64 {
    let (q, t): (Vec<Probability>, Vec<_>) = (each(inputs, "q"), each(inputs, "t"));
    let (replicas, retries) = (each(inputs, "R"), each(inputs, "m"));
    let hop = |i: usize| ReplicatedHop {
        down: q[i],
        transient: t[i],
        replicas: replicas[i],
        retries: retries[i],
    };
    let chain: Vec<_> = (0..q.len()).map(hop).collect();
    let forecast = replicas::forecast(&chain, inputs.get("mode")).unwrap();
    let deepest = *forecast.attempts.last().unwrap();
    match name {
        n if n.starts_with("attempt_availability") => forecast.call.get() / deepest,
        n if n.ends_with(".attempts") || n.ends_with(".deepest_calls") => deepest,
        _ => forecast.call.get(),
    }
}

fn budgeted(name: &str, inputs: &Inputs) -> f64 {
    let (failure, retries) = (inputs.p("p"), inputs.get("m"));
    let deposit: Deposit = inputs.get("deposit");
    let BudgetForecast {
        call,
        attempts_per_call,
    } = if name.contains("fluid") {
        budget::fluid(failure, retries, inputs.get("b"), deposit)
    } else {
        let tokens: u32 = inputs.get("bucket_tokens");
        let bucket = TokenBucket {
            deposit: 1,
            price: 10,
            capacity: 10 * tokens,
        };
        bucket.forecast(failure, retries, deposit).unwrap()
    };
    if name.ends_with("attempts") {
        attempts_per_call
    } else {
        call.get()
    }
}

fn throttled(name: &str, inputs: &Inputs) -> f64 {
    let most: u32 = inputs.get("maxTokens");
    let throttle = Throttle {
        loss: 10,
        gain: 1,
        most: 10 * most,
    };
    let (call, attempts) = throttle.forecast(inputs.p("p"), inputs.get("m")).unwrap();
    if name.ends_with("attempts") {
        attempts
    } else {
        call.get()
    }
}

fn lossy(name: &str, inputs: &Inputs) -> f64 {
    let call = LossyCall {
        request_lost: inputs.p("loss_request"),
        answer_lost: inputs.p("loss_response"),
        failure: inputs.p("p"),
        retries: inputs.get("m"),
    };
    match name {
        "success" => call.success().get(),
        "executions" => call.executions(),
        "duplicate_prob" => call.duplicated().get(),
        unused => panic!("no test uses {unused}"),
    }
}

fn in_outage(name: &str, inputs: &Inputs) -> f64 {
    let period = || Dependency::new(inputs.seconds("up"), inputs.seconds("down")).unwrap();
    let pauses = || inputs.pauses("gaps");
    let loop_of = |seen: fn(_, _, _) -> Option<Probability>| {
        let (up, down) = (inputs.seconds("latency_up"), inputs.seconds("latency_down"));
        seen(inputs.dependency(), up, down).unwrap()
    };
    let value = match name {
        "naive_iid" => retry::success(inputs.p("p"), inputs.get("m")),
        "periodic" => outage::retried_with_fixed_period(period(), &pauses()).unwrap(),
        "full_jitter" => {
            let ceilings = inputs.pauses("caps");
            outage::retried_with_jitter(inputs.dependency(), Failures::HARD, &ceilings)
        }
        "crash_inflight" => outage::without_crash(inputs.dependency(), inputs.seconds("x")),
        "quasistatic_error_bound" => {
            outage::error_if_taken_as_fixed(inputs.dependency(), inputs.seconds("W"))
        }
        n if n.starts_with("window_bound") => {
            outage::best_within(inputs.dependency(), inputs.seconds("W"))
        }
        n if n.starts_with("det_repair") => {
            outage::retried_with_fixed_repair(inputs.dependency(), &pauses()).unwrap()
        }
        n if n.starts_with("closed_loop") && n.ends_with("limit") => {
            loop_of(outage::seen_in_fast_closed_loop)
        }
        n if n.starts_with("closed_loop") => loop_of(outage::seen_in_closed_loop),
        _ => outage::retried(inputs.dependency(), inputs.failures(), &pauses()),
    };
    value.get()
}

fn of_systems(name: &str, inputs: &Inputs) -> f64 {
    let outages = if name.starts_with("series") {
        let (up, down) = (inputs.pauses("mttf"), inputs.pauses("mttr"));
        let pairs = up.into_iter().zip(down);
        let units: Vec<_> = pairs
            .map(|(up, down)| Dependency::new(up, down).unwrap())
            .collect();
        outages::in_series(&units).unwrap()
    } else {
        outages::of_a_pair(inputs.dependency())
    };
    match name {
        n if n.rsplit('.').next() == Some("A") => outages.availability.get(),
        n if n.ends_with("mean_up") => outages.mean_up_s,
        _ => outages.mean_down_s,
    }
}

fn behind_breaker(name: &str, inputs: &Inputs) -> f64 {
    let dependency = inputs.dependency();
    if name == "latency.without" {
        let up = dependency.availability().get();
        let (ok, failure): (f64, f64) = (inputs.get("l_ok"), inputs.get("l_timeout"));
        return up * ok + (1.0 - up) * failure;
    }
    let breaker = inputs.breaker();
    let silence = if inputs.has("timeout") {
        inputs.seconds("timeout")
    } else {
        std::time::Duration::ZERO
    };
    let first_order = || breaker::first_order(&breaker, dependency, silence);
    let exact = || breaker::forecast(&breaker, dependency, inputs.failures());
    match name {
        "latency.with" => exact().mean_latency_s(
            inputs.seconds("l_ok"),
            inputs.seconds("l_timeout"),
            inputs.seconds("l_short"),
        ),
        n if n.ends_with("without") => breaker::without(dependency, inputs.failures()).get(),
        n if n.ends_with("availability.first_order") => first_order().availability.get(),
        n if n.ends_with("failures_per_outage.first_order") => first_order().admitted_per_outage,
        n if n.ends_with("corrected") => {
            breaker::with_spurious_trips(&breaker, dependency, silence).get()
        }
        n if n.ends_with("short") => exact().refused.get(),
        n if n.ends_with("admitted_while_down") => exact().admitted_while_down.get(),
        _ => exact().availability.get(),
    }
}
