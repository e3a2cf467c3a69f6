//! The `nines` command: one binary that is every role.

mod args;
mod demo;
mod describe;
mod exit;
mod interrupt;
mod new;
mod output;
mod predict;
mod progress;
mod run;
mod say;
mod scenarios;
mod serve;
mod stack;

use args::{Args, Verb};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let done = match args.verb {
        Verb::Demo(lab) => demo::demo(&lab),
        Verb::Run { scenarios, lab } => run::run(&scenarios, &lab),
        Verb::Predict { scenarios, json } => predict::predict(&scenarios, json),
        Verb::Serve { service, args } => return serve::serve(service, args),
        Verb::Stack => Ok(stack::print()),
        Verb::List => Ok(scenarios::list()),
        Verb::New { file } => new::new(&file),
        Verb::Schema => Ok(describe::schema()),
        Verb::Completions { shell } => Ok(describe::completions(shell)),
        Verb::Man => Ok(describe::man()),
    };
    exit::code(done)
}
