//! One request through the chain before the load: its trace tells which services it met.

use super::differences::differs;
use crate::LabError;
use reqwest::header::AUTHORIZATION;
use scenario::{Name, Plan, Topology};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep};
use traces::{Jaeger, TraceId, decode};
use types::with_sources;
use url::Url;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long its spans may take to arrive: services send them in batches.
const ARRIVE: Duration = Duration::from_secs(20);
/// How often the request is tried: one may meet a connection that has just been closed.
const TRIES: u32 = 3;
/// How often its spans are looked for, and the pause before the next try.
const POLL: Duration = Duration::from_millis(500);

/// Sends one request and waits until its trace holds all services of the way, or tells which
/// it does not.
pub(super) async fn through(
    target: &Url,
    jaeger: &Jaeger,
    plan: &Plan,
    token: Option<&str>,
) -> Result<(), LabError> {
    let trace = send(target, plan.topology(), token).await?;
    let wanted: BTreeSet<String> = on_the_way(plan).iter().map(ToString::to_string).collect();
    let deadline = Instant::now() + ARRIVE;
    loop {
        let seen = services(jaeger, trace).await?;
        if wanted.is_subset(&seen) {
            return no_others(target, plan, &seen);
        }
        if Instant::now() > deadline {
            return missing(target, jaeger, &wanted, &seen);
        }
        sleep(POLL).await;
    }
}

/// The services that a request passes whatever it asks for.
fn on_the_way(plan: &Plan) -> BTreeSet<Name> {
    let topology = plan.topology();
    let mut found = BTreeSet::new();
    let mut next = vec![topology.edge()];
    while let Some(service) = next.pop() {
        next.extend(topology.awaited(&service).cloned());
        found.insert(service);
        next.retain(|service| !found.contains(service));
    }
    found
}

/// The trace of the first request that is answered well.
async fn send(target: &Url, topology: &Topology, token: Option<&str>) -> Result<TraceId, LabError> {
    let mut sent = send_once(target, topology, token).await;
    for _ in 1..TRIES {
        if sent.is_ok() {
            break;
        }
        sleep(POLL).await;
        sent = send_once(target, topology, token).await;
    }
    sent
}

async fn send_once(
    target: &Url,
    topology: &Topology,
    token: Option<&str>,
) -> Result<TraceId, LabError> {
    let path = match topology {
        Topology::Graph { .. } => "/v1/relay",
        Topology::Sequence { .. } => "/v1/me",
    };
    let url = format!("{}{path}", target.as_str().trim_end_matches('/'));
    let trace = rand::random::<u128>() | 1;
    let span = rand::random::<u64>() | 1;
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()?;
    let mut request = client
        .get(&url)
        .header("traceparent", format!("00-{trace:032x}-{span:016x}-01"));
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let answer = request.send().await;
    match answer.and_then(reqwest::Response::error_for_status) {
        Ok(_) => {
            TraceId::new(trace).ok_or_else(|| LabError::Broken("a trace id of zero".to_owned()))
        }
        Err(error) => Err(LabError::Target {
            url,
            why: with_sources(&error),
        }),
    }
}

async fn services(jaeger: &Jaeger, trace: TraceId) -> Result<BTreeSet<String>, LabError> {
    let spans = jaeger.trace(trace).await?.map(|trace| decode(&trace).spans);
    let spans = spans.unwrap_or_default();
    Ok(spans.iter().map(|span| span.service.to_string()).collect())
}

/// A chain that has more services than the scenario's is another chain.
fn no_others(target: &Url, plan: &Plan, seen: &BTreeSet<String>) -> Result<(), LabError> {
    let services = plan.services();
    let planned = services.iter().map(ToString::to_string).collect();
    let others = joined(seen.difference(&planned));
    if others.is_empty() {
        return Ok(());
    }
    Err(differs(format!(
        "a request to {target} also passes through {others}; the scenario's chain is {}",
        joined(&planned)
    )))
}

fn missing(
    target: &Url,
    jaeger: &Jaeger,
    wanted: &BTreeSet<String>,
    seen: &BTreeSet<String>,
) -> Result<(), LabError> {
    let (seconds, url) = (ARRIVE.as_secs(), jaeger.url());
    if seen.is_empty() {
        return Err(differs(format!(
            "no span of a request to {target} came to the Jaeger at {url} within {seconds} s: \
             are the services told to send them there (OTEL_EXPORTER_OTLP_ENDPOINT)?"
        )));
    }
    Err(differs(format!(
        "within {seconds} s, the trace of a request to {target} showed spans of {}, and none of {}; \
         the scenario's chain is {}",
        joined(seen),
        joined(wanted.difference(seen)),
        joined(wanted)
    )))
}

fn joined<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.into_iter().map(String::as_str).collect();
    names.join(", ")
}
