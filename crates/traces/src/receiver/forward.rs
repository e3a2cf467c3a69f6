//! Passing requests on to another collector, in the background. Receiving never waits for
//! it: what does not fit into the queue, or does not arrive, is counted as dropped.
//!
//! A collector that is busy is tried again, by the policy in [`types::otlp`].

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::{
    Client, Response,
    header::{CONTENT_TYPE, LOCATION, RETRY_AFTER},
    redirect,
};
use serde::Serialize;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep},
};
use types::{otlp, with_sources};
use url::Url;

/// Requests waiting at most: some seconds of a busy run, some tens of megabytes.
const QUEUE: usize = 256;
/// Requests under way at most, so that a distant collector keeps up.
const LANES: usize = 8;
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the rest of the queue may take once the receiver is closed.
const GRACE: Duration = Duration::from_secs(10);

/// What became of the spans taken in that were to be passed on. Spans still waiting are
/// neither forwarded nor dropped; at the end the two add up to what was received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ForwardStats {
    /// Spans the collector accepted.
    pub forwarded: u64,
    /// Spans that were lost: the queue was full, or the collector did not accept them, also
    /// after retries.
    pub dropped: u64,
    /// The last reason for a loss.
    pub last_error: Option<String>,
}

/// The counts, shared by everyone who passes spans on.
#[derive(Debug, Default)]
pub(super) struct Tally {
    stats: Mutex<ForwardStats>,
}

/// One request to be passed on.
#[derive(Debug)]
struct Parcel {
    body: Bytes,
    spans: u64,
    tally: Arc<Tally>,
    settled: bool,
}

/// The way out of the receiver.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Parcel>,
    tally: Arc<Tally>,
    worker: JoinHandle<()>,
}

impl Outbox {
    /// Opens the way to `<base>/v1/traces`. Must be called within a runtime.
    pub(super) fn open(base: &Url) -> Result<Self, reqwest::Error> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let worker = tokio::spawn(work(Collector::new(base)?, waiting));
        Ok(Self {
            queue,
            tally: Arc::default(),
            worker,
        })
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Queues a request, or counts it as dropped.
    pub(super) fn push(&self, body: Bytes, spans: u64) {
        let tally = Arc::clone(&self.tally);
        if let Err(refused) = self.queue.try_send(Parcel {
            body,
            spans,
            tally,
            settled: false,
        }) {
            refused
                .into_inner()
                .lost(format!("the queue of {QUEUE} requests was full"));
        }
    }

    /// Sends what still waits, for as long as is reasonable.
    pub(super) async fn close(self) -> ForwardStats {
        let Self {
            queue,
            tally,
            mut worker,
        } = self;
        drop(queue);
        if tokio::time::timeout(GRACE, &mut worker).await.is_err() {
            worker.abort();
            // Once it has ended, every parcel it held is settled.
            let _ = worker.await;
        }
        tally.stats()
    }
}

impl Tally {
    pub(super) fn stats(&self) -> ForwardStats {
        self.stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn count(&self, spans: u64, result: Option<Loss>) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(loss) = result else {
            stats.forwarded += spans;
            return;
        };
        let dropped = loss.spans.map_or(spans, |rejected| rejected.min(spans));
        stats.forwarded += spans - dropped;
        stats.dropped += dropped;
        stats.last_error = Some(loss.why);
    }
}

/// Spans of a request that did not arrive.
#[derive(Debug, PartialEq, Eq)]
struct Loss {
    /// How many; `None`: all of them.
    spans: Option<u64>,
    why: String,
}

impl Loss {
    const fn of_all(why: String) -> Self {
        Self { spans: None, why }
    }
}

impl Parcel {
    fn settle(mut self, lost: Option<Loss>) {
        self.settled = true;
        self.tally.count(self.spans, lost);
    }

    fn lost(self, why: String) {
        self.settle(Some(Loss::of_all(why)));
    }
}

/// Unsettled (sent or waiting, when time ran out) => lost.
impl Drop for Parcel {
    fn drop(&mut self) {
        if !self.settled {
            let why = "the receiver closed before it was sent".to_owned();
            self.tally.count(self.spans, Some(Loss::of_all(why)));
        }
    }
}

async fn work(collector: Collector, mut waiting: mpsc::Receiver<Parcel>) {
    let collector = Arc::new(collector);
    let mut under_way = JoinSet::new();
    while let Some(parcel) = waiting.recv().await {
        while under_way.len() >= LANES {
            under_way.join_next().await;
        }
        under_way.spawn(deliver(Arc::clone(&collector), parcel));
    }
    while under_way.join_next().await.is_some() {}
}

async fn deliver(collector: Arc<Collector>, parcel: Parcel) {
    let lost = collector.send(&parcel.body).await;
    parcel.settle(lost);
}

/// Where the requests go.
#[derive(Debug)]
struct Collector {
    client: Client,
    url: Url,
    /// A request was given up after all of its retries, and none has arrived since. The next
    /// ones are sent once each: their retries would only fill the queue.
    is_lost: AtomicBool,
}

impl Collector {
    fn new(base: &Url) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            url: traces_url(base),
            is_lost: AtomicBool::new(false),
        })
    }

    /// Sends a request, again if that may help; what was lost of it.
    async fn send(&self, body: &Bytes) -> Option<Loss> {
        let end = Instant::now() + otlp::DEADLINE;
        let mut sent = 0;
        loop {
            let (asked, why) = match self.send_once(body.clone()).await {
                Sent::Arrived(loss) => {
                    self.is_lost.store(false, Relaxed);
                    return loss;
                }
                Sent::Refused(why) => return Some(Loss::of_all(why)),
                Sent::TryAgain { asked, why } => (asked, why),
            };
            let pause = otlp::pause(sent, asked, rand::random());
            sent += 1;
            let is_last = sent > otlp::RETRIES || Instant::now() + pause >= end;
            if is_last || self.is_lost.load(Relaxed) {
                self.is_lost.store(true, Relaxed);
                let plural = if sent == 1 { "" } else { "s" };
                return Some(Loss::of_all(format!("{why} ({sent} attempt{plural})")));
            }
            sleep(pause).await;
        }
    }

    async fn send_once(&self, body: Bytes) -> Sent {
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(body);
        match request.send().await {
            Ok(response) => answered(response).await,
            Err(error) => Sent::TryAgain {
                asked: None,
                why: with_sources(&error),
            },
        }
    }
}

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    /// The collector took it, except for what it rejected.
    Arrived(Option<Loss>),
    /// The collector will never take it.
    Refused(String),
    /// Sending it again may help, after the pause `asked` for, if any.
    TryAgain {
        asked: Option<Duration>,
        why: String,
    },
}

async fn answered(response: Response) -> Sent {
    let status = response.status();
    if status.is_success() {
        let body = response.bytes().await.unwrap_or_default();
        return Sent::Arrived(rejected(&body));
    }
    let headers = response.headers();
    let why = if status.is_redirection() {
        let location = headers.get(LOCATION).and_then(|to| to.to_str().ok());
        otlp::redirected(status.as_u16(), location)
    } else {
        format!("HTTP status {status} for {}", response.url())
    };
    if otlp::is_retryable(status.as_u16()) {
        let asked = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let asked = asked.and_then(|it| types::retry_after(it, SystemTime::now()));
        Sent::TryAgain { asked, why }
    } else {
        Sent::Refused(why)
    }
}

/// The spans that the collector rejected, of a request whose rest it took. A body that is not OTLP
/// rejects nothing.
fn rejected(body: &[u8]) -> Option<Loss> {
    let answer = ExportTraceServiceResponse::decode(body).ok()?;
    let partial = answer.partial_success?;
    let spans = u64::try_from(partial.rejected_spans).ok()?;
    (spans > 0).then(|| Loss {
        spans: Some(spans),
        why: format!("the collector rejected spans: {}", partial.error_message),
    })
}

/// Adds `/v1/traces`, unless it is there.
fn traces_url(base: &Url) -> Url {
    let mut url = base.clone();
    let path = base.path().trim_end_matches('/');
    if !path.ends_with("/v1/traces") {
        url.set_path(&format!("{path}/v1/traces"));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_otlp_is_added_once() {
        for (base, expected) in [
            ("http://jaeger:4318", "http://jaeger:4318/v1/traces"),
            ("http://jaeger:4318/", "http://jaeger:4318/v1/traces"),
            ("http://host/otlp", "http://host/otlp/v1/traces"),
            ("http://host/v1/traces", "http://host/v1/traces"),
        ] {
            assert_eq!(traces_url(&base.parse().unwrap()).as_str(), expected);
        }
    }
}
