//! The `nines` command: one binary that is every role.

mod args;
mod compare;
mod demo;
mod describe;
mod exit;
mod fault;
mod interrupt;
mod load;
mod new;
mod output;
mod policy;
mod predict;
mod progress;
mod remote;
mod run;
mod say;
mod scenarios;
mod serve;
mod stack;
mod up;

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
        Verb::Up(up) => up::up(&up),
        Verb::Fault(fault) => fault::fault(&fault),
        Verb::Policy(policy) => policy::policy(&policy),
        Verb::Load(load) => load::load(&load),
        Verb::Compare {
            before,
            after,
            json,
        } => compare::compare(&before, &after, json),
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
