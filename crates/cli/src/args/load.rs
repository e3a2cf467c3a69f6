//! What can be asked of the load generator.

use bytes::Bytes;
use clap::{Args, value_parser};
use http::{HeaderName, HeaderValue, Method};
use std::{fs, path::PathBuf, time::Duration};
use url::Url;

/// `nines load`.
#[derive(Debug, Args)]
pub struct Load {
    /// What to ask: http://address:port/path
    #[arg(value_parser = target, value_name = "URL")]
    pub url: Url,
    /// Requests per second, at random moments, whether or not earlier ones were answered
    /// [default: 200]
    #[arg(long, conflicts_with = "workers", value_parser = rate, value_name = "NUMBER")]
    pub rate: Option<f64>,
    /// Instead, so many workers, each of which waits for its answer before it asks again
    #[arg(long, value_name = "NUMBER")]
    pub workers: Option<u32>,
    /// How long a worker thinks between an answer and its next request
    #[arg(long, requires = "workers", value_parser = super::millis, value_name = "DURATION")]
    pub think: Option<Duration>,
    /// For how long [default: 10s]
    #[arg(long = "for", conflicts_with = "requests", value_parser = super::millis, value_name = "DURATION")]
    pub length: Option<Duration>,
    /// How many requests in all
    #[arg(long, value_name = "NUMBER")]
    pub requests: Option<u64>,
    /// How long an answer is waited for
    #[arg(long, default_value = "5s", value_parser = super::millis, value_name = "DURATION")]
    pub patience: Duration,
    /// The method
    #[arg(long, default_value = "GET")]
    pub method: Method,
    /// A header, `name: value`; again for more. Not for secrets, which every user of this
    /// machine can read here
    #[arg(long, value_parser = header, value_name = "HEADER")]
    pub header: Vec<Header>,
    /// A file with headers, one in each line
    #[arg(long, value_parser = header_file, value_name = "FILE")]
    pub header_file: Option<Headers>,
    /// A bearer token, from the environment alone
    #[arg(
        long,
        env = "NINES_TOKEN",
        hide = true,
        hide_env_values = true,
        value_parser = bearer
    )]
    pub token: Option<Header>,
    /// A file with the body
    #[arg(long, value_parser = body, value_name = "FILE")]
    pub body: Option<Bytes>,
    /// The seed of the moments at which requests leave
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(..=MAX_SEED), value_name = "NUMBER")]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The largest number that a scenario can state.
const MAX_SEED: u64 = i64::MAX as u64;

/// A header of a request.
pub type Header = (HeaderName, HeaderValue);

/// The headers in a file.
#[derive(Debug, Clone)]
pub struct Headers(pub Vec<Header>);

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().unwrap_or(f64::NAN);
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err("allowed: a number above 0, of requests per second".to_owned())
    }
}

/// TLS is for whoever measures across a network that is not theirs.
fn target(text: &str) -> Result<Url, String> {
    const ALLOWED: &str = "allowed: http://address:port/path";
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; {ALLOWED}"))?;
    let plain = url.username().is_empty() && url.password().is_none();
    if url.scheme() == "http" && url.has_host() && plain {
        Ok(url)
    } else {
        Err(ALLOWED.to_owned())
    }
}

fn header(text: &str) -> Result<Header, String> {
    const ALLOWED: &str = "allowed: name: value";
    let (name, value) = text.split_once(':').ok_or(ALLOWED)?;
    let name = name
        .trim()
        .parse()
        .map_err(|error| format!("name: {error}; {ALLOWED}"))?;
    let value = value
        .trim()
        .parse()
        .map_err(|error| format!("value: {error}; {ALLOWED}"))?;
    Ok((name, value))
}

fn header_file(path: &str) -> Result<Headers, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let headers =
        lines.map(|(n, line)| header(line).map_err(|wrong| format!("line {}: {wrong}", n + 1)));
    headers.collect::<Result<_, _>>().map(Headers)
}

fn bearer(token: &str) -> Result<Header, String> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| "not a token; allowed: visible ASCII".to_owned())?;
    value.set_sensitive(true);
    Ok((http::header::AUTHORIZATION, value))
}

fn body(path: &str) -> Result<Bytes, String> {
    fs::read(path)
        .map(Bytes::from)
        .map_err(|error| format!("{}: {error}", PathBuf::from(path).display()))
}
