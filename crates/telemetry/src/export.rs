//! OTLP exporters that report what the receiver made of what they sent.
//!
//! `opentelemetry-otlp` takes an answer of 2xx for success. Two kinds of loss stay unknown that
//! way, and are made known here:
//!
//! - A **redirect**: its own HTTP client follows it, with a GET without a body, which the other
//!   server may answer with 200. The client here does not follow.
//! - A **partial success**: the receiver rejected some spans, and says how many. The crate logs
//!   that and does not return it, so its log is read here while it exports.
//!
//! Retries are the crate's own, with the numbers of [`types::otlp`].

use crate::TelemetryError;
use http::{Request, Response, header::LOCATION};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, RetryPolicy};
use opentelemetry_sdk::error::OTelSdkResult;
use reqwest::{blocking, redirect};
use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::time::Instant;
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber,
    level_filters::LevelFilter,
    span,
};
use types::{otlp, with_sources};

/// The variables of all signals begin with this.
const GENERAL: &str = "OTEL_EXPORTER_OTLP_";
/// Losses are logged no more often than this.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// The value of `OTEL_EXPORTER_OTLP_<signal>_<name>`, or else of that for all signals.
pub(crate) fn variable(signal: &str, name: &str) -> Option<String> {
    let set = |name: String| std::env::var(name).ok().filter(|value| !value.is_empty());
    set(format!("{GENERAL}{signal}_{name}")).or_else(|| set(format!("{GENERAL}{name}")))
}

/// Whether the environment asks for gRPC; otherwise it is HTTP.
pub(crate) fn is_grpc(signal: &str) -> bool {
    variable(signal, "PROTOCOL").is_some_and(|protocol| protocol.eq_ignore_ascii_case("grpc"))
}

/// How the exporters try again.
pub(crate) fn retry_policy() -> RetryPolicy {
    RetryPolicy::default()
        .with_max_retries(otlp::RETRIES as usize)
        .with_initial_delay(otlp::FIRST_PAUSE)
        .with_max_delay(otlp::LONGEST_PAUSE)
        .with_max_jitter(otlp::JITTER)
}

/// Collects why one exporter's receiver did not take something, and logs it.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    signal: &'static str,
    findings: Arc<Mutex<Findings>>,
    /// Reads the log of `opentelemetry-otlp` while it exports.
    log: Dispatch,
}

#[derive(Debug, Default)]
struct Findings {
    /// Items of the request under way that the receiver did not take, though it took the rest.
    rejected: u64,
    /// Why a request has failed, or items were rejected.
    why: Option<String>,
    losses: Losses,
}

impl Report {
    /// `signal` is what is exported: `spans`, for example.
    pub(crate) fn new(signal: &'static str) -> Self {
        let findings = Arc::<Mutex<Findings>>::default();
        Self {
            signal,
            log: Dispatch::new(PartialSuccess(findings.clone())),
            findings,
        }
    }

    /// The HTTP client for an exporter of `signal` to `endpoint`, which reports here.
    pub(crate) fn http_client(
        &self,
        endpoint: &str,
        timeout: Duration,
    ) -> Result<impl HttpClient + use<>, TelemetryError> {
        let near = is_loopback(endpoint);
        let build = move || {
            let builder = blocking::Client::builder()
                .timeout(timeout)
                .redirect(redirect::Policy::none());
            // No proxy can reach this machine's own addresses.
            let builder = if near { builder.no_proxy() } else { builder };
            builder.build()
        };
        // It starts a runtime of its own, which it can't within another one.
        let client = thread::spawn(build).join();
        let client = client.map_err(|_| TelemetryError::Client("it panicked".to_owned()))?;
        let inner = client.map_err(|error| TelemetryError::Client(with_sources(&error)))?;
        Ok(ReportingClient {
            inner,
            findings: self.findings.clone(),
        })
    }

    /// Lets `export` run, which sends `items`; its result, and how many of them were lost.
    pub(crate) async fn watch(
        &self,
        items: u64,
        export: impl Future<Output = OTelSdkResult>,
    ) -> (OTelSdkResult, u64) {
        let result = export.with_subscriber(self.log.clone()).await;
        let mut findings = lock(&self.findings);
        let (rejected, why) = (std::mem::take(&mut findings.rejected), findings.why.take());
        let lost = if result.is_ok() {
            rejected.min(items)
        } else {
            items
        };
        let news = findings.losses.add(lost, Instant::now());
        drop(findings);
        if let Some(lost) = news {
            let error = result.as_ref().err().map(ToString::to_string);
            let why = why.or(error).unwrap_or_default();
            tracing::warn!(
                signal = self.signal,
                lost,
                why,
                "the receiver did not take all"
            );
        }
        (result, lost)
    }
}

fn lock(findings: &Mutex<Findings>) -> MutexGuard<'_, Findings> {
    findings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a request of an exporter may take: the environment's limit, in milliseconds.
pub(crate) fn timeout(signal: &str) -> Duration {
    let limit = variable(signal, "TIMEOUT").and_then(|limit| limit.parse().ok());
    limit.map_or(OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis)
}

/// Whether the host of `endpoint` is this machine.
fn is_loopback(endpoint: &str) -> bool {
    let Ok(endpoint) = endpoint.parse::<http::Uri>() else {
        return false;
    };
    let host = endpoint.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Counts losses, and says when the log should get a line about them.
#[derive(Debug, Default)]
struct Losses {
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl Losses {
    /// Counts those that were `lost`; the number of all since the last line, if it is time for one.
    fn add(&mut self, lost: u64, now: Instant) -> Option<u64> {
        self.unlogged += lost;
        let is_due = self.logged_at.is_none_or(|at| now >= at + LOG_EVERY);
        if lost == 0 || !is_due {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

/// Does not follow redirects, and notes why a request has failed.
#[derive(Debug)]
struct ReportingClient {
    inner: blocking::Client,
    findings: Arc<Mutex<Findings>>,
}

impl HttpClient for ReportingClient {
    // As `async_trait` writes it.
    fn send_bytes<'client, 'send>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'send>>
    where
        'client: 'send,
        Self: 'send,
    {
        Box::pin(async move {
            let answer = self.inner.send_bytes(request).await;
            lock(&self.findings).why = match &answer {
                Ok(response) if response.status().is_redirection() => {
                    let location = response.headers().get(LOCATION);
                    let location = location.and_then(|location| location.to_str().ok());
                    Some(otlp::redirected(response.status().as_u16(), location))
                }
                Ok(_) => None,
                Err(error) => Some(with_sources(&**error)),
            };
            answer
        })
    }
}

/// Reads from the log of `opentelemetry-otlp` how many items the receiver has rejected.
#[derive(Debug)]
struct PartialSuccess(Arc<Mutex<Findings>>);

impl Subscriber for PartialSuccess {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && metadata.target() == "opentelemetry-otlp"
            && metadata.name().ends_with(".PartialSuccess")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Rejection(&mut lock(&self.0)));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// `rejected_spans` (or `rejected_data_points`) and `error_message` of that event.
struct Rejection<'a>(&'a mut Findings);

impl Visit for Rejection<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name().starts_with("rejected_") {
            self.0.rejected = u64::try_from(value).unwrap_or_default();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "error_message" {
            self.0.why = Some(format!("rejected: {value}"));
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_logged_once_a_minute_with_the_number_of_all_since() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        let mut after = |seconds, lost| losses.add(lost, start + Duration::from_secs(seconds));
        assert_eq!(after(0, 0), None);
        assert_eq!(after(1, 5), Some(5));
        assert_eq!((after(2, 7), after(60, 1)), (None, None));
        assert_eq!(after(61, 0), None, "nothing was lost just now");
        assert_eq!(after(62, 2), Some(10));
        assert_eq!(after(63, 2), None);
    }

    #[test]
    fn only_this_machine_is_reached_without_a_proxy() {
        for near in [
            "http://127.0.0.1:4318",
            "http://localhost:4318/x",
            "http://[::1]:4318",
        ] {
            assert!(is_loopback(near), "{near}");
        }
        for far in [
            "http://collector:4318",
            "http://10.0.0.1:4318",
            "no address",
        ] {
            assert!(!is_loopback(far), "{far}");
        }
    }
}
