//! Completion in shells. The script that `nines completions` prints asks this program, so that
//! names of scenarios, files and the services of a running chain complete.

use crate::{args, scenarios};
use clap_complete::{
    CompleteEnv, CompletionCandidate, PathCompleter, Shell, engine::ValueCompleter, env::Shells,
};
use lab::running::RunningChain;
use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

/// The environment variable in which the script says for which shell it asks.
const VARIABLE: &str = "NINES_COMPLETE";

/// Answers a shell that asks for completions, and ends the program; returns if none asks.
pub fn answer() {
    CompleteEnv::with_factory(args::described)
        .var(VARIABLE)
        .complete();
}

/// The script for `shell`, which asks the program that is running now.
pub fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let program = std::env::args_os().next();
    let program = program.unwrap_or_else(|| OsString::from("nines"));
    let name = shell.to_string();
    let completer = Shells::builtins();
    let completer = completer
        .completer(&name)
        .ok_or_else(|| io::Error::other(format!("{name}: there is no such completion")))?;
    let mut script = Vec::new();
    let program = program_to_ask(&program)?;
    completer.write_registration(VARIABLE, "nines", "nines", &program, &mut script)?;
    Ok(script)
}

/// A program that was found on the path is found there again; any other by its full path.
fn program_to_ask(program: &OsStr) -> io::Result<String> {
    let path = Path::new(program);
    let full = if path.components().count() > 1 {
        std::path::absolute(path)?
    } else {
        PathBuf::from(path)
    };
    Ok(full.to_string_lossy().into_owned())
}

/// Built-in scenarios and scenario files that start with `current`.
pub fn scenarios(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_scenario = |path: &Path| path.extension().is_some_and(|it| it == "toml");
    let files = PathCompleter::any().filter(is_scenario).complete(current);
    let mut all = built_in(current);
    all.extend(files);
    all
}

/// Built-in scenarios that start with `current`.
pub fn built_in(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let fits = scenarios::titles().filter(|(name, _)| name.starts_with(&*current));
    fits.map(|(name, title)| CompletionCandidate::new(name).help(Some(title.into())))
        .collect()
}

/// The services of the chain that `nines up` keeps running in the current folder, if one does.
pub fn services() -> Vec<CompletionCandidate> {
    let chain = RunningChain::read(Path::new(args::CHAIN));
    let services = chain.map(|chain| chain.services).unwrap_or_default();
    services.into_keys().map(CompletionCandidate::new).collect()
}
