//! The receiver on a real socket.

use crate::{story::*, wire};
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceResponse, trace_service_client::TraceServiceClient,
};
use proptest::prelude::*;
use prost::Message;
use reqwest::{Client, Response, StatusCode};
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::codec::CompressionEncoding;
use traces::{Receiver, ReceiverOptions, Span};
use types::Cause;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn start(options: ReceiverOptions) -> Receiver {
    Receiver::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

async fn plain() -> Receiver {
    start(ReceiverOptions::default()).await
}

fn spans() -> Vec<Span> {
    let root = call(
        "gateway",
        failed(Cause::Error),
        vec![fault("auth", Cause::Timeout)],
    );
    tell(1, "r-1", &root)
}

async fn post(receiver: &Receiver, content_type: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = client().post(format!("{}/v1/traces", receiver.endpoint()));
    request
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
        .unwrap()
}

async fn post_gzip(receiver: &Receiver, body: &[u8]) -> Response {
    let request = client().post(format!("{}/v1/traces", receiver.endpoint()));
    let request = request
        .header("content-type", PROTOBUF)
        .header("content-encoding", "gzip");
    request.body(gzip(body)).send().await.unwrap()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The code and the message of a `google.rpc.Status` in protobuf.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[tokio::test]
async fn protobuf_json_and_grpc_give_the_same_spans() {
    let request = wire::request(&spans());
    let over_protobuf = plain().await;
    let response = post(&over_protobuf, PROTOBUF, request.encode_to_vec()).await;
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (StatusCode::OK, &PROTOBUF.parse().unwrap())
    );
    let body = ExportTraceServiceResponse::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(body.partial_success, None);

    let over_json = plain().await;
    let json = serde_json::to_vec(&request).unwrap();
    let response = post(&over_json, "application/json; charset=utf-8", json).await;
    assert_eq!(
        (response.status(), response.text().await.unwrap()),
        (StatusCode::OK, "{}".into())
    );

    let over_grpc = plain().await;
    let mut client = TraceServiceClient::connect(over_grpc.endpoint())
        .await
        .unwrap();
    client.export(request).await.unwrap();

    for receiver in [over_protobuf, over_json, over_grpc] {
        assert_eq!(receiver.received(), spans().len() as u64);
        let archive = receiver.finish().await;
        assert_eq!((archive.spans(), archive.rejected()), (&spans()[..], 0));
    }
}

#[tokio::test]
async fn gzip_is_understood_over_http_and_over_grpc() {
    let receiver = plain().await;
    let request = wire::request(&spans());
    assert_eq!(
        post_gzip(&receiver, &request.encode_to_vec())
            .await
            .status(),
        StatusCode::OK
    );
    let client = TraceServiceClient::connect(receiver.endpoint())
        .await
        .unwrap();
    client
        .send_compressed(CompressionEncoding::Gzip)
        .export(request)
        .await
        .unwrap();
    assert_eq!(receiver.received(), 2 * spans().len() as u64);
}

#[tokio::test]
async fn spans_without_an_identity_are_rejected_in_number_and_the_rest_is_taken() {
    let mut request = wire::request(&spans());
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = vec![0; 16];
    request.resource_spans[0].scope_spans[0].spans[1].span_id = vec![1; 3];
    let receiver = plain().await;
    let response = post(&receiver, JSON, serde_json::to_vec(&request).unwrap()).await;
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["partialSuccess"]["rejectedSpans"], "2");
    let archive = receiver.finish().await;
    assert_eq!(
        (archive.spans().len(), archive.rejected()),
        (spans().len() - 2, 2)
    );
}

#[tokio::test]
async fn a_wrong_path_is_not_found_and_says_what_would_be() {
    let receiver = plain().await;
    for path in [
        "/",
        "/v1/metrics",
        "/v1/logs",
        "/v1/traces/",
        "/v1/trace",
        "/some.Service/Export",
    ] {
        let request = client().post(format!("{}{path}", receiver.endpoint()));
        let response = request
            .header("content-type", PROTOBUF)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(
            response.text().await.unwrap().contains("POST /v1/traces"),
            "{path}"
        );
    }
    let get = client()
        .get(format!("{}/v1/traces", receiver.endpoint()))
        .send()
        .await
        .unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_garbled_body_is_refused_in_its_own_encoding_with_the_reason() {
    let receiver = plain().await;
    let mut truncated = wire::request(&spans()).encode_to_vec();
    truncated.truncate(truncated.len() - 5);
    let response = post(&receiver, PROTOBUF, truncated).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let status = RpcStatus::decode(response.bytes().await.unwrap()).unwrap();
    assert_eq!(status.code, 3);
    assert!(
        status
            .message
            .starts_with("the body is not a trace export request in protobuf: ")
    );

    let response = post(&receiver, JSON, "{\"resourceSpans\":[").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let status: serde_json::Value = response.json().await.unwrap();
    assert_eq!(status["code"], 3);
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("EOF while parsing"),
        "{status}"
    );
    assert_eq!(receiver.finish().await.spans(), []);
}

#[tokio::test]
async fn an_unknown_content_type_or_encoding_is_refused_with_what_is_allowed() {
    let receiver = plain().await;
    let response = post(&receiver, "text/plain", "x").await;
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let text = response.text().await.unwrap();
    assert!(text.contains("`text/plain`") && text.contains(PROTOBUF) && text.contains(JSON));
    let request = client().post(format!("{}/v1/traces", receiver.endpoint()));
    let request = request
        .header("content-type", JSON)
        .header("content-encoding", "br");
    let response = request.body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("allowed: gzip, identity")
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large_also_when_it_only_grows_by_unpacking() {
    let receiver = plain().await;
    let large = vec![0; traces::receiver::BODY_LIMIT + 1];
    assert_eq!(
        post_gzip(&receiver, &large).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        post(&receiver, PROTOBUF, large).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn everything_accepted_is_passed_on_to_the_next_collector() {
    let next = plain().await;
    let forward = Some(next.endpoint().parse().unwrap());
    let receiver = start(ReceiverOptions {
        forward,
        ..ReceiverOptions::default()
    })
    .await;
    let request = wire::request(&spans());
    post(&receiver, PROTOBUF, request.encode_to_vec()).await;
    post(&receiver, JSON, serde_json::to_vec(&request).unwrap()).await;
    post_gzip(&receiver, &request.encode_to_vec()).await;
    let mut client = TraceServiceClient::connect(receiver.endpoint())
        .await
        .unwrap();
    client.export(request).await.unwrap();

    let archive = receiver.finish().await;
    let stats = archive.forward().unwrap();
    assert_eq!(
        (stats.forwarded, stats.dropped),
        (4 * spans().len() as u64, 0)
    );
    assert_eq!(next.finish().await.spans(), archive.spans());
}

#[tokio::test]
async fn a_dead_collector_is_counted_and_receiving_goes_on() {
    // Bound and never listening: nobody else can take the port.
    let dead = tokio::net::TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let forward = Some(
        format!("http://{}", dead.local_addr().unwrap())
            .parse()
            .unwrap(),
    );
    let receiver = start(ReceiverOptions {
        forward,
        ..ReceiverOptions::default()
    })
    .await;
    for _ in 0..600 {
        let body = wire::request(&spans()).encode_to_vec();
        assert_eq!(
            post(&receiver, PROTOBUF, body).await.status(),
            StatusCode::OK
        );
    }
    let archive = receiver.finish().await;
    let (stats, sent) = (archive.forward().unwrap(), 600 * spans().len());
    assert_eq!((stats.forwarded, stats.dropped), (0, sent as u64));
    assert!(
        stats.last_error.as_deref().unwrap().contains("refused"),
        "{stats:?}"
    );
    assert_eq!(archive.spans().len(), sent);
}

#[tokio::test]
async fn a_collector_that_refuses_is_quoted() {
    let next = plain().await;
    let forward = Some(format!("{}/wrong", next.endpoint()).parse().unwrap());
    let receiver = start(ReceiverOptions {
        forward,
        ..ReceiverOptions::default()
    })
    .await;
    post(&receiver, PROTOBUF, wire::request(&spans()).encode_to_vec()).await;
    let stats = receiver.finish().await.forward().cloned().unwrap();
    assert_eq!(stats.dropped, spans().len() as u64);
    assert!(stats.last_error.unwrap().contains("404"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let receiver = plain().await;
    let address = receiver
        .endpoint()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let error = Receiver::start(address, ReceiverOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("can't listen for spans on {address}")
    );
}

#[tokio::test]
async fn after_the_end_nothing_is_accepted() {
    let receiver = plain().await;
    let url = format!("{}/v1/traces", receiver.endpoint());
    let client = client();
    let send = || client.post(&url).header("content-type", PROTOBUF).send();
    assert_eq!(send().await.unwrap().status(), StatusCode::OK);
    receiver.finish().await;
    assert!(send().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_never_finishes_does_not_hold_up_the_end() {
    let receiver = plain().await;
    let address = receiver.endpoint().replace("http://", "");
    let mut stuck = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    stuck.write_all(head.as_bytes()).await.unwrap();
    stuck
        .write_all(b"content-length: 99\r\nexpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    // Only a receiver that waits for the body asks for it.
    let mut answer = [0; 12];
    stuck.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    assert_eq!(receiver.finish().await.spans(), []);
}

/// Bytes that are garbage from the start, or a good request with garbage in it.
fn any_body(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let spoiled =
        (Just(good), flips, any::<prop::sample::Index>()).prop_map(|(mut body, flips, cut)| {
            for (at, byte) in flips {
                let at = at.index(body.len());
                body[at] = byte;
            }
            body.truncate(cut.index(body.len() + 1));
            body
        });
    prop_oneof![prop::collection::vec(any::<u8>(), 0..200), spoiled]
}

fn bodies() -> impl Strategy<Value = [Vec<u8>; 4]> {
    let request = wire::request(&spans());
    let (protobuf, json) = (
        request.encode_to_vec(),
        serde_json::to_vec(&request).unwrap(),
    );
    let mut framed = vec![0];
    framed.extend(u32::try_from(protobuf.len()).unwrap().to_be_bytes());
    framed.extend(&protobuf);
    let zipped = gzip(&protobuf);
    (
        any_body(protobuf),
        any_body(json),
        any_body(framed),
        any_body(zipped),
    )
        .prop_map(|(protobuf, json, framed, zipped)| [protobuf, json, framed, zipped])
}

#[test]
fn no_bytes_whatever_upset_any_entrance() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(plain());
    let client = client();
    let send = |path: &str, content_type: &str, encoding: &str, body: Vec<u8>| {
        let request = client.post(format!("{}{path}", receiver.endpoint()));
        let request = request.header("content-type", content_type);
        let request = request.header("content-encoding", encoding).body(body);
        // A panic would close the connection without an answer.
        runtime
            .block_on(request.send())
            .expect("an answer")
            .status()
    };
    let grpc = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    proptest!(|([protobuf, json, framed, zipped] in bodies())| {
        for status in [
            send("/v1/traces", PROTOBUF, "identity", protobuf),
            send("/v1/traces", JSON, "identity", json),
            send("/v1/traces", PROTOBUF, "gzip", zipped),
            send(grpc, "application/grpc", "identity", framed),
        ] {
            prop_assert!(matches!(status.as_u16(), 200 | 400), "{status}");
        }
    });
    let body = wire::request(&spans()).encode_to_vec();
    assert_eq!(
        send("/v1/traces", PROTOBUF, "identity", body),
        StatusCode::OK
    );
}
