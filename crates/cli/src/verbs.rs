//! What can be done: a module for each verb, or for those that belong together.

mod compare;
mod demo;
mod describe;
mod fault;
mod load;
mod new;
mod policy;
mod predict;
mod probe;
mod run;
mod serve;
mod stack;
mod up;

use crate::{
    args::{Serve, Verb},
    exit, scenarios,
};
use std::process::ExitCode;

/// Does what `verb` asks for; how it ended.
pub fn carry_out(verb: Verb) -> ExitCode {
    let done = match verb {
        Verb::Demo { seed, lab } => demo::demo(seed, &lab),
        Verb::Run {
            scenarios,
            all,
            deployed,
            overrides,
            lab,
        } => run::run((&scenarios, all), &overrides, &deployed, &lab),
        Verb::Predict {
            scenarios,
            overrides,
            json,
        } => predict::predict(&scenarios, &overrides, json),
        Verb::Up(up) => up::up(&up),
        Verb::Fault(fault) => fault::fault(&fault),
        Verb::Policy(policy) => policy::policy(&policy),
        Verb::Load(load) => load::load(&load),
        Verb::Probe { url, timeout } => probe::probe(&url, timeout),
        Verb::Compare {
            before,
            after,
            json,
        } => compare::compare(&before, &after, json),
        Verb::Serve(Serve { service }) => return serve::serve(service),
        Verb::Stack => Ok(stack::print()),
        Verb::List { json } => Ok(scenarios::list(json)),
        Verb::New { file, full, from } => new::new(&file, full, from.as_deref()),
        Verb::Schema => Ok(describe::schema()),
        Verb::Completions { shell } => describe::completions(shell),
        Verb::Man { verb, dir } => describe::man(&verb, dir.as_deref()),
    };
    exit::code(done)
}
