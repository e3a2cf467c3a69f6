//! A whole service in this process, on its two listeners.

mod admin;
mod heartbeats;
mod policy;
mod replicas;
mod shed;
mod sockets;
mod start;
mod unknown;

use crate::support::number;
use axum::{Router, body::Body, routing::get};
use chassis::{Addresses, Chassis, Error, Options, options};
use clap::Parser;
use futures_util::{Stream, stream};
use http::StatusCode;
use std::{ffi::OsString, future::pending, io, time::Duration};
use tokio::task::AbortHandle;

/// How long a condition may take to come true before a test gives up; it never waits longer
/// than it has to.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
struct Settings {
    #[command(flatten)]
    chassis: Options,
}

/// The options that `flags` make of a silent service on ports of the system's choice. The
/// token is no flag: whoever looks at the list of processes would see it.
fn settings(flags: &[&str]) -> Options {
    let defaults = [
        "desk",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--log=off",
    ];
    let name = |flag: &str| flag.split('=').next().map(str::to_owned);
    let unset = |default: &&&str| flags.iter().all(|flag| name(flag) != name(default));
    let args = defaults.iter().filter(unset).chain(flags);
    let (tokens, args): (Vec<&str>, Vec<&str>) =
        args.partition(|flag| flag.starts_with("--admin-token="));
    let args: Vec<_> = args.into_iter().map(OsString::from).collect();
    let Settings { mut chassis } = options::parse(&args).unwrap();
    chassis.admin_token = tokens
        .first()
        .map(|flag| flag["--admin-token=".len()..].into());
    chassis
}

/// A service that runs for as long as this is kept.
struct Running {
    addresses: Addresses,
    client: reqwest::Client,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    async fn start(flags: &[&str]) -> Self {
        let chassis = Chassis::start("desk", settings(flags)).await.unwrap();
        let addresses = chassis.addresses().unwrap();
        let own = Router::new().route("/own", get(async || "own\n"));
        let serving = chassis.admin_routes(own).serve(router(), async || ());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            addresses,
            client,
            task: tokio::spawn(serving).abort_handle(),
        }
    }

    /// `GET path` of the service itself.
    async fn ask(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let url = format!("http://{}{path}", self.addresses.public);
        self.client.get(url).send().await
    }

    /// A request of the admin listener.
    fn admin(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.addresses.admin);
        self.client.request(method.parse().unwrap(), url)
    }

    /// `GET path` of the admin listener, which must answer with 200.
    async fn look(&self, path: &str) -> String {
        let answer = self.admin("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    /// How many requests ended with this cause so far, as scraped.
    async fn ended(&self, cause: &str) -> i64 {
        let metrics = self.look("/metrics").await;
        number(&metrics, "nines_requests_total", &[("cause", cause)])
    }

    /// Waits until `metric` has the value 1 for these `labels`.
    async fn sees_one(&self, metric: &str, labels: &[(&str, &str)]) {
        let seen = async {
            while number(&self.look("/metrics").await, metric, labels) != 1 {
                tokio::task::yield_now().await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "{metric} never was 1 for {labels:?}");
    }
}

/// The length of a large answer: more than the system buffers between two processes.
const LARGE: usize = 64 << 20;

/// A body whose source breaks off after its first part.
fn broken() -> impl Stream<Item = io::Result<&'static str>> {
    stream::iter([Ok("half of"), Err(io::ErrorKind::BrokenPipe.into())])
}

fn router() -> Router {
    let panics = async || -> StatusCode { panic!("on purpose") };
    Router::new()
        .route("/ok", get(async || "fine"))
        .route("/large", get(async || vec![b'x'; LARGE]))
        .route("/broken", get(async || Body::from_stream(broken())))
        .route("/panic", get(panics))
        .route("/hang", get(pending::<StatusCode>))
}

/// What went wrong, and why, as the user reads it.
fn words(error: &Error) -> (String, String) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    (error.to_string(), source.unwrap_or_default())
}
