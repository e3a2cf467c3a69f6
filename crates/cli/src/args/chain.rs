//! What can be asked for of a chain that is kept running.

use crate::complete;
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};
use faults::FaultKind;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use url::Url;

/// The default of `--chain`: where `nines up` writes it.
pub const CHAIN: &str = "out/chain.json";

/// `nines up`.
#[derive(Debug, Args)]
pub struct Up {
    /// A scenario file, or the name of a built-in scenario: its chain, with the faults and the
    /// policy of its first phase; a healthy chain if not given
    #[arg(value_name = "SCENARIO", add = ArgValueCompleter::new(complete::scenarios))]
    pub scenario: Option<String>,
    /// Where the edge listens; the system chooses a port if not given
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Send all spans to this OTLP endpoint, for example <http://127.0.0.1:4318>
    #[arg(long, value_name = "URL")]
    pub otlp: Option<Url>,
    /// How long the users' tokens are good.
    #[command(flatten)]
    pub tokens: super::Tokens,
    /// The folder for chain.json, which tells other commands where the chain is
    #[arg(long, default_value = "out", value_name = "FOLDER")]
    pub out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which running chain is meant.
#[derive(Debug, Args)]
pub struct Where {
    /// The file that `nines up` keeps while its chain runs
    #[arg(
        long,
        global = true,
        default_value = CHAIN,
        value_name = "FILE"
    )]
    pub chain: PathBuf,
    /// The admin listener of one service instead, for example <http://127.0.0.1:9090>; the
    /// token comes from the environment variable `NINES_ADMIN_TOKEN`
    #[arg(long, global = true, conflicts_with = "chain", value_name = "URL")]
    pub admin: Option<Url>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// `nines fault`.
#[derive(Debug, Args)]
pub struct Fault {
    /// What to change; without it, the faults in force are shown.
    #[command(subcommand)]
    pub change: Option<FaultChange>,
    /// Where.
    #[command(flatten)]
    pub at: Where,
}

/// Changes of the faults in force.
#[derive(Debug, Subcommand)]
pub enum FaultChange {
    /// Inject a fault into a service, beside those of other names
    Set(FaultSet),
    /// Take all faults away, from these services or from all
    Clear {
        /// The services; all if none is named
        #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(complete::services))]
        services: Vec<String>,
    },
}

/// A fault to be injected.
#[derive(Debug, Args)]
pub struct FaultSet {
    /// The service
    #[arg(add = ArgValueCandidates::new(complete::services))]
    pub service: String,
    /// What happens to a request that is hit
    #[arg(value_parser = PossibleValuesParser::new(FaultKind::WORDS))]
    pub kind: String,
    /// How often a request is hit, from 0 to 1
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    pub probability: f64,
    /// How long a fault of kind `delay` holds a request
    #[arg(long, value_parser = super::millis, value_name = "DURATION")]
    pub delay: Option<Duration>,
    /// For how long one draw holds
    #[arg(long, default_value = "attempt")]
    pub scope: Scope,
    /// The mean time between outages; the fault then acts only in outages
    #[arg(long, requires = "down", value_parser = super::millis, value_name = "DURATION")]
    pub up: Option<Duration>,
    /// The mean length of an outage
    #[arg(long, requires = "up", value_parser = super::millis, value_name = "DURATION")]
    pub down: Option<Duration>,
    /// The fault's name; a fault of this name is replaced. Its kind if not given
    #[arg(long)]
    pub name: Option<String>,
}

/// For how long one draw of a fault holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Every attempt draws anew.
    Attempt,
    /// All attempts of a request share one draw.
    Request,
}
