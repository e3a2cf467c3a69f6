//! Passing requests on to another collector, in the background. Receiving never waits for
//! it: what does not fit into the queue, or does not arrive, is counted as dropped.

use bytes::Bytes;
use reqwest::{Client, header::CONTENT_TYPE};
use serde::Serialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinHandle, task::JoinSet};
use types::with_sources;
use url::Url;

/// Requests waiting at most: some seconds of a busy run, some tens of megabytes.
const QUEUE: usize = 256;
/// Requests under way at most, so that a distant collector keeps up.
const LANES: usize = 8;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the rest of the queue may take once the receiver is closed.
const GRACE: Duration = Duration::from_secs(10);

/// What became of the spans taken in that were to be passed on. Spans still waiting are
/// neither forwarded nor dropped; at the end the two add up to what was received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ForwardStats {
    /// Spans the collector accepted.
    pub forwarded: u64,
    /// Spans that were lost: the queue was full, or the collector did not accept them.
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
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let worker = tokio::spawn(work(client, traces_url(base), waiting));
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

    fn count(&self, spans: u64, result: Result<(), String>) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => stats.forwarded += spans,
            Err(error) => {
                stats.dropped += spans;
                stats.last_error = Some(error);
            }
        }
    }
}

impl Parcel {
    fn settle(mut self, result: Result<(), String>) {
        self.settled = true;
        self.tally.count(self.spans, result);
    }

    fn lost(self, why: String) {
        self.settle(Err(why));
    }
}

/// Unsettled (sent or waiting, when time ran out) => lost.
impl Drop for Parcel {
    fn drop(&mut self) {
        if !self.settled {
            self.tally.count(
                self.spans,
                Err("the receiver closed before it was sent".into()),
            );
        }
    }
}

async fn work(client: Client, url: Url, mut waiting: mpsc::Receiver<Parcel>) {
    let mut under_way = JoinSet::new();
    while let Some(parcel) = waiting.recv().await {
        while under_way.len() >= LANES {
            under_way.join_next().await;
        }
        under_way.spawn(deliver(client.clone(), url.clone(), parcel));
    }
    while under_way.join_next().await.is_some() {}
}

async fn deliver(client: Client, url: Url, parcel: Parcel) {
    let result = send(&client, url, parcel.body.clone()).await;
    parcel.settle(result);
}

async fn send(client: &Client, url: Url, body: Bytes) -> Result<(), String> {
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/x-protobuf")
        .body(body);
    let response = request.send().await.map_err(|error| with_sources(&error))?;
    match response.error_for_status() {
        Ok(_) => Ok(()),
        Err(error) => Err(with_sources(&error)),
    }
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
