//! Where the three entrances meet: spans into memory, requests onto the spool and on to
//! the next collector.

use super::forward::{ForwardStats, Outbox, Tally};
use crate::{
    archive::Archive,
    decode::Decoder,
    span::{Span, TraceId},
    spool::SpoolWriter,
};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Everything taken in so far.
#[derive(Debug, Default)]
pub(super) struct Store {
    decoder: Decoder,
    pub(super) spool: Option<SpoolWriter>,
    pub(super) outbox: Option<Outbox>,
}

/// The receiver is closed: nothing more is taken in.
#[derive(Debug)]
pub(super) struct Closed;

/// The store, shared by the entrances until it is closed.
///
/// One lock is enough: it is held for some microseconds for each request of hundreds of
/// spans, and the slow part, decoding, happens before.
#[derive(Debug)]
pub(super) struct Intake {
    store: Mutex<Option<Store>>,
    received: AtomicU64,
    wants_bytes: bool,
    tally: Option<Arc<Tally>>,
}

impl Intake {
    pub(super) fn new(store: Store) -> Self {
        Self {
            wants_bytes: store.spool.is_some() || store.outbox.is_some(),
            tally: store.outbox.as_ref().map(Outbox::tally),
            received: AtomicU64::new(0),
            store: Mutex::new(Some(store)),
        }
    }

    /// Takes a request in. `bytes` is the request as protobuf, where it came as such.
    pub(super) fn accept(
        &self,
        request: &ExportTraceServiceRequest,
        bytes: Option<Bytes>,
    ) -> Result<ExportTraceServiceResponse, Closed> {
        let bytes = self
            .wants_bytes
            .then(|| bytes.unwrap_or_else(|| request.encode_to_vec().into()));
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let (accepted, rejected) = store.as_mut().ok_or(Closed)?.accept(request, bytes);
        self.received.fetch_add(accepted, Ordering::Relaxed);
        Ok(response(rejected))
    }

    /// Whatever is taken back was somewhere else already, so that it is not passed on.
    pub(super) fn take_back(&self, request: &ExportTraceServiceRequest) {
        let bytes = request.encode_to_vec().into();
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = store.as_mut() {
            let (accepted, _) = store.keep(request, Some(&bytes));
            self.received.fetch_add(accepted, Ordering::Relaxed);
        }
    }

    pub(super) fn requests(&self, prefix: &str) -> BTreeMap<TraceId, Vec<Span>> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = store.as_ref().map(|store| &*store.decoder.decoded.spans);
        let spans = spans.unwrap_or_default();
        let is_wanted = |span: &&Span| {
            span.request
                .as_ref()
                .is_some_and(|id| id.starts_with(prefix))
        };
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for span in spans.iter().filter(is_wanted) {
            found.insert(span.trace, Vec::new());
        }
        for span in spans {
            if let Some(of_trace) = found.get_mut(&span.trace) {
                of_trace.push(span.clone());
            }
        }
        found
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn forward(&self) -> Option<ForwardStats> {
        self.tally.as_ref().map(|tally| tally.stats())
    }

    /// Closes the store and hands it over.
    pub(super) async fn close(&self) -> Archive {
        let store = self
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        store.unwrap_or_default().into_archive().await
    }
}

impl Store {
    fn accept(&mut self, request: &ExportTraceServiceRequest, bytes: Option<Bytes>) -> (u64, u64) {
        let (accepted, rejected) = self.keep(request, bytes.as_ref());
        if let (Some(outbox), Some(bytes)) = (&self.outbox, bytes) {
            outbox.push(bytes, accepted);
        }
        (accepted, rejected)
    }

    fn keep(&mut self, request: &ExportTraceServiceRequest, bytes: Option<&Bytes>) -> (u64, u64) {
        if let (Some(spool), Some(bytes)) = (&mut self.spool, bytes) {
            spool.push(bytes);
        }
        self.decoder.take(request)
    }

    async fn into_archive(self) -> Archive {
        let decoded = self.decoder.decoded;
        Archive {
            spans: decoded.spans,
            rejected: decoded.rejected,
            spool: self.spool.map(SpoolWriter::finish),
            forward: match self.outbox {
                Some(outbox) => Some(outbox.close().await),
                None => None,
            },
        }
    }
}

fn response(rejected: u64) -> ExportTraceServiceResponse {
    let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected.try_into().unwrap_or(i64::MAX),
        error_message: "a span needs a trace id of 16 bytes and a span id of 8, neither all zero"
            .into(),
    });
    ExportTraceServiceResponse { partial_success }
}
