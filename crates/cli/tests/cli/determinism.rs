//! The same seed gives the same injected faults, request by request.

use super::run_scenario;
use std::{collections::BTreeSet, fs};
use testkit::Sandbox;

fn scenario(seed: u64, rate: u32) -> String {
    format!(
        r#"
title = "seeded"
seed = {seed}
[load]
rate = {rate}
requests = 600
[chain]
hops = ["auth", "profile", "database"]
[faults.every]
kind = "error"
probability = 0.1
"#
    )
}

/// The service, request and fault of every fault injected in a run.
fn injected(seed: u64, rate: u32) -> BTreeSet<(String, String, String)> {
    let sandbox = Sandbox::new().unwrap();
    run_scenario(&sandbox, &scenario(seed, rate), &["--spans", "all"]);
    let spans = traces::read_jsonl(&sandbox.path().join("out/latest/s.spans.jsonl"))
        .unwrap()
        .spans;
    let lines = fs::read_to_string(sandbox.path().join("out/latest/s.spans.jsonl")).unwrap();
    assert!(lines.contains("nines.fault.id"));
    let of = |span: &traces::Span| {
        let fault = span.fault_id.as_ref()?.to_string();
        let request = span.request.as_ref()?.to_string();
        Some((span.service.to_string(), request, fault))
    };
    spans.iter().filter_map(of).collect()
}

#[test]
fn the_same_seed_hits_the_same_requests_whatever_the_order_of_arrival() {
    let (first, second) = (injected(7, 300), injected(7, 900));
    assert!(first.len() > 100, "{}", first.len());
    assert_eq!(first, second);
}

#[test]
fn another_seed_hits_others() {
    let strip = |hits: BTreeSet<(String, String, String)>| -> BTreeSet<(String, String)> {
        let number = |request: String| request.split('-').next_back().map(str::to_owned);
        hits.into_iter()
            .filter_map(|(hop, request, _)| Some((hop, number(request)?)))
            .collect()
    };
    assert_ne!(strip(injected(7, 900)), strip(injected(8, 900)));
}
