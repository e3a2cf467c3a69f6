//! CPU per request: rounds at every chain in turn, and their table.
//!
//! All chains run all the time, and take turns under load, so that whatever else slows the
//! machine down slows all of them. Each round is compared with its neighbour.

use crate::{
    chain::{Chain, Ground, Kind, SERVICES},
    load::Sender,
    rounds::Rounds,
    spread::Spread,
    trouble::Trouble,
};
use std::time::Duration;
use tokio::time::sleep;

/// The most that the real chain should cost, as a multiple of the bare one.
const TARGET: f64 = 1.6;
/// The most that all policies together should cost, as a multiple of the chain without.
const TARGET_OF_POLICIES: f64 = 1.08;
/// The same of two replicas a hop with all policies.
const TARGET_OF_REPLICAS: f64 = 1.10;
/// Requests a second: a load that leaves two cores room for generator and receiver.
pub const RATE: f64 = 1000.0;
/// Spans wait half a second for their batch to fill; sending them is part of the cost.
pub const SETTLE: Duration = Duration::from_secs(1);
/// Four spans of requests received, three of calls, three of attempts, and one statement each of
/// profile and database.
const SPANS_PER_REQUEST: u64 = 12;

/// How long to measure.
#[derive(Debug)]
pub struct Size {
    /// How often every chain has its turn.
    pub rounds: usize,
    /// Requests in each turn.
    pub requests: u64,
    /// Requests before all turns.
    pub warm_up: u64,
}

impl Size {
    /// Short or long.
    pub const fn new(quick: bool) -> Self {
        let (rounds, requests, warm_up) = if quick {
            (2, 500, 200)
        } else {
            (5, 4000, 2000)
        };
        Self {
            rounds,
            requests,
            warm_up,
        }
    }
}

/// Measures and prints.
pub async fn measure(ground: &Ground, size: &Size) -> Result<(), Trouble> {
    let mut chains = Vec::new();
    for kind in Kind::ALL {
        chains.push(Chain::start(kind, ground).await?);
    }
    let rounds = rounds(&chains, ground, size).await;
    for chain in chains {
        chain.stop().await;
    }
    rounds?.show(|rounds| print(rounds, size))
}

/// CPU per request in microseconds: for every round, every chain and every service.
type Round = [[f64; SERVICES.len()]; Kind::ALL.len()];

async fn rounds(chains: &[Chain], ground: &Ground, size: &Size) -> Result<Rounds<Round>, Trouble> {
    // The first chain is a real one: a bare one has no login.
    let sender = Sender::log_in(&chains[0]).await?;
    for chain in chains {
        eprintln!("warming up the {}", chain.kind().name());
        sender.warm_up(chain, size.warm_up, RATE).await?;
    }
    sleep(SETTLE).await;
    Rounds::measure(size.rounds, async |number| {
        let mut round = Round::default();
        for (costs, chain) in round.iter_mut().zip(chains) {
            eprintln!("round {number} of {}: {}", size.rounds, chain.kind().name());
            *costs = one(chain, &sender, ground, size.requests).await?;
        }
        Ok(round)
    })
    .await
}

/// One turn of a chain: CPU per request in microseconds, for every service.
pub async fn one(
    chain: &Chain,
    sender: &Sender,
    ground: &Ground,
    requests: u64,
) -> Result<[f64; SERVICES.len()], Trouble> {
    // Connections that were idle meanwhile are closed: opening them is no part of the cost.
    sender.send(chain, requests / 10, RATE).await?;
    sleep(SETTLE).await;
    let (before, spans_before) = (chain.cpu_us()?, ground.receiver.received());
    sender.send(chain, requests, RATE).await?;
    sleep(SETTLE).await;
    let mut costs = chain.cpu_us()?;
    for (cost, before) in costs.iter_mut().zip(before) {
        *cost = (*cost - before) / requests as f64;
    }
    let spans = ground.receiver.received() - spans_before;
    let least = match chain.kind() {
        Kind::Guarded | Kind::Replicated | Kind::Real | Kind::Postgres => SPANS_PER_REQUEST,
        _ => 0,
    };
    if spans < requests * least {
        return Err(Trouble::SpansMissing {
            spans,
            requests,
            least,
        });
    }
    Ok(costs)
}

fn print(rounds: &[Round], size: &Size) {
    println!();
    println!(
        "CPU per request in µs, user and system: medians of {} rounds of {} requests, {RATE} a second",
        rounds.len(),
        size.requests
    );
    println!(
        "{:10}{:>10}{:>10}{:>10}{:>12}{:>13}{:>10}{:>14}",
        "", "replicas", "policies", "real", "no export", "no sampling", "bare", "real : bare"
    );
    for (at, service) in SERVICES.iter().enumerate() {
        row(service, rounds, |costs| costs[at]);
    }
    row("all four", rounds, sum);
    println!();
    verdict(rounds);
    println!();
    attribution(rounds);
}

fn row(name: &str, rounds: &[Round], cost: impl Fn(&[f64; SERVICES.len()]) -> f64) {
    let median = |kind| Spread::of(rounds.iter().map(|round| cost(of(round, kind)))).median();
    let (real, bare) = (median(Kind::Real), median(Kind::Bare));
    println!(
        "{name:10}{:>10.1}{:>10.1}{real:>10.1}{:>12.1}{:>13.1}{bare:>10.1}{:>14.2}",
        median(Kind::Replicated),
        median(Kind::Guarded),
        median(Kind::NoExport),
        median(Kind::NoSampling),
        real / bare
    );
}

fn verdict(rounds: &[Round]) {
    compare(rounds, ("real", Kind::Real), ("bare", Kind::Bare), TARGET);
    compare(
        rounds,
        ("all policies", Kind::Guarded),
        ("real", Kind::Real),
        TARGET_OF_POLICIES,
    );
    compare(
        rounds,
        ("two replicas a hop, all policies", Kind::Replicated),
        ("real", Kind::Real),
        TARGET_OF_REPLICAS,
    );
}

/// The ratio of two chains, round by round, and whether it meets its target.
fn compare(
    rounds: &[Round],
    (name, one): (&str, Kind),
    (other_name, other): (&str, Kind),
    target: f64,
) {
    let ratio = |round| sum(of(round, one)) / sum(of(round, other));
    let ratios = Spread::of(rounds.iter().map(ratio));
    let met = if ratios.median() <= target {
        "met"
    } else {
        "missed"
    };
    println!("{name} : {other_name}, least – median – most of all rounds: {ratios:.2}");
    println!("target at most {target}: {met}");
}

/// Where the difference goes, by what is left out from one chain to the next. From the
/// cheapest round of each: whatever else a machine does meanwhile can only add to a cost.
fn attribution(rounds: &[Round]) {
    let least = |kind| Spread::of(rounds.iter().map(|round| sum(of(round, kind)))).least();
    println!("where the difference goes, in µs per request, from the cheapest round of each");
    let parts = [
        ("replicas", Kind::Replicated, Kind::Guarded),
        ("all policies", Kind::Guarded, Kind::Real),
        ("export of spans", Kind::Real, Kind::NoExport),
        ("recording of spans", Kind::NoExport, Kind::NoSampling),
        ("rest of the chassis", Kind::NoSampling, Kind::Bare),
        ("in all", Kind::Real, Kind::Bare),
    ];
    for (what, with, without) in parts {
        println!("{what:22}{:>8.1}", least(with) - least(without));
    }
    println!(
        "the rest: trace context, identity, metrics, limits, deadlines, faults, checks of names"
    );
}

/// The costs of one chain.
fn of(round: &Round, kind: Kind) -> &[f64; SERVICES.len()] {
    let at = Kind::ALL.iter().position(|known| *known == kind);
    &round[at.unwrap_or_default()]
}

fn sum(costs: &[f64; SERVICES.len()]) -> f64 {
    costs.iter().sum()
}
