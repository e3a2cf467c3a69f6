//! Whoever is killed, whenever: no acknowledged write is lost, and none is done twice.
//!
//! A chain of real processes writes under load while a killer ends them (SIGKILL), at random
//! moments and at the points where a crash is hardest to survive, and starts them again. In
//! the end the records, the audit log and what the writers were told must agree.
//!
//! `NINES_KILLS` says how many kills there are for each engine, `NINES_KILL_SEED` which.

mod check;
mod killer;
mod writers;

use std::sync::Arc;
use testkit::{
    chain::{Chain, Engine},
    postgres::Cluster,
};
use tokio_util::sync::CancellationToken;

/// Enough to see each kind of kill in every run; `.ci/run` asks for more.
const KILLS: usize = 30;
/// With so many, each point has had its turn: a quarter of all kills are at points, one after
/// the other, and fewer than five of so many have a chance of less than 10⁻⁹.
const MANY: usize = 150;
const SEED: u64 = 42;

fn setting<T: std::str::FromStr>(name: &str, usual: T) -> T {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| {
        let wrong = || panic!("{name}: {text:?} is no number");
        text.parse().unwrap_or_else(|_| wrong())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_or_done_twice_on_sqlite() {
    survive(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_or_done_twice_on_postgresql() {
    if let Some(cluster) = Cluster::start(true) {
        survive(Engine::Postgres(cluster)).await;
    }
}

async fn survive(engine: Engine) {
    let chain = Arc::new(Chain::start(
        env!("CARGO_BIN_EXE_nines"),
        engine,
        |_, service| service,
    ));
    let stop = CancellationToken::new();
    let writing = writers::start(&chain, &stop).await;
    let (kills, seed) = (
        setting("NINES_KILLS", KILLS),
        setting("NINES_KILL_SEED", SEED),
    );
    let killing = chain.clone();
    let killed = tokio::task::spawn_blocking(move || killer::run(&killing, kills, seed));
    let killed = killed.await.unwrap();
    stop.cancel();
    let written = writing.await;
    let told = check::everything(&chain, &written).await;
    // Shown with `--nocapture`, and where it fails.
    println!("{kills} kills ({killed:?}), {told}");
    assert_eq!(killed.values().sum::<usize>(), kills);
    for (name, point) in killer::POINTS {
        let was_hit = killed.contains_key(&format!("{name} {point}"));
        assert!(was_hit || kills < MANY, "{name} never died {point}");
    }
    assert_eq!(chain.stop(), [Some(0); 5]);
}
