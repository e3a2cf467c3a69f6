//! Errors of values that are not valid: where each came from.

use super::{file::ConfigFile, secrets::may_be_secret, setting};
use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{error::Error, ffi::OsString};
use types::read::ReadError;

/// Adds where a bad value came from, unless it was a flag, which the user sees; and takes the
/// value out, if it may be a secret.
pub(super) fn explain(
    mut error: clap::Error,
    command: &Command,
    args: &[OsString],
    file: Option<&ConfigFile>,
) -> clap::Error {
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let long = name.trim_start_matches("--").split([' ', '=']).next();
    let long = long.unwrap_or_default().to_owned();
    let inner = error
        .source()
        .and_then(|source| source.downcast_ref::<ReadError>());
    let inner = inner.map(ReadError::path).unwrap_or_default();
    let source = source(&long, &inner, command, args, file);
    if setting(command, &long).is_some_and(may_be_secret) {
        return without_value(&error, &long, source, command);
    }
    if let Some(source) = source {
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![source.into()]),
        );
    }
    error
}

fn without_value(
    error: &clap::Error,
    long: &str,
    source: Option<String>,
    command: &Command,
) -> clap::Error {
    let what = format!("--{long}: the value is not shown, it may be a secret");
    let reason = error.source().map(ToString::to_string);
    let parts: Vec<_> = [Some(what), reason, source].into_iter().flatten().collect();
    let what = parts.join("; ");
    command.clone().error(ErrorKind::ValueValidation, what)
}

/// Where the setting `long` was given, whose part `inner` is wrong; nothing for a flag.
fn source(
    long: &str,
    inner: &str,
    command: &Command,
    args: &[OsString],
    file: Option<&ConfigFile>,
) -> Option<String> {
    let flag = format!("--{long}");
    let is_given = |arg: &OsString| arg.to_string_lossy().split('=').next() == Some(&flag);
    if args.iter().any(is_given) {
        return None;
    }
    let env = setting(command, long).and_then(Arg::get_env);
    match (env.filter(|env| std::env::var_os(env).is_some()), file) {
        (Some(env), _) => Some(format!(
            "the value came from the environment variable {}",
            env.to_string_lossy()
        )),
        (None, Some(file)) => Some(format!("the value came from {}", file.place(long, inner))),
        (None, None) => None,
    }
}
