//! Why a request over HTTP is not taken, and how that is said: OTLP asks for a
//! `google.rpc.Status` in the encoding of the request.

use super::{BODY_LIMIT, http::Encoding};
use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use prost::Message;
use serde::Serialize;
use std::io;

/// Why a request is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("content type `{0}` is not taken; allowed: application/x-protobuf, application/json")]
    ContentType(String),
    #[error("content encoding `{0}` is not taken; allowed: gzip, identity")]
    ContentEncoding(String),
    #[error("the request is larger than {} MiB", BODY_LIMIT >> 20)]
    TooLarge,
    #[error("the body broke off: {0}")]
    Broken(String),
    #[error("the body is not gzip: {0}")]
    Gzip(io::Error),
    #[error("the body is not a trace export request in protobuf: {0}")]
    Protobuf(prost::DecodeError),
    #[error("the body is not a trace export request in JSON: {0}")]
    Json(serde_json::Error),
    #[error("the receiver is closed")]
    Closed,
}

/// `google.rpc.Status`, as far as it is needed.
#[derive(Clone, PartialEq, Eq, Message, Serialize)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Refusal {
    /// The HTTP status and the code of `google.rpc.Code` that say the same.
    fn codes(&self) -> (StatusCode, tonic::Code) {
        use tonic::Code;
        match self {
            Self::ContentType(_) | Self::ContentEncoding(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument)
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
            Self::Closed => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
            Self::Broken(_) | Self::Gzip(_) | Self::Protobuf(_) | Self::Json(_) => {
                (StatusCode::BAD_REQUEST, Code::InvalidArgument)
            }
        }
    }

    pub(super) fn in_encoding(&self, encoding: Encoding) -> Response {
        let (http, rpc) = self.codes();
        let status = RpcStatus {
            code: rpc as i32,
            message: self.to_string(),
        };
        let body = match encoding {
            Encoding::Protobuf => status.encode_to_vec(),
            Encoding::Json => serde_json::to_vec(&status).unwrap_or_default(),
        };
        (http, [(CONTENT_TYPE, encoding.content_type())], body).into_response()
    }

    /// For a request in no encoding we know.
    pub(super) fn in_plain_text(&self) -> Response {
        (self.codes().0, format!("{self}\n")).into_response()
    }
}
