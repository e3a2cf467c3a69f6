//! JSON bodies whose rejections are problems.

use crate::{Refusal, body::BodyRules};
use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};
use types::{
    Problem,
    read::{self, ReadError},
};

/// A JSON body. As an extractor it answers a bad one with a problem that says what is wrong:
/// 415 for another content type, 413 for too much of it, 408 for too slow a sender, 400 for no
/// JSON, 422 for the wrong shape.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<S: Sync + Send, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(not_json_by_type());
        }
        let rules = request.extensions().get::<BodyRules>().cloned();
        let whole = rules.unwrap_or_default().read(request.into_body()).await?;
        let parsed = read::from_slice(&whole.bytes);
        parsed
            .map(|Object(value)| Self(value))
            .map_err(|wrong| refuse(&wrong))
    }
}

/// What a body must be. A derived type alone would take `[1, 2]` for `{"a": 1, "b": 2}`.
struct Object<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// `application/json`, or a type made of JSON, such as `application/problem+json` (RFC 6839).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

fn not_json_by_type() -> Refusal {
    let title = "The content type must be application/json";
    let detail = "header Content-Type: missing or another; allowed: application/json";
    let problem = Problem::new(415, "unsupported-media-type", title);
    problem.detail(detail).into()
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn refuse(wrong: &ReadError) -> Refusal {
    let (status, code, title) = if wrong.is_syntax() {
        (400, "not-json", "The body is not valid JSON")
    } else {
        let title = "The JSON body does not have the expected shape";
        (422, "wrong-shape", title)
    };
    let problem = Problem::new(status, code, title);
    problem.detail(wrong.to_string()).into()
}
