//! What the lab says to a service's admin listener.

use crate::{LabError, member::Member};
use faults::FaultSet;
use report::results::Counts;
use reqwest::{Response, StatusCode};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use types::{Cause, Outcome, StoppedBy, with_sources};

/// The longest an admin listener may take, which has little to do.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody uses: less than services keep it.
const IDLE: Duration = Duration::from_secs(5);

/// A client for admin listeners, wherever they are.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .pool_idle_timeout(IDLE)
        .build()
}

/// Talks to admin listeners.
#[derive(Debug, Clone)]
pub struct Control {
    client: reqwest::Client,
    token: String,
}

impl Control {
    /// With the token that the services ask for.
    pub const fn new(client: reqwest::Client, token: String) -> Self {
        Self { client, token }
    }

    /// Replaces the faults of a service.
    pub async fn set_faults(&self, member: &Member, faults: &FaultSet) -> Result<(), LabError> {
        self.put(member, "faults", faults).await
    }

    /// Replaces the policy of a service, as a whole: calls that begin from now on have it.
    pub async fn set_policy(
        &self,
        member: &Member,
        policy: &scenario::Policy,
    ) -> Result<(), LabError> {
        self.put(member, "policy", &service_policy(policy)).await
    }

    /// Replaces `what` of a service: its faults, or its policy.
    pub(crate) async fn put(
        &self,
        member: &Member,
        what: &str,
        value: &impl Serialize,
    ) -> Result<(), LabError> {
        let url = format!("{}/{what}", member.admin);
        let request = self.client.put(url).bearer_auth(&self.token).json(value);
        let answer = request.send().await.and_then(Response::error_for_status);
        answer.map(|_| ()).map_err(|error| control(member, &error))
    }

    /// What a service has counted so far.
    pub async fn read(&self, member: &Member) -> Result<Metrics, LabError> {
        let text = self.get(member, "metrics").await?;
        Ok(Metrics::parse(&text))
    }

    /// What the admin listener of a service answers at `/what`.
    pub(crate) async fn get(&self, member: &Member, what: &str) -> Result<String, LabError> {
        let answer = self.ask(member, what).await;
        let answer = answer.and_then(Response::error_for_status);
        let answer = answer.map_err(|error| control(member, &error))?;
        let text = answer.text().await;
        text.map_err(|error| control(member, &error))
    }

    /// The same, with its headers; none if there is nothing.
    pub(crate) async fn find(
        &self,
        member: &Member,
        what: &str,
    ) -> Result<Option<Response>, LabError> {
        let answer = self.ask(member, what).await;
        if matches!(&answer, Ok(answer) if answer.status() == StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        let answer = answer.and_then(Response::error_for_status);
        answer.map(Some).map_err(|error| control(member, &error))
    }

    async fn ask(&self, member: &Member, what: &str) -> reqwest::Result<Response> {
        let url = format!("{}/{what}", member.admin);
        self.client.get(url).send().await
    }
}

/// What a plan's policy asks of each service. Whether the client tries again is none of
/// theirs.
pub const fn service_policy(policy: &scenario::Policy) -> chassis::Policy {
    chassis::Policy {
        attempt_timeout: policy.attempt_timeout,
        deadline: policy.deadline,
        retry: policy.retry,
        breaker: policy.breaker,
        balance: policy.balance,
        hedge: policy.hedge,
        bulkhead: policy.bulkhead,
        shed: policy.shed,
        cache: policy.cache,
    }
}

fn control(member: &Member, error: &reqwest::Error) -> LabError {
    LabError::Control {
        service: member.name.clone(),
        why: match error.status() {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                format!("{error}; is NINES_ADMIN_TOKEN that of the chain?")
            }
            _ => with_sources(error),
        },
    }
}

/// What a service has counted, as far as the lab needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Requests received.
    pub requests: Counts,
    /// Calls made, by callee.
    pub calls: BTreeMap<String, Counts>,
    /// What ended the trying of those that failed, by callee.
    pub stopped_by: BTreeMap<String, BTreeMap<StoppedBy, u64>>,
    /// Attempts made, by callee.
    pub attempts: BTreeMap<String, Counts>,
    /// Requests being handled right now.
    pub active: i64,
}

impl Metrics {
    /// Reads Prometheus' text format; lines of other metrics are passed over.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        // A series that stands at 0 has counted nothing yet.
        let samples = text.lines().filter_map(Sample::parse);
        for sample in samples.filter(|sample| sample.value != 0.0) {
            match sample.name {
                "nines_requests_total" => sample.count_into(&mut metrics.requests),
                "nines_calls_total" => {
                    sample.count_into(metrics.calls.entry(sample.peer()).or_default());
                    if let Some(Ok(stopped_by)) = sample.label("stopped_by").map(str::parse) {
                        let ended = metrics.stopped_by.entry(sample.peer()).or_default();
                        *ended.entry(stopped_by).or_default() += sample.count();
                    }
                }
                "nines_attempts_total" => {
                    sample.count_into(metrics.attempts.entry(sample.peer()).or_default());
                }
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "a whole number of requests"
                )]
                "http_server_active_requests" => metrics.active = sample.value as i64,
                _ => {}
            }
        }
        metrics
    }

    /// Adds what another replica of the same service has counted.
    pub fn add(&mut self, other: &Self) {
        self.requests.add_all(&other.requests);
        for (peer, counts) in &other.calls {
            self.calls.entry(peer.clone()).or_default().add_all(counts);
        }
        for (peer, counts) in &other.attempts {
            self.attempts
                .entry(peer.clone())
                .or_default()
                .add_all(counts);
        }
        for (peer, ended) in &other.stopped_by {
            let known = self.stopped_by.entry(peer.clone()).or_default();
            for (by, count) in ended {
                *known.entry(*by).or_default() += count;
            }
        }
        self.active += other.active;
    }

    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: difference(&self.requests, &earlier.requests),
            calls: by_peer(&self.calls, &earlier.calls, difference),
            stopped_by: by_peer(&self.stopped_by, &earlier.stopped_by, less),
            attempts: by_peer(&self.attempts, &earlier.attempts, difference),
            active: self.active,
        }
    }
}

/// The difference for each peer.
fn by_peer<T: Default>(
    now: &BTreeMap<String, T>,
    earlier: &BTreeMap<String, T>,
    difference: impl Fn(&T, &T) -> T,
) -> BTreeMap<String, T> {
    let none = T::default();
    let since = |(peer, now): (&String, &T)| {
        let since = difference(now, earlier.get(peer).unwrap_or(&none));
        (peer.clone(), since)
    };
    now.iter().map(since).collect()
}

fn less(
    now: &BTreeMap<StoppedBy, u64>,
    earlier: &BTreeMap<StoppedBy, u64>,
) -> BTreeMap<StoppedBy, u64> {
    let before = |stopped_by| earlier.get(stopped_by).copied().unwrap_or_default();
    let since = now
        .iter()
        .map(|(by, now)| (*by, now.saturating_sub(before(by))));
    since.filter(|(_, count)| *count > 0).collect()
}

fn difference(now: &Counts, earlier: &Counts) -> Counts {
    let mut counts = Counts::default();
    counts.add_many(Outcome::Ok, None, now.ok.saturating_sub(earlier.ok));
    counts.add_many(
        Outcome::Degraded,
        None,
        now.degraded.saturating_sub(earlier.degraded),
    );
    for (cause, failed) in &now.failed_by_cause {
        let before = earlier
            .failed_by_cause
            .get(cause)
            .copied()
            .unwrap_or_default();
        let failed = failed.saturating_sub(before);
        if failed > 0 {
            counts.add_many(Outcome::Failed, Some(*cause), failed);
        }
    }
    counts
}

/// One line of Prometheus' text format: a name, labels, a value.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let value = value.parse().ok()?;
        (!name.starts_with('#')).then_some(Self {
            name,
            labels,
            value,
        })
    }

    /// The value of a label. Ours hold names and words, never a quote or a comma.
    fn label(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.labels.trim_end_matches('}').split(',');
        let value = pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\""))?;
        value.strip_suffix('"')
    }

    fn peer(&self) -> String {
        self.label("peer").unwrap_or_default().to_owned()
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter"
    )]
    fn count(&self) -> u64 {
        self.value as u64
    }

    fn count_into(&self, counts: &mut Counts) {
        let Some(Ok(outcome)) = self.label("outcome").map(str::parse::<Outcome>) else {
            return;
        };
        let cause = self
            .label("cause")
            .and_then(|word| word.parse::<Cause>().ok());
        counts.add_many(outcome, cause, self.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# TYPE nines_requests_total counter
nines_requests_total{cause="none",outcome="ok",otel_scope_name="nines"} 990
nines_requests_total{cause="error",outcome="failed",otel_scope_name="nines"} 7
nines_requests_total{cause="reset",outcome="failed",otel_scope_name="nines"} 3
nines_calls_total{cause="none",outcome="ok",peer="auth",stopped_by="none",otel_scope_name="nines"} 5
nines_calls_total{cause="error",outcome="failed",peer="auth",stopped_by="budget",otel_scope_name="nines"} 2
nines_attempts_total{cause="none",outcome="ok",peer="auth",otel_scope_name="nines"} 9
nines_calls_total{cause="error",outcome="failed",peer="audit",stopped_by="budget",otel_scope_name="nines"} 0
http_server_active_requests{otel_scope_name="nines"} 2
something_else 4
"#;

    #[test]
    fn counts_are_read_by_outcome_and_cause() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.requests.offered, 1000);
        assert_eq!((metrics.requests.ok, metrics.requests.failed), (990, 10));
        assert_eq!(metrics.requests.failed_by_cause[&Cause::Reset], 3);
        assert_eq!(metrics.calls["auth"].ok, 5);
        assert_eq!(metrics.stopped_by["auth"][&StoppedBy::Budget], 2);
        assert_eq!(metrics.attempts["auth"].ok, 9);
        assert_eq!(metrics.active, 2);
        assert!(!metrics.calls.contains_key("audit"), "a series at 0");
    }

    #[test]
    fn only_what_came_since_counts() {
        let now = Metrics::parse(TEXT);
        let earlier = Metrics::parse(r#"nines_requests_total{cause="error",outcome="failed"} 4"#);
        let since = now.since(&earlier).requests;
        assert_eq!((since.offered, since.ok, since.failed), (996, 990, 6));
    }
}
