//! What the stores promise, tried on real databases.

mod absent;
mod connections;
mod failures;
mod log_only;
mod migrations;
mod silence;
mod spans;
mod waits;

use stores::{OpenError, Postgres, PostgresUrl, StoreUrl};
use testkit::postgres::Cluster;

/// Every service has a name; this one's is that of no other.
const SERVICE: &str = "test";

fn parse(url: &str) -> PostgresUrl {
    match url.parse() {
        Ok(StoreUrl::Postgres(url)) => url,
        other => panic!("{url}: {other:?}"),
    }
}

/// A store in a new database, with at most so many connections.
async fn store(cluster: &Cluster, connections: u32, steps: &[&'static str]) -> Postgres {
    let url = format!("{}&connections={connections}", cluster.database());
    open(&url, steps).await.unwrap()
}

async fn open(url: &str, steps: &[&'static str]) -> Result<Postgres, OpenError> {
    Postgres::open(&parse(url), SERVICE, steps).await
}
