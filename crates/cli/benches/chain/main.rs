//! What the whole costs: the real chain beside a bare one of the same shape.
//!
//! `cargo bench -p cli --bench chain` measures, in one run,
//! - CPU per request of gateway, auth, profile and database with everything on, against plain
//!   axum and reqwest that do the same work; target: at most 1.6 times as much,
//! - where the difference goes: the same chain without export, and without sampling,
//! - the chain on PostgreSQL beside the one on SQLite, where PostgreSQL is installed,
//! - the same with two replicas of every service and all that goes with them,
//! - a request that is refused beside one of 1 ms that is served; target: at most a tenth,
//! - resident memory of each service after 20,000 and 100,000 requests.
//!
//! | module | what it is |
//! |---|---|
//! | `bare` | the bare chain: this program again, as `--bare ROLE` |
//! | `chain` | the four services of either kind, as processes |
//! | `load` | logins, and the lab's load generator |
//! | `process` | CPU and memory of a process, as the kernel counts them |
//! | `cpu` | the rounds, interleaved, and their table |
//! | `engines` | SQLite beside PostgreSQL, and their table |
//! | `refusal` | a request refused beside one served |
//! | `memory` | the long run, and its table |
//! | `rounds` | disturbed rounds, repeated and counted |
//! | `spread` | least, median and most of several rounds |
//!
//! What is measured decides nothing: a missed target is said, and only a failure to measure
//! is a failure. A round in which a request was lost or spans came late, because the machine was
//! busy with something else, is repeated; the output says how many were. A shorter run,
//! `-- --quick`, tells whether the benchmark works, no more.

mod bare;
mod chain;
mod cpu;
mod engines;
mod load;
mod memory;
mod process;
mod refusal;
mod rounds;
mod spread;
mod trouble;

use chain::Ground;
use clap::Parser;
use std::{error::Error, process::ExitCode};
use traces::{Receiver, ReceiverOptions};
use trouble::Trouble;

/// CPU and memory of the chain, beside a bare chain of the same shape
#[derive(Debug, Parser)]
struct Args {
    /// A short run that tells whether the benchmark works; its figures say little
    #[arg(long)]
    quick: bool,
    /// Given by `cargo bench`; without it, as under `cargo test --benches`, the run is short.
    #[arg(long, hide = true)]
    bench: bool,
    /// Given to every process of a chain.
    #[arg(long, hide = true)]
    supervised: bool,
    /// Given to every process of a chain; a bare one listens where it likes.
    #[arg(long, hide = true)]
    listen: Option<String>,
    /// The same.
    #[arg(long, hide = true)]
    admin: Option<String>,
    #[command(flatten)]
    bare: bare::Settings,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.bare.role {
        Some(role) => bare::run(role, args.bare),
        None => measure(args.quick || !args.bench),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&*error),
    }
}

#[tokio::main]
async fn measure(quick: bool) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("nines-bench-").tempdir()?;
    let size = cpu::Size::new(quick);
    // Each measurement is made and shown, also if the machine was too busy for one before.
    let mut done = Vec::new();
    done.push(cpu::measure(&ground(&folder).await?, &size).await);
    done.push(refusal::measure(&ground(&folder).await?, &size).await);
    done.push(engines::measure(ground(&folder).await?, &size).await);
    // Spans are kept until the receiver goes: the long run gets one of its own.
    let size = memory::Size::new(quick);
    done.push(memory::measure(&ground(&folder).await?, &size).await);
    Ok(done.into_iter().collect::<Result<(), Trouble>>()?)
}

async fn ground(folder: &tempfile::TempDir) -> Result<Ground, Trouble> {
    let loopback = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let receiver = Receiver::start(loopback, ReceiverOptions::default()).await?;
    Ok(Ground {
        folder: folder.path().to_owned(),
        receiver,
        databases: Vec::new(),
    })
}

fn fail(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        eprintln!("  because: {error}");
        source = error.source();
    }
    ExitCode::FAILURE
}
