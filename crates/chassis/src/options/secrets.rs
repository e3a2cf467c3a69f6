//! Settings that hold a secret are not taken from the command line, which every user of the
//! machine can read.

use super::settings;
use clap::{Arg, ArgMatches, Command, error::ErrorKind, parser::ValueSource};
use std::ffi::OsStr;
use url::Url;

/// Refuses a token on the command line, and a URL with a password.
pub(super) fn refuse_shown(command: &Command, given: &ArgMatches) -> Result<(), clap::Error> {
    let shows = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        let is_flag = given.value_source(id) == Some(ValueSource::CommandLine);
        let raw = given.get_raw(id).into_iter().flatten();
        is_flag && (is_token(arg) || raw.into_iter().any(has_password))
    };
    let Some(flag) = settings(command).find(shows).and_then(Arg::get_long) else {
        return Ok(());
    };
    let what = format!(
        "--{flag}: every user of this machine sees the secret in it; allowed: the environment or the file that --config names"
    );
    Err(command.clone().error(ErrorKind::ValueValidation, what))
}

/// Whether the value may hold a secret: then it is shown in no help and in no error.
pub(super) fn may_be_secret(arg: &Arg) -> bool {
    arg.is_hide_env_values_set()
}

fn is_token(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().any(|name| name == "TOKEN")
}

fn has_password(text: &OsStr) -> bool {
    let url = text.to_str().and_then(|text| text.parse::<Url>().ok());
    url.is_some_and(|url| {
        url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password")
    })
}
