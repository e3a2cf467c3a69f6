//! Configuration: flags, environment (`NINES_…`), TOML file, in this order of precedence.
//!
//! There is one declaration of each setting, the flag. `--deadline`, `NINES_DEADLINE` and
//! the key `deadline` of the file are the same setting, checked by the same parser, so that
//! an error reads the same wherever the value came from; it names the key and the source.

mod file;
mod secrets;
mod wrong;

use crate::Policy;
use clap::{Arg, ArgAction, Command, error::ErrorKind, parser::ValueSource};
use faults::{CrashAt, FaultSet};
use file::ConfigFile;
use resilience::{
    balance::BalancePolicy, bulkhead::LimitPolicy, cache::CachePolicy,
    circuit_breaker::BreakerPolicy, hedge::HedgePolicy, retry::RetryPolicy,
};
use serde::de::DeserializeOwned;
use std::{ffi::OsString, fmt, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};
use tracing_subscriber::EnvFilter;
use types::read::{self, ReadError};

/// What every service can be told.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "chassis")]
pub struct Options {
    /// Where the service listens; port 0 lets the system choose
    #[arg(
        long,
        env = "NINES_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Where probes, metrics, faults and policy listen
    #[arg(
        long,
        env = "NINES_ADMIN",
        default_value = "127.0.0.1:9090",
        value_name = "ADDRESS"
    )]
    pub admin: SocketAddr,
    /// The token needed to change faults and policy; without one they can only be read
    #[arg(
        long,
        env = "NINES_ADMIN_TOKEN",
        hide_env_values = true, value_parser = secret,
        value_name = "TOKEN"
    )]
    pub admin_token: Option<Secret>,
    /// The name of this replica; if not given, the name of the container (HOSTNAME), or the
    /// service's name and `-0`
    #[arg(long, env = "NINES_REPLICA", value_name = "NAME")]
    pub replica: Option<String>,
    /// Answers say how long each service took that was called for them (header `Server-Timing`)
    #[arg(
        long,
        env = "NINES_SERVER_TIMING",
        action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_value = "false", default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub server_timing: bool,
    /// Stands by until its caller makes it the active one, and then needs so long to take over
    #[arg(long, env = "NINES_TAKEOVER", value_parser = time, value_name = "DURATION")]
    pub takeover: Option<Duration>,
    /// Faults from the start, as JSON: {"seed":42,"faults":[{"id":"f","kind":"error","probability":0.01}]}
    #[arg(long, env = "NINES_FAULTS", value_parser = json::<FaultSet>, value_name = "JSON")]
    pub faults: Option<FaultSet>,
    /// The most time a request may take; also what it gets if its caller sets none
    #[arg(long, env = "NINES_DEADLINE", value_parser = positive, value_name = "DURATION")]
    pub deadline: Option<Duration>,
    /// How long one attempt of a call to another service may take
    #[arg(long, env = "NINES_ATTEMPT_TIMEOUT", value_parser = positive, value_name = "DURATION")]
    pub attempt_timeout: Option<Duration>,
    /// Tries failed calls to other services again: {"retries":2,"backoff":"25ms","budget":{"ratio":0.1}}
    #[arg(long, env = "NINES_RETRY", value_parser = json::<RetryPolicy>, value_name = "JSON")]
    pub retry: Option<RetryPolicy>,
    /// Stops calling a service that keeps failing: {"consecutive":5,"open":"1s"}
    #[arg(long, env = "NINES_BREAKER", value_parser = json::<BreakerPolicy>, value_name = "JSON")]
    pub breaker: Option<BreakerPolicy>,
    /// Which replica is called, and which ones are left alone: {"eject":{"consecutive":3},"check":{"every":"1s"}}
    #[arg(long, env = "NINES_BALANCE", value_parser = json::<BalancePolicy>, value_name = "JSON")]
    pub balance: Option<BalancePolicy>,
    /// Asks a second replica where the first is slow: {"delay":"50ms","budget":{"ratio":0.05}}
    #[arg(long, env = "NINES_HEDGE", value_parser = json::<HedgePolicy>, value_name = "JSON")]
    pub hedge: Option<HedgePolicy>,
    /// The most calls of one replica at once: {"max":16,"wait":"5ms"}
    #[arg(long, env = "NINES_BULKHEAD", value_parser = json::<LimitPolicy>, value_name = "JSON")]
    pub bulkhead: Option<LimitPolicy>,
    /// The most requests handled at once, stated or found out: {"max":64} or {"max":256,"adaptive":true}
    #[arg(long, env = "NINES_SHED", value_parser = json::<LimitPolicy>, value_name = "JSON")]
    pub shed: Option<LimitPolicy>,
    /// Remembers answers of other services: {"fresh":"1s","stale":"10s"}
    #[arg(long, env = "NINES_CACHE", value_parser = json::<CachePolicy>, value_name = "JSON")]
    pub cache: Option<CachePolicy>,
    /// The most connections at once; more wait until one ends, and idle ones end soon
    #[arg(
        long,
        env = "NINES_MAX_CONNECTIONS",
        default_value = "8192",
        value_name = "COUNT"
    )]
    pub max_connections: NonZeroUsize,
    /// The most requests handled at once; more are refused
    #[arg(
        long,
        env = "NINES_MAX_IN_FLIGHT",
        default_value = "8192",
        value_name = "COUNT"
    )]
    pub max_in_flight: NonZeroUsize,
    /// The largest request body accepted, in bytes
    #[arg(
        long,
        env = "NINES_MAX_BODY",
        default_value = "1048576",
        value_name = "BYTES"
    )]
    pub max_body: NonZeroUsize,
    /// How long requests under way may take to end once the service is told to stop
    #[arg(long, env = "NINES_DRAIN", value_parser = positive, default_value = "25s", value_name = "DURATION")]
    pub drain: Duration,
    /// Which log lines to write, in the syntax of `RUST_LOG`
    #[arg(long, env = "NINES_LOG", default_value = "info", value_parser = filter, value_name = "FILTER")]
    pub log: String,
    /// Dies at a named point: before-commit:3, after-commit:3, after-delivery:3
    #[arg(long, hide = true, env = "NINES_CRASH_AT", value_name = "POINT:COUNT")]
    pub crash_at: Option<CrashAt>,
    /// Print the addresses as a line of JSON, and stop when standard input ends
    #[arg(long, hide = true)]
    pub supervised: bool,
    /// A TOML file with any of these settings, for example `deadline = "1s"`
    #[arg(long, env = "NINES_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Options {
    /// The name of this replica of `service`. Containers that are started from one description
    /// have nothing but their host's name to tell them apart.
    pub(crate) fn replica(&self, service: &str) -> String {
        let host = || std::env::var("HOSTNAME").ok().filter(|it| !it.is_empty());
        let given = self.replica.clone();
        given
            .or_else(host)
            .unwrap_or_else(|| format!("{service}-0"))
    }

    /// What the service does about time and failures, until somebody replaces it.
    pub(crate) const fn policy(&self) -> Policy {
        Policy {
            attempt_timeout: self.attempt_timeout,
            deadline: self.deadline,
            retry: self.retry,
            breaker: self.breaker,
            balance: self.balance,
            hedge: self.hedge,
            bulkhead: self.bulkhead,
            shed: self.shed,
            cache: self.cache,
        }
    }
}

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A duration above zero, such as `250ms` or `1m 30s`.
pub fn positive(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => {
            Err("a duration above zero is needed; leave the setting out for none".to_owned())
        }
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!(
            "{error}; allowed: a duration such as 250ms or 1m 30s"
        )),
    }
}

/// A duration such as `250ms`, which may be none at all.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = |error| format!("{error}; allowed: a duration such as 0s, 250ms or 1m 30s");
    humantime::parse_duration(text).map_err(wrong)
}

/// A text that is there: an empty token would let everybody in who sends none.
fn secret(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("empty; allowed: any other text, or leave the setting out".to_owned());
    }
    Ok(Secret::from(text))
}

/// The syntax of `RUST_LOG`.
fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; allowed: a filter such as info or warn,auth=debug"
        )),
    }
}

/// A setting of many parts.
fn json<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    read::from_str(text)
}

/// The options in `args` (the first is the program's name), the environment, and the file
/// that `--config` names.
pub fn parse<O: clap::Parser>(args: &[OsString]) -> Result<O, clap::Error> {
    let command = O::command();
    // Errors are reported by the second parse, which knows every value.
    let given = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(args)?;
    let mut all = args.to_vec();
    secrets::refuse_shown(&command, &given)?;
    let path = given.try_get_one::<PathBuf>("config").ok().flatten();
    let file = path.map(|path| ConfigFile::read(path)).transpose();
    let file = file.map_err(|wrong| command.clone().error(ErrorKind::ValueValidation, wrong))?;
    if let Some(file) = &file {
        let already = |id: &str| {
            matches!(
                given.value_source(id),
                Some(ValueSource::CommandLine | ValueSource::EnvVariable)
            )
        };
        let flags = file.flags(&command, &already);
        all.extend(
            flags.map_err(|wrong| command.clone().error(ErrorKind::ValueValidation, wrong))?,
        );
    }
    O::try_parse_from(all).map_err(|error| wrong::explain(error, &command, args, file.as_ref()))
}

fn setting<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    settings(command).find(|arg| arg.get_long() == Some(key))
}

fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| arg.get_action().takes_values() && arg.get_id() != "config")
}

/// Whether the setting is written as JSON, for which a file may have a table.
fn takes_json(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().any(|name| name == "JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Debug, clap::Parser)]
    struct TestOptions {
        #[command(flatten)]
        chassis: Options,
        #[arg(long)]
        store: String,
        #[arg(long, hide_env_values = true)]
        port: Option<u16>,
    }

    fn parse_with(file: &str, flags: &[&str]) -> Result<TestOptions, String> {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(file.as_bytes()).unwrap();
        let path = config.path().to_str().unwrap().to_owned();
        let args = ["test", "--config", &path]
            .into_iter()
            .chain(flags.iter().copied());
        parse(&args.map(OsString::from).collect::<Vec<_>>()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let file = "deadline = \"2s\"\nmax-in-flight = 7\nstore = \"from-file\"";
        let options = parse_with(file, &["--deadline", "1s"]).unwrap();
        assert_eq!(options.chassis.deadline, Some(Duration::from_secs(1)));
        assert_eq!(options.chassis.max_in_flight.get(), 7);
        assert_eq!(options.store, "from-file");
        assert_eq!(options.chassis.max_body.get(), 1 << 20);
    }

    #[test]
    fn an_error_names_the_key_where_it_came_from_and_what_is_allowed() {
        let cases = [
            (
                "deadlin = \"1s\"\nstore = \"s\"",
                vec!["unknown key `deadlin`: did you mean `deadline`? (line 1, column 1)"],
            ),
            (
                "store = \"s\"\nelephant = 1",
                vec![
                    "unknown key `elephant`; allowed: listen, ",
                    "(line 2, column 1)",
                ],
            ),
            (
                "deadline = \"0s\"\nstore = \"s\"",
                vec![
                    "--deadline",
                    "above zero",
                    "key `deadline` in",
                    "(line 1, column 1)",
                ],
            ),
            (
                "max-in-flight = 0\nstore = \"s\"",
                vec!["--max-in-flight", "key `max-in-flight` in"],
            ),
            (
                "listen = \"nowhere\"\nstore = \"s\"",
                vec!["--listen", "nowhere"],
            ),
            (
                "store = {}",
                vec!["key `store`", "a text", "(line 1, column 1)"],
            ),
            ("store = ", vec!["(line 1, column 9)"]),
            ("", vec!["--store"]),
        ];
        for (file, expected) in cases {
            let error = parse_with(file, &[]).unwrap_err();
            for part in expected {
                assert!(error.contains(part), "{file:?} misses {part:?}: {error}");
            }
        }
    }

    #[test]
    fn a_policy_is_json_on_the_command_line_and_a_table_in_the_file() {
        let file = "store = \"s\"\n[retry]\nretries = 1\nbudget = { ratio = 0.2 }";
        let options = parse_with(file, &["--breaker", r#"{"consecutive":5}"#]).unwrap();
        let retry = *options.chassis.retry.unwrap().settings();
        assert_eq!((retry.retries, retry.budget.unwrap().ratio), (1, 0.2));
        let breaker = *options.chassis.breaker.unwrap().settings();
        assert_eq!(breaker.consecutive, Some(5));
        for (file, expected) in [
            ("store = \"s\"\n[retry]\nretries = 0", "retries: 0 can't be"),
            (
                "store = \"s\"\n[retry]\nretries = \"two\"",
                "retries: invalid value \"two\", expected a whole number from 0",
            ),
            (
                "store = \"s\"\n[retry]\n\n  tries = 1",
                "tries: unknown field: did you mean `retries`?",
            ),
            (
                "store = \"s\"\n[retry]\n\n  tries = 1",
                "key `retry.tries` in ",
            ),
            (
                "store = \"s\"\n[retry]\n\n  tries = 1",
                "(line 4, column 3)",
            ),
            (
                "store = \"s\"\n[faults]\nseed = 1\n[[faults.faults]]\nid = \"a\"\nkind = \"eror\"\nprobability = 1",
                "key `faults.faults[0].kind` in ",
            ),
            (
                "store = \"s\"\n[faults]\nseed = 1\n[[faults.faults]]\nid = \"a\"\nkind = \"eror\"\nprobability = 1",
                "(line 6, column 1)",
            ),
            (
                "store = \"s\"\n[deadline]\nfor = 1",
                "key `deadline`: allowed: a text",
            ),
        ] {
            let error = parse_with(file, &[]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_switch_is_a_flag_a_flag_with_a_value_and_a_key_of_the_file() {
        let on = |file: &str, flags: &[&str]| {
            let options = parse_with(&format!("store = \"s\"\n{file}"), flags);
            options.map(|options| options.chassis.server_timing)
        };
        assert_eq!(on("", &[]), Ok(false));
        assert_eq!(on("", &["--server-timing"]), Ok(true));
        assert_eq!(on("server-timing = true", &[]), Ok(true));
        assert_eq!(
            on("server-timing = true", &["--server-timing=false"]),
            Ok(false)
        );
        assert!(
            on("server-timing = \"maybe\"", &[])
                .unwrap_err()
                .contains("--server-timing")
        );
    }

    #[test]
    fn a_secret_that_is_empty_and_a_filter_that_is_none_are_refused() {
        for (key, value) in [("admin-token", ""), ("log", "chassis=loud")] {
            let file = format!("store = \"s\"\n{key} = {value:?}");
            let error = parse_with(&file, &[]).unwrap_err();
            assert!(
                error.contains(&format!("--{key}")) && error.contains("allowed:"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_is_never_shown_and_never_taken_from_the_command_line() {
        let options = parse_with("store = \"s\"\nadmin-token = \"hush\"", &[]).unwrap();
        assert_eq!(
            options.chassis.admin_token.as_ref().unwrap().reveal(),
            "hush"
        );
        assert!(!format!("{options:?}").contains("hush"));
        for (flag, value) in [
            ("--admin-token", "hush"),
            ("--store", "postgres://nines:hush@db/nines"),
            ("--store", "postgres://db/nines?password=hush"),
        ] {
            let error = parse_with("", &[flag, value]).unwrap_err();
            assert!(
                error.contains(flag) && error.contains("allowed: the environment"),
                "{error}"
            );
            assert!(!error.contains("hush"), "{error}");
        }
        for file in [
            "admin-token = \"hush",
            "admin-token = \"a\"\nadmin-token = hush",
        ] {
            let error = parse_with(file, &[]).unwrap_err();
            assert!(
                error.contains("(line ") && !error.contains("hush"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_that_is_not_valid_is_not_repeated() {
        let error = parse_with("port = \"hush\"\nstore = \"s\"", &[]).unwrap_err();
        let expected = [
            "--port",
            "the value is not shown",
            "invalid digit",
            "key `port` in",
        ];
        for part in expected {
            assert!(error.contains(part), "{part:?} is missing: {error}");
        }
        assert!(!error.contains("hush"), "{error}");
    }
}
