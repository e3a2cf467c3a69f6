//! Passing spans on to a collector that answers in all the ways that OTLP knows.

use crate::{story::*, wire};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    routing::post,
};
use futures_util::future::join_all;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
};
use tokio::{
    net::TcpListener,
    time::{Duration, Instant},
};
use traces::{ForwardStats, Receiver, ReceiverOptions};
use types::Cause;

/// An answer of the collector.
type Answer = (StatusCode, HeaderMap, Bytes);

/// A collector that gives these answers, the last one for ever, and notes when it gave them.
#[derive(Clone)]
struct Collector {
    answers: Arc<[Answer]>,
    times: Arc<Mutex<Vec<Instant>>>,
}

impl Collector {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
            times: Arc::default(),
        }
    }

    fn answer(State(it): State<Self>) -> Ready<Answer> {
        let mut times = it.times.lock().unwrap();
        times.push(Instant::now());
        let nth = times.len().min(it.answers.len()) - 1;
        ready(it.answers[nth].clone())
    }

    /// What becomes of one request, which has several spans.
    async fn gets_a_request(&self) -> ForwardStats {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/v1/traces", post(Self::answer))
            .with_state(self.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let options = ReceiverOptions {
            forward: Some(endpoint.parse().unwrap()),
            ..ReceiverOptions::default()
        };
        let any_port = "127.0.0.1:0".parse().unwrap();
        let receiver = Receiver::start(any_port, options).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("{}/v1/traces", receiver.endpoint()))
            .header("content-type", "application/x-protobuf")
            .body(wire::request(&tell(1, "r-1", &fault("gateway", Cause::Error))).encode_to_vec());
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        let stats = receiver.finish().await.forward().cloned().unwrap();
        server.abort();
        stats
    }

    fn requests(&self) -> usize {
        self.times.lock().unwrap().len()
    }
}

fn status(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    (status, HeaderMap::new(), Bytes::new())
}

fn with_header(answer: Answer, name: header::HeaderName, value: &'static str) -> Answer {
    let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
    (answer.0, headers, answer.2)
}

#[tokio::test]
async fn a_collector_that_is_busy_for_a_moment_loses_nothing() {
    let busy = [429, 502, 503, 504].map(async |code| {
        let collector = Collector::new([status(code), status(code), status(code), status(200)]);
        let stats = collector.gets_a_request().await;
        (code, stats.dropped, collector.requests())
    });
    let came = join_all(busy).await;
    let expected = [429, 502, 503, 504].map(|code| (code, 0, 4));
    assert_eq!(came, expected);
}

#[tokio::test]
async fn what_a_collector_does_not_take_after_all_retries_is_counted_with_the_reason() {
    let collector = Collector::new([status(503)]);
    let stats = collector.gets_a_request().await;
    assert_eq!(stats.forwarded, 0);
    assert!(stats.dropped > 0);
    let error = stats.last_error.unwrap();
    assert!(
        error.contains("503") && error.contains("(5 attempts)"),
        "{error}"
    );
    assert_eq!(collector.requests(), 5);
}

#[tokio::test]
async fn what_is_refused_for_good_is_sent_once() {
    for code in [400, 401, 404, 413, 500] {
        let collector = Collector::new([status(code)]);
        let stats = collector.gets_a_request().await;
        assert!(stats.forwarded == 0 && stats.dropped > 0, "{stats:?}");
        assert_eq!(collector.requests(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_loss_that_says_where_it_points() {
    for code in [301, 302, 307, 308] {
        let moved = with_header(
            status(code),
            header::LOCATION,
            "https://elsewhere/v1/traces",
        );
        let collector = Collector::new([moved]);
        let stats = collector.gets_a_request().await;
        assert!(stats.forwarded == 0 && stats.dropped > 0, "{stats:?}");
        let error = stats.last_error.unwrap();
        assert!(error.contains("https://elsewhere/v1/traces"), "{error}");
        assert_eq!(collector.requests(), 1);
    }
}

#[tokio::test]
async fn a_retry_waits_for_as_long_as_the_collector_asks() {
    let busy = with_header(status(503), header::RETRY_AFTER, "1");
    let collector = Collector::new([busy, status(200)]);
    let stats = collector.gets_a_request().await;
    assert_eq!(stats.dropped, 0);
    let times = collector.times.lock().unwrap().clone();
    assert!(times[1] - times[0] >= Duration::from_secs(1));
}

#[tokio::test]
async fn spans_that_the_collector_rejects_are_dropped_and_the_rest_is_forwarded() {
    let answer = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".into(),
        }),
    };
    let (ok, headers, _) = status(200);
    let all = Collector::new([status(200)]).gets_a_request().await;
    let collector = Collector::new([(ok, headers, answer.encode_to_vec().into())]);
    let stats = collector.gets_a_request().await;
    assert_eq!((stats.forwarded, stats.dropped), (all.forwarded - 1, 1));
    assert!(stats.last_error.unwrap().contains("too old"));
}
