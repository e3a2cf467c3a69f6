//! CPU per request on PostgreSQL beside SQLite: rounds at both in turn, and their table.
//!
//! SQLite works inside the service; PostgreSQL's own processes are counted apart.

use crate::{
    chain::{Chain, Ground, Kind, SERVICES},
    cpu::{RATE, SETTLE, Size, one},
    load::Sender,
    process::family_cpu_us,
    rounds::Rounds,
    spread::Spread,
    trouble::Trouble,
};
use testkit::postgres::Cluster;
use tokio::time::sleep;

/// CPU per request in microseconds, on SQLite and on PostgreSQL.
struct Round {
    sqlite: [f64; SERVICES.len()],
    postgres: [f64; SERVICES.len()],
    /// Of PostgreSQL's own processes.
    server: f64,
}

/// Measures and prints, where PostgreSQL is installed.
pub async fn measure(mut ground: Ground, size: &Size) -> Result<(), Trouble> {
    let Some(cluster) = Cluster::start(true) else {
        return Ok(());
    };
    ground.databases = SERVICES.map(|_| cluster.database()).into();
    let sqlite = Chain::start(Kind::Real, &ground).await?;
    let postgres = Chain::start(Kind::Postgres, &ground).await?;
    let rounds = rounds([&sqlite, &postgres], &cluster, &ground, size).await;
    sqlite.stop().await;
    postgres.stop().await;
    rounds?.show(|rounds| print(rounds, size))
}

async fn rounds(
    [sqlite, postgres]: [&Chain; 2],
    cluster: &Cluster,
    ground: &Ground,
    size: &Size,
) -> Result<Rounds<Round>, Trouble> {
    let senders = [
        Sender::log_in(sqlite).await?,
        Sender::log_in(postgres).await?,
    ];
    senders[0].warm_up(sqlite, size.warm_up, RATE).await?;
    senders[1].warm_up(postgres, size.warm_up, RATE).await?;
    sleep(SETTLE).await;
    let server = || family_cpu_us(cluster.server_pid()).ok_or_else(no_server);
    Rounds::measure(size.rounds, async |number| {
        eprintln!("round {number} of {}: SQLite, then PostgreSQL", size.rounds);
        let costs = one(sqlite, &senders[0], ground, size.requests).await?;
        let before = server()?;
        Ok(Round {
            sqlite: costs,
            postgres: one(postgres, &senders[1], ground, size.requests).await?,
            // The turn has a tenth more requests than are counted, to open connections.
            server: (server()? - before) / (size.requests + size.requests / 10) as f64,
        })
    })
    .await
}

fn no_server() -> Trouble {
    Trouble::Gone("PostgreSQL".to_owned())
}

fn print(rounds: &[Round], size: &Size) {
    println!();
    println!(
        "CPU per request in µs by engine: medians of {} rounds of {} requests, {RATE} a second",
        rounds.len(),
        size.requests
    );
    println!("{:10}{:>10}{:>12}", "", "SQLite", "PostgreSQL");
    let row = |name: &str, cost: &dyn Fn(&[f64; SERVICES.len()]) -> f64| {
        let median = |of: fn(&Round) -> &[f64; SERVICES.len()]| {
            Spread::of(rounds.iter().map(|round| cost(of(round)))).median()
        };
        let (sqlite, postgres) = (
            median(|round| &round.sqlite),
            median(|round| &round.postgres),
        );
        println!("{name:10}{sqlite:>10.1}{postgres:>12.1}");
    };
    for (at, service) in SERVICES.iter().enumerate() {
        row(service, &|costs| costs[at]);
    }
    row("all four", &sum);
    let server = Spread::of(rounds.iter().map(|round| round.server)).median();
    println!("{:10}{:>10}{server:>12.1}", "server", "");
    let ratio = |round: &Round| sum(&round.postgres) / sum(&round.sqlite);
    let with_server = |round: &Round| (sum(&round.postgres) + round.server) / sum(&round.sqlite);
    let (services, all) = (rounds.iter().map(ratio), rounds.iter().map(with_server));
    println!(
        "services on PostgreSQL : on SQLite, least – median – most: {:.2}",
        Spread::of(services)
    );
    println!("the same with the server: {:.2}", Spread::of(all));
}

fn sum(costs: &[f64; SERVICES.len()]) -> f64 {
    costs.iter().sum()
}
