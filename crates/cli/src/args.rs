//! What can be asked for.

mod chain;
mod deployed;
mod load;
mod overrides;
mod policy;
mod serve;

use crate::complete;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCompleter, Shell};
use std::{path::PathBuf, time::Duration};
use url::Url;

pub use chain::{CHAIN, Fault, FaultChange, FaultSet, Scope, Up, Where};
pub use deployed::Deployed;
pub use load::Load;
pub use overrides::Overrides;
pub use policy::{Policy, PolicyChange, PolicyFlags, PolicySet};
pub use serve::{Serve, Service, described};

/// Nines shows where your nines go: a chain of REST services whose availability is
/// predicted, measured from OpenTelemetry traces, and explained
#[derive(Debug, Parser)]
#[command(name = "nines", version, after_help = EXIT_CODES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    all is fine
  1    an expectation failed, or a comparison found something worse
  2    bad input: a flag, a file, a scenario, a name that is not there
  3    the environment does not allow it: a port, a folder, a service that does not answer
  4    inconclusive: no expectation failed, and a run or a load could not have told
  130  interrupted";

/// The verbs.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one for each process")]
pub enum Verb {
    /// The main job, within 90 seconds: four services that are up 99 % of the time, then
    /// five, then a chain of twelve, then what time-outs, retries and circuit breakers do
    Demo {
        /// Draw faults and arrivals from this seed, in place of the scenarios' own
        #[arg(long, value_name = "SEED")]
        seed: Option<String>,
        /// How to run.
        #[command(flatten)]
        lab: Lab,
    },
    /// Run scenarios on real processes: predicted beside measured, with a verdict
    Run {
        /// Scenario files, or names of built-in scenarios (see `nines list`)
        #[arg(
            required_unless_present = "all",
            value_name = "SCENARIO",
            add = ArgValueCompleter::new(complete::scenarios)
        )]
        scenarios: Vec<String>,
        /// Run all built-in scenarios: some twenty minutes
        #[arg(long, conflicts_with = "scenarios")]
        all: bool,
        /// Where to run.
        #[command(flatten)]
        deployed: Deployed,
        /// What to change.
        #[command(flatten)]
        overrides: Overrides,
        /// How to run.
        #[command(flatten)]
        lab: Lab,
    },
    /// Predict a scenario's result without running it
    Predict {
        /// Scenario files, or names of built-in scenarios (see `nines list`)
        #[arg(
            required = true,
            value_name = "SCENARIO",
            add = ArgValueCompleter::new(complete::scenarios)
        )]
        scenarios: Vec<String>,
        /// What to change.
        #[command(flatten)]
        overrides: Overrides,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Keep a chain running, for curl, load generators and Jaeger, until Ctrl-C
    Up(Up),
    /// Show the faults of a running chain, or change them
    Fault(Fault),
    /// Show the policies of a running chain, or replace them
    Policy(Policy),
    /// Send load to any HTTP service and show what its users would have found
    Load(Load),
    /// Ask a service once whether it is well: exit code 0 for a status 2xx, 1 for any other, 3
    /// for no answer. For health checks where there is neither a shell nor curl
    Probe {
        /// What to ask, for example <http://127.0.0.1:9090/readyz>
        url: Url,
        /// How long an answer is waited for
        #[arg(long, default_value = "2s", value_parser = millis, value_name = "DURATION")]
        timeout: Duration,
    },
    /// Compare two results: exit code 1 if availability got worse, or an expectation that
    /// held fails now
    Compare {
        /// The result.json of before
        before: PathBuf,
        /// The result.json of after
        after: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Run one service until it is stopped
    #[command(arg_required_else_help = true, disable_help_subcommand = true)]
    Serve(Serve),
    /// Print the layers that every request and every call passes, outermost first
    Stack,
    /// List the built-in scenarios
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a scenario to start from: some twenty lines that run as they are
    New {
        /// The file, which must not exist yet
        file: PathBuf,
        /// Write the file that shows every key, with comments, instead
        #[arg(long, conflicts_with = "from")]
        full: bool,
        /// Write a copy of this built-in scenario instead (see `nines list`)
        #[arg(
            long,
            value_name = "NAME",
            add = ArgValueCompleter::new(complete::built_in)
        )]
        from: Option<String>,
    },
    /// Print the JSON Schema of scenarios, for editors
    Schema,
    /// Print a script that completes this command line in a shell: for bash,
    /// `source <(nines completions bash)` in ~/.bashrc
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page, or write all of them to a folder
    Man {
        /// Whose page, such as `policy set`; that of `nines` if none is named
        #[arg(value_name = "VERB")]
        verb: Vec<String>,
        /// Write the pages of all verbs to this folder; `man -l FOLDER/nines-run.1` shows one
        #[arg(long, conflicts_with = "verb", value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

/// How scenarios are run.
#[derive(Debug, ClapArgs)]
pub struct Lab {
    /// The folder for results: each command writes into a folder of its own in it, and
    /// `latest`, `report.html` and `result.json` in it lead to the newest
    #[arg(long, default_value = "out", value_name = "FOLDER")]
    pub out: PathBuf,
    /// Forward all spans to this OTLP endpoint as well, for example <http://127.0.0.1:4318>
    #[arg(long, value_name = "URL")]
    pub otlp: Option<Url>,
    /// The Jaeger that people open: each trace that the report shows links to it. Where it is
    /// sent none, the spans must be forwarded to it (--otlp); the default is that of --traces
    #[arg(long, value_parser = deployed::web, value_name = "URL")]
    pub jaeger: Option<Url>,
    /// Which spans to write: a sample of whole traces, or all of them
    #[arg(long, default_value = "sample", value_name = "WHICH")]
    pub spans: Spans,
    /// How long the users' tokens are good.
    #[command(flatten)]
    pub tokens: Tokens,
    /// Run each scenario so many times more, with other seeds: how much of a result is chance
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1000), value_name = "COUNT")]
    pub repeat: u32,
    /// Run each scenario once more, in which this service never fails: does that give what
    /// the first run promised?
    #[arg(long, value_name = "SERVICE")]
    pub fix: Option<String>,
    /// Write the verdicts to this file as well, as JUnit's XML, which build servers show
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print the results as JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// The users' tokens in a chain that is started here.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub struct Tokens {
    /// How long the users' tokens are good; each is renewed before it expires
    #[arg(long, default_value = "24h", value_parser = millis, value_name = "DURATION")]
    pub token_lifetime: Duration,
}

/// Which spans to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spans {
    /// A fair sample of whole traces, small enough for Jaeger's upload.
    Sample,
    /// All of them.
    All,
}

/// A duration above zero that is a whole number of milliseconds, as whoever is told of it
/// counts them.
fn millis(text: &str) -> Result<Duration, String> {
    let duration = chassis::options::positive(text)?;
    if duration.subsec_nanos().is_multiple_of(1_000_000) {
        Ok(duration)
    } else {
        Err("finer than a millisecond; allowed: whole milliseconds, such as 2ms".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, described, millis};
    use clap::CommandFactory;
    use std::time::Duration;

    #[test]
    fn a_duration_that_would_be_cut_is_refused() {
        assert_eq!(millis("1s 2ms"), Ok(Duration::from_millis(1_002)));
        for cut in ["1500us", "500us", "1ns"] {
            assert!(millis(cut).unwrap_err().contains("whole milliseconds"));
        }
        assert!(millis("0ms").is_err());
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
        described().debug_assert();
    }
}
