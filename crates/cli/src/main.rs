//! The `nines` command: one binary that is every role.

mod args;
mod complete;
mod exit;
mod folder;
mod interrupt;
mod json;
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
    // A shell asks for completions by an environment variable: that comes before all else.
    complete::answer();
    match Args::try_parse() {
        Ok(args) => verbs::carry_out(args.verb),
        Err(error) => exit::usage(&error),
    }
}
