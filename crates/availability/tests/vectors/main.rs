//! The formulas against numbers from a second implementation in another language, which
//! were themselves checked by simulation. Every vector must be used.

mod replicas_and_caches;
mod retries_and_breakers;

use availability::{
    Confidence, Method, Probability, Proportion, nines, power, redundancy,
    retry::{self, ChainForecast, FaultPlace, RetriedHop, RetryOn},
    series,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::time::Duration;

#[derive(Deserialize)]
struct Vector {
    name: String,
    inputs: Inputs,
    expected: f64,
    tolerance: f64,
}

#[derive(Deserialize)]
struct Inputs(Map<String, Value>);

impl Inputs {
    fn get<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.0[key].clone()).expect(key)
    }

    fn try_get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.0.get(key)?.clone()).ok()
    }

    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn seconds(&self, key: &str) -> Duration {
        Duration::from_secs_f64(self.get(key))
    }

    fn p(&self, key: &str) -> Probability {
        self.get(key)
    }

    fn list(&self, key: &str) -> Vec<Probability> {
        self.get(key)
    }

    fn hops(&self) -> Vec<RetriedHop> {
        let retries: Vec<u32> = self.get("m");
        let hop = |(failure, retries)| RetriedHop { failure, retries };
        self.list("p").into_iter().zip(retries).map(hop).collect()
    }

    fn nested(&self) -> ChainForecast {
        let place = self
            .0
            .get("fault")
            .map_or(FaultPlace::Entry, |_| self.get("fault"));
        let retry_on = self
            .0
            .get("retry_on")
            .map_or(RetryOn::All, |_| self.get("retry_on"));
        retry::nested(&self.hops(), place, retry_on)
    }

    fn proportion(&self) -> Proportion {
        Proportion::new(self.get("x"), self.get("n")).unwrap()
    }

    fn level(&self) -> Confidence {
        self.get("conf")
    }
}

#[derive(Deserialize)]
struct Stage {
    k: usize,
    a: Vec<Probability>,
}

fn mixed(inputs: &Inputs) -> f64 {
    let stages: Vec<Stage> = inputs.get("stages");
    series::availability(
        stages
            .iter()
            .map(|stage| redundancy::k_of_n(stage.k, &stage.a)),
    )
    .get()
}

/// Each hop doubled, or the whole chain.
fn redundant(inputs: &Inputs, whole: bool) -> f64 {
    let (hops, replicas): (usize, usize) = (inputs.get("N"), inputs.get("R"));
    let doubled = |one| redundancy::parallel(vec![one; replicas]);
    let chain = |hop| series::availability(vec![hop; hops]);
    let one = inputs.p("a");
    if whole {
        doubled(chain(one)).get()
    } else {
        chain(doubled(one)).get()
    }
}

/// Replicas down with probability q and failing transiently with probability t.
fn balanced(inputs: &Inputs) -> f64 {
    let up = series::availability([inputs.p("q").complement(), inputs.p("t").complement()]);
    redundancy::balanced_without_retry(&vec![up; inputs.get("R")]).get()
}

fn exact_power(inputs: &Inputs, requests: u64) -> f64 {
    let method = match inputs.get::<String>("method").as_str() {
        "wilson" => Method::Wilson,
        _ => Method::ClopperPearson,
    };
    let (truth, excluded) = (inputs.p("p_true"), inputs.p("p_excluded"));
    power::exact(requests, truth, excluded, method, inputs.level()).get()
}

/// Whether `requests` is the fewest from which the power stays above its target.
fn is_fewest(inputs: &Inputs, requests: u64) -> bool {
    let target: f64 = inputs.get("power");
    let reached = |n| exact_power(inputs, n) >= target;
    !reached(requests - 1) && (requests..=requests + 200).all(reached)
}

fn one_sample(inputs: &Inputs) -> f64 {
    let (p0, p1) = (inputs.p("p0"), inputs.p("p1"));
    let requests = power::requests_to_tell(p0, p1, inputs.level(), inputs.get("power")).unwrap();
    requests as f64
}

fn year_lost(inputs: &Inputs) -> f64 {
    nines::Downtime::of(inputs.p("A"), nines::Period::Year)
        .lost
        .as_secs_f64()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests"
)]
fn computed(
    Vector {
        name,
        inputs,
        expected,
        ..
    }: &Vector,
) -> f64 {
    match name.as_str() {
        n if n.starts_with("series.") => series::availability(inputs.list("a")).get(),
        n if n.starts_with("parallel.") => redundancy::parallel(inputs.list("a")).get(),
        n if n.starts_with("kofn.") => redundancy::k_of_n(inputs.get("k"), &inputs.list("a")).get(),
        "mixed" => mixed(inputs),
        "component_redundancy" => redundant(inputs, false),
        "system_redundancy" => redundant(inputs, true),
        "lb.noretry" => balanced(inputs),
        "retry.success" => retry::success(inputs.p("p"), inputs.get("m")).get(),
        "retry.attempts" => retry::expected_attempts(inputs.p("p"), inputs.get("m")),
        "orch.success" => retry::orchestrated(&inputs.hops()).availability().get(),
        "orch.deepest_calls" => retry::orchestrated(&inputs.hops()).deepest_visits(),
        "nested.loss" => inputs.nested().availability().complement().get(),
        n if n.starts_with("nested.") && n.ends_with("success") => {
            inputs.nested().availability().get()
        }
        n if n.starts_with("nested.") && n.ends_with("deepest_calls") => {
            inputs.nested().deepest_visits()
        }
        n if n.starts_with("amplification.worst.") => inputs.nested().deepest_visits(),
        n if n.starts_with("inclusive.") => {
            let own: Vec<_> = inputs.list("p").iter().map(|p| p.complement()).collect();
            series::availability(own.into_iter().skip(inputs.get("hop"))).get()
        }
        "nines" => nines::nines(inputs.p("A")),
        n if n.starts_with("downtime_s_per_365d.") => year_lost(inputs),
        "wilson.low" => inputs.proportion().wilson(inputs.level()).low.get(),
        "wilson.high" => inputs.proportion().wilson(inputs.level()).high.get(),
        "cp.low" => inputs
            .proportion()
            .clopper_pearson(inputs.level())
            .low
            .get(),
        "cp.high" => inputs
            .proportion()
            .clopper_pearson(inputs.level())
            .high
            .get(),
        n if n.starts_with("n.onesample.") => one_sample(inputs),
        n if n.starts_with("n.exact.") => {
            if is_fewest(inputs, *expected as u64) {
                *expected
            } else {
                f64::NAN
            }
        }
        n if n.starts_with("power.") => exact_power(inputs, inputs.get("n")),
        other => retries_and_breakers::computed(other, inputs)
            .or_else(|| replicas_and_caches::computed(other, inputs))
            .unwrap_or_else(|| panic!("no test uses the vector {other}")),
    }
}

#[test]
fn every_vector_is_reproduced() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    for vector in &vectors {
        let computed = computed(vector);
        let Vector {
            name,
            expected,
            tolerance,
            ..
        } = vector;
        assert!(
            (computed - expected).abs() <= *tolerance,
            "{name}: {computed} is not {expected}"
        );
    }
}

#[test]
fn the_approximate_power_matches_the_approximate_size() {
    let (p0, p1) = (
        Probability::new(0.96).unwrap(),
        Probability::new(0.95).unwrap(),
    );
    for level in [Confidence::P99, Confidence::P999] {
        for wanted in [Confidence::P90, Confidence::P95, Confidence::P99] {
            let enough = power::requests_to_tell(p0, p1, level, wanted).unwrap();
            assert!(power::at(enough, p0, p1, level) >= wanted.into());
            assert!(power::at(enough - 1, p0, p1, level) < wanted.into());
        }
    }
}
