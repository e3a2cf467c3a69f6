//! Spans that a receiver does not take. The environment says where spans go, and a process has one
//! environment and one log, so that another process sends them.

use crate::support::{make_spans, start};
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    routing::{get, post},
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use prost::Message;
use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use telemetry::{Export, Identity, SpanTotals, Telemetry, logs};
use tokio::{net::TcpListener, process::Command};
use tonic::{Request, Response, Status};
use tracing_subscriber::EnvFilter;

/// How long the other process may take; it needs a moment.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the other process does: it sends ten spans to where its environment says.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "sends for the other tests, which run it as a process of its own"]
async fn sender() {
    let identity = Identity {
        service: "auth".into(),
        replica: "auth-1".into(),
    };
    let telemetry = Telemetry::start(&identity, &Export::Environment).unwrap();
    logs::start("auth", EnvFilter::new("info"), telemetry.tracer());
    make_spans(&telemetry, 10);
    let totals = telemetry.shutdown().await;
    assert_eq!(totals.ended, 10);
    eprintln!("exported={} failed={}", totals.exported, totals.failed);
}

/// The log of the other process, which sent its spans to `app` by this protocol.
async fn log_after_export_to(app: Router, protocol: &str) -> String {
    let endpoint = serve(app).await;
    let sender = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "export::sender", "--ignored", "--nocapture"])
        .env(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            match protocol {
                "grpc" => endpoint,
                _ => format!("{endpoint}/v1/traces"),
            },
        )
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        // Of no use on this machine, for a receiver on this machine.
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, sender)
        .await
        .unwrap()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    log
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    endpoint
}

/// Rejects three spans of every request.
struct Picky;

fn three_rejected() -> ExportTraceServiceResponse {
    ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 3,
            error_message: "too old".into(),
        }),
    }
}

#[tonic::async_trait]
impl TraceService for Picky {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(three_rejected()))
    }
}

#[tokio::test]
async fn spans_that_the_receiver_rejects_are_lost_over_http_and_over_grpc() {
    for protocol in ["http/protobuf", "grpc"] {
        let grpc = tonic::service::Routes::new(TraceServiceServer::new(Picky));
        let app = grpc.into_axum_router().route(
            "/v1/traces",
            post(async || three_rejected().encode_to_vec()),
        );
        let log = log_after_export_to(app, protocol).await;
        assert!(log.contains("exported=7 failed=3"), "{protocol}: {log}");
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains("too old"))
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains("signal=spans lost=3"), "{log}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failed_export_that_says_where_it_points() {
    for code in [301, 302, 307] {
        let elsewhere = HeaderValue::from_static("/elsewhere");
        let headers = HeaderMap::from_iter([(header::LOCATION, elsewhere)]);
        let moved = (StatusCode::from_u16(code).unwrap(), headers);
        let app = Router::new()
            .route("/v1/traces", post(async move || moved))
            .route("/elsewhere", get(async || "").post(async || ""));
        let log = log_after_export_to(app, "http/protobuf").await;
        assert!(log.contains("exported=0 failed=10"), "{code}: {log}");
        let why = format!("redirects to /elsewhere (status {code})");
        assert!(log.contains(&why), "{log}");
        assert!(
            !log.contains("target=opentelemetry"),
            "the SDK's own log: {log}"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_is_busy_for_a_moment_gets_all_spans() {
    for code in [429, 502, 503, 504] {
        let requests = Arc::new(AtomicUsize::new(0));
        let busy = StatusCode::from_u16(code).unwrap();
        let answer = async move || match requests.fetch_add(1, Relaxed) {
            0..3 => busy,
            _ => StatusCode::OK,
        };
        let endpoint = serve(Router::new().route("/v1/traces", post(answer))).await;
        let telemetry = start(endpoint);
        make_spans(&telemetry, 10);
        let all = SpanTotals {
            ended: 10,
            exported: 10,
            failed: 0,
        };
        assert_eq!(telemetry.shutdown().await, all, "{code}");
    }
}
