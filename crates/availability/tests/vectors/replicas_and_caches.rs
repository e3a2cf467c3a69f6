//! Vectors of replicas that fail together, hedges, caches and failover.

use super::Inputs;
use availability::{
    Dependency, Probability,
    cache::{self, Kept},
    correlated::{self, Placed},
    failover::{self, Detection, Standby},
    hedge, redundancy,
};
use statrs::distribution::{ContinuousCDF, LogNormal};
use std::time::Duration;

/// What the vector `name` comes to, if it is one of these.
pub(super) fn computed(name: &str, inputs: &Inputs) -> Option<f64> {
    Some(match name.split('.').next()? {
        "hedge" => hedged(name, inputs),
        "beta" => by_beta(name, inputs),
        "betabinomial" => {
            let n = inputs.get("R");
            correlated::in_random_environment(n, inputs.p("p"), inputs.p("rho")).get()
        }
        "zones" => in_zones(inputs),
        "loadshare" => sharing(inputs),
        "soft" => softly(name, inputs),
        "cache" | "stale" | "cache_equals_replica" => cached(name, inputs),
        "ttl" => in_time(name, inputs),
        "detect_mean" | "false_failover_probes" => detected(name, inputs),
        "ap" => standing_by(name, inputs),
        "aa" => all_active(inputs),
        _ => return None,
    })
}

fn hedged(name: &str, inputs: &Inputs) -> f64 {
    let (median, sigma): (f64, f64) = (inputs.get("median"), inputs.get("sigma"));
    let hang: f64 = inputs.get("hang");
    let latency = LogNormal::new(median.ln(), sigma).unwrap();
    let tail = |time: Duration| {
        let late = latency.sf(time.as_secs_f64() * 1e3);
        Probability::new(hang + (1.0 - hang) * late).unwrap()
    };
    let millis = |key| Duration::from_secs_f64(inputs.get::<f64>(key) / 1e3);
    let limit = if inputs.has("T") {
        millis("T")
    } else {
        Duration::MAX
    };
    let hedged = hedge::forecast(tail, millis("delay"), limit);
    if name.ends_with("extra_load") {
        hedged.extra_load.get()
    } else {
        hedged.missed.get()
    }
}

fn by_beta(name: &str, inputs: &Inputs) -> f64 {
    let (p, beta) = (inputs.p("p"), inputs.p("beta"));
    match name {
        "beta.correlation" => correlated::pairwise(p, beta),
        "beta.ceiling" => correlated::split(p, beta).common.complement().get(),
        _ => correlated::k_of_n(inputs.get("k"), inputs.get("R"), p, beta).get(),
    }
}

fn in_zones(inputs: &Inputs) -> f64 {
    let placement: Vec<Vec<usize>> = inputs.get("placement");
    let services = inputs.list("p").into_iter().zip(placement);
    let services: Vec<_> = services
        .map(|(failure, groups)| Placed { failure, groups })
        .collect();
    correlated::in_groups(&inputs.list("c"), &services).get()
}

fn sharing(inputs: &Inputs) -> f64 {
    let needed = correlated::enough_for(inputs.get("load"), inputs.get("capacity")).unwrap();
    let replicas: usize = inputs.get("R");
    redundancy::k_of_n(needed, &vec![inputs.p("a"); replicas]).get()
}

fn softly(name: &str, inputs: &Inputs) -> f64 {
    let soft = cache::soft(inputs.p("A_rest"), inputs.p("a_dep"), inputs.p("fallback"));
    match name {
        n if n.ends_with("degraded") => soft.degraded.get(),
        n if n.ends_with("degraded_of_success") => soft.degraded.get() / soft.answered.get(),
        _ => soft.answered.get(),
    }
}

fn cached(name: &str, inputs: &Inputs) -> f64 {
    match name {
        "cache.dep_load" => cache::load(inputs.p("h"), inputs.p("c")).get(),
        "cache.availability" => {
            cache::read_through(inputs.p("a"), inputs.p("h"), inputs.p("c")).get()
        }
        // As good as a second replica: the hits h at which both come to the same.
        "cache_equals_replica.h" => {
            let a = inputs.p("a");
            let pair = redundancy::parallel([a; 2]).get();
            let same = cache::read_through(a, a, Probability::ONE).get();
            assert!((pair - same).abs() < 1e-12);
            a.get()
        }
        _ => {
            let kept = cache::stale_on_error(inputs.p("a"), inputs.p("h"), inputs.p("s"));
            if name == "stale.stale" {
                kept.degraded.get()
            } else {
                kept.answered.get()
            }
        }
    }
}

fn in_time(name: &str, inputs: &Inputs) -> f64 {
    let stale = inputs.try_get("stale_window").unwrap_or(0.0);
    let kept = Kept {
        fresh: inputs.seconds("ttl"),
        stale: Duration::from_secs_f64(stale),
        rate: inputs.get("rate"),
    };
    let service = if inputs.has("mttf") {
        inputs.dependency()
    } else {
        // It never goes down, as far as anybody can tell.
        let ages = Duration::from_secs(1_000_000_000_000);
        Dependency::new(ages, Duration::from_millis(1)).unwrap()
    };
    let seen = cache::in_outages(service, &kept).unwrap();
    match name {
        n if n.ends_with("stale") => seen.stale.get(),
        n if n.ends_with("fresh_hit") || n.ends_with("hit_ratio") => seen.fresh.get(),
        _ => seen.answered.get(),
    }
}

fn detected(name: &str, inputs: &Inputs) -> f64 {
    if name == "detect_mean" {
        let (every, timeout) = (inputs.seconds("interval"), inputs.seconds("probe_timeout"));
        let detection = Detection::new(every, inputs.get("misses"), timeout);
        return detection.mean().as_secs_f64();
    }
    let second = Duration::from_secs(1);
    let detection = Detection::new(second, inputs.get("k"), second);
    detection.heartbeats_to_false_alarm(inputs.p("p")).unwrap()
}

fn standing_by(name: &str, inputs: &Inputs) -> f64 {
    let uncovered = inputs.try_get("mttr_uncovered").unwrap_or(0.0);
    let pair = Standby {
        unit: inputs.dependency(),
        detection: inputs.seconds("detection"),
        takeover: inputs.seconds("rto"),
        failing: inputs.get("standby_failure_factor"),
        coverage: inputs.p("coverage"),
        uncovered: Duration::from_secs_f64(uncovered),
    };
    if name.ends_with("first_order") {
        failover::active_passive_roughly(&pair).get()
    } else {
        failover::active_passive(&pair).get()
    }
}

fn all_active(inputs: &Inputs) -> f64 {
    let (replicas, retries) = (inputs.get("R"), inputs.get("m"));
    failover::active_active(
        inputs.dependency(),
        inputs.seconds("detection"),
        replicas,
        retries,
    )
    .get()
}
