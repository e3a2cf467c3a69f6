//! The entrance for HTTP: protobuf and JSON, plain or gzip.

use super::{
    BODY_LIMIT,
    intake::{Closed, Intake},
    refusal::Refusal,
};
use axum::{
    extract::{State, rejection::BytesRejection},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use std::{io::Read, sync::Arc};

/// How a request is written; it is answered in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let found = header(headers, CONTENT_TYPE.as_str());
        let essence = found
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let known = [Self::Protobuf, Self::Json];
        let encoding = known
            .into_iter()
            .find(|encoding| encoding.content_type() == essence);
        encoding.ok_or(Refusal::ContentType(found))
    }
}

/// `POST /v1/traces`.
pub(super) async fn export(
    State(intake): State<Arc<Intake>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let encoding = match Encoding::of(&headers) {
        Ok(encoding) => encoding,
        Err(refusal) => return refusal.in_plain_text(),
    };
    match take(&intake, encoding, &headers, body) {
        Ok(response) => accepted(encoding, &response),
        Err(refusal) => refusal.in_encoding(encoding),
    }
}

fn take(
    intake: &Intake,
    encoding: Encoding,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<ExportTraceServiceResponse, Refusal> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::Broken(rejection.body_text()),
    })?;
    let body = decompress(headers, body)?;
    let taken = match encoding {
        Encoding::Protobuf => intake.accept(&from_protobuf(&body)?, Some(body)),
        Encoding::Json => intake.accept(&from_json(&body)?, None),
    };
    taken.map_err(|Closed| Refusal::Closed)
}

fn from_protobuf(body: &Bytes) -> Result<ExportTraceServiceRequest, Refusal> {
    ExportTraceServiceRequest::decode(body.as_ref()).map_err(Refusal::Protobuf)
}

fn from_json(body: &Bytes) -> Result<ExportTraceServiceRequest, Refusal> {
    serde_json::from_slice(body).map_err(Refusal::Json)
}

fn decompress(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    let found = header(headers, CONTENT_ENCODING.as_str());
    match found.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body),
        "gzip" => gunzip(&body),
        _ => Err(Refusal::ContentEncoding(found)),
    }
}

/// Stops at the limit: a small body can hold a huge one.
fn gunzip(body: &Bytes) -> Result<Bytes, Refusal> {
    let mut plain = Vec::new();
    let mut reader = MultiGzDecoder::new(body.as_ref()).take(BODY_LIMIT as u64 + 1);
    reader.read_to_end(&mut plain).map_err(Refusal::Gzip)?;
    if plain.len() > BODY_LIMIT {
        Err(Refusal::TooLarge)
    } else {
        Ok(plain.into())
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.unwrap_or_default().into_owned()
}

fn accepted(encoding: Encoding, response: &ExportTraceServiceResponse) -> Response {
    let body = match encoding {
        Encoding::Protobuf => response.encode_to_vec(),
        Encoding::Json => json_response(response),
    };
    ([(CONTENT_TYPE, encoding.content_type())], body).into_response()
}

/// By hand, because the generated encoding writes what is absent as null and 64-bit numbers
/// as numbers.
fn json_response(response: &ExportTraceServiceResponse) -> Vec<u8> {
    let body = response.partial_success.as_ref().map_or_else(
        || serde_json::json!({}),
        |partial| {
            serde_json::json!({ "partialSuccess": {
                "rejectedSpans": partial.rejected_spans.to_string(),
                "errorMessage": partial.error_message,
            }})
        },
    );
    body.to_string().into_bytes()
}
