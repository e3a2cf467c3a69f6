//! Resident memory of the real services: little, and flat.

use crate::{
    chain::{Chain, Ground, Kind, SERVICES},
    load::Sender,
    rounds::Rounds,
    trouble::Trouble,
};
use std::time::Duration;
use tokio::time::sleep;
use types::service::AUTH;

/// The most that a service should need, in megabytes.
const TARGET_MB: f64 = 40.0;
/// The most that it should grow between the two looks.
const TARGET_GROWTH: f64 = 0.10;
/// What auth keeps for hashing passwords, once somebody has logged in: one thread times the
/// default cost of 19,456 KiB, in megabytes. It is bounded by a setting and not part of the
/// target, which is about requests.
const HASHING_MB: f64 = 19_456.0 * 1024.0 / 1e6;
/// One is enough: memory does not depend on what else the machine does.
const ROUNDS: usize = 1;
/// Until the last spans are sent.
const SETTLE: Duration = Duration::from_secs(1);

/// How long to measure: so many requests before the first look, and before the second.
#[derive(Debug)]
pub struct Size {
    first: u64,
    second: u64,
}

impl Size {
    /// Short or long.
    pub const fn new(quick: bool) -> Self {
        let (first, second) = if quick {
            (1000, 3000)
        } else {
            (20_000, 100_000)
        };
        Self { first, second }
    }
}

/// Measures and prints.
pub async fn measure(ground: &Ground, size: &Size) -> Result<(), Trouble> {
    let rounds = Rounds::measure(ROUNDS, async |_| {
        let chain = Chain::start(Kind::Real, ground).await?;
        let looks = looks(&chain, size).await;
        chain.stop().await;
        looks
    });
    rounds.await?.show(|rounds| {
        for (first, second) in rounds {
            print(first, second, size);
        }
    })
}

type Look = [f64; SERVICES.len()];

async fn looks(chain: &Chain, size: &Size) -> Result<(Look, Look), Trouble> {
    let sender = Sender::log_in(chain).await?;
    eprintln!("memory: {} requests", size.first);
    sender.send_at_once(chain, size.first).await?;
    sleep(SETTLE).await;
    let first = chain.resident_mb()?;
    eprintln!("memory: {} requests", size.second);
    sender.send_at_once(chain, size.second - size.first).await?;
    sleep(SETTLE).await;
    Ok((first, chain.resident_mb()?))
}

fn print(first: &Look, second: &Look, size: &Size) {
    println!();
    println!("Resident memory in MB after so many requests, as many a second as are answered");
    println!(
        "{:10}{:>10}{:>10}{:>10}",
        "", size.first, size.second, "growth"
    );
    let mut met = true;
    for (service, (first, second)) in SERVICES.iter().zip(first.iter().zip(second)) {
        let apart = if *service == AUTH { HASHING_MB } else { 0.0 };
        let (first, second) = (first - apart, second - apart);
        let growth = second / first - 1.0;
        met &= first <= TARGET_MB && second <= TARGET_MB && growth <= TARGET_GROWTH;
        println!(
            "{service:10}{first:>10.1}{second:>10.1}{:>8.1} %",
            growth * 100.0
        );
    }
    println!("auth without the {HASHING_MB:.1} MB that its thread for passwords keeps");
    println!();
    println!(
        "target at most {TARGET_MB} MB and {:.0} % growth: {}",
        TARGET_GROWTH * 100.0,
        if met { "met" } else { "missed" }
    );
}
