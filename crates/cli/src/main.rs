//! The `nines` command: one binary that is every role.

mod args;
mod exit;
mod folder;
mod interrupt;
mod output;
mod progress;
mod remote;
mod say;
mod scenarios;
mod verbs;

use args::Args;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => verbs::carry_out(args.verb),
        Err(error) => error.exit(),
    }
}
