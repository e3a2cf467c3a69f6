//! Requests that depend on what is there (RFC 9110, section 13), by the number of a version.
//!
//! A read need not repeat what its client has (`If-None-Match`, 304). A write happens only if
//! nobody else has written since its client has read (`If-Match`, 412), or only if there is
//! nothing yet (`If-None-Match: *`): without that, the last of two writers undoes the first,
//! and neither hears of it.
//!
//! The entity tag of a version is its number in quotes, and strong: no two versions share one.

use crate::Refusal;
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, IntoResponseParts, Response, ResponseParts},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ETAG, IF_MATCH, IF_NONE_MATCH},
    request::Parts,
};
use std::{convert::Infallible, fmt};
use types::Problem;
use utoipa::IntoParams;

const ALLOWED: &str = "allowed: * or entity tags such as \"7\" or W/\"7\", separated by commas";
/// How much of a wrong value is repeated to whoever sent it.
const SHOWN: usize = 80;

/// The entity tag of a version, as a part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ETag(pub u64);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl IntoResponseParts for ETag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Ok(value) = HeaderValue::from_str(&self.to_string()) {
            parts.headers_mut().insert(ETAG, value);
        }
        Ok(parts)
    }
}

/// The answer to a read: all of it, or that the client has it already.
#[derive(Debug, Clone, Copy)]
pub struct Versioned<T> {
    /// The version read.
    pub version: u64,
    /// The answer; none where the client has it.
    pub answer: Option<T>,
}

impl<T: IntoResponse> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let tag = ETag(self.version);
        match self.answer {
            Some(answer) => (tag, answer).into_response(),
            None => (StatusCode::NOT_MODIFIED, tag, ()).into_response(),
        }
    }
}

/// What a request expects to be there: the headers `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// The headers of such a request, for the description of its route.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ConditionalHeaders {
    /// Only if what is there has one of these entity tags (`*`: only if something is there).
    #[param(
        rename = "If-Match",
        nullable = false,
        pattern = r#"^(\*|[ \t,]*(W/)?"[!#-~]*"[ \t]*(,[ \t,]*((W/)?"[!#-~]*"[ \t]*)?)*)$"#
    )]
    pub if_match: Option<String>,
    /// Only if what is there has none of these (`*`: only if nothing is there).
    #[param(
        rename = "If-None-Match",
        nullable = false,
        pattern = r#"^(\*|[ \t,]*(W/)?"[!#-~]*"[ \t]*(,[ \t,]*((W/)?"[!#-~]*"[ \t]*)?)*)$"#
    )]
    pub if_none_match: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever is there, but something is.
    Any,
    List(Vec<Tag>),
}

/// An entity tag. A weak one means something similar, which for us is never enough to write.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    text: String,
}

/// What is there is not what the request expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", match .current {
    Some(version) => format!("the current version is \"{version}\""),
    None => "nothing is there".to_owned(),
})]
pub struct PreconditionFailed {
    /// The version that is there, if any.
    pub current: Option<u64>,
}

impl From<PreconditionFailed> for Refusal {
    fn from(failed: PreconditionFailed) -> Self {
        let title = "It is not what the request expects it to be";
        Problem::new(412, "precondition-failed", title)
            .detail(failed.to_string())
            .into()
    }
}

impl Preconditions {
    /// Whether a write may happen to what is there: the version `current`, if anything.
    pub fn check(&self, current: Option<u64>) -> Result<(), PreconditionFailed> {
        let is_expected = self.expects(current)
            && !self
                .if_none_match
                .as_ref()
                .is_some_and(|tags| tags.name_weakly(current));
        is_expected
            .then_some(())
            .ok_or(PreconditionFailed { current })
    }

    /// The answer to a read of the version `current`, which is there.
    pub fn read<T>(&self, current: u64, answer: T) -> Result<Versioned<T>, PreconditionFailed> {
        if !self.expects(Some(current)) {
            let current = Some(current);
            return Err(PreconditionFailed { current });
        }
        let has_it = |tags: &Tags| tags.name_weakly(Some(current));
        let is_known = self.if_none_match.as_ref().is_some_and(has_it);
        Ok(Versioned {
            version: current,
            answer: (!is_known).then_some(answer),
        })
    }

    /// `If-Match` compares strongly (RFC 9110, section 13.1.1).
    fn expects(&self, current: Option<u64>) -> bool {
        let tags = self.if_match.as_ref();
        tags.is_none_or(|tags| tags.name(current, |tag| !tag.is_weak))
    }
}

impl Tags {
    /// `If-None-Match` compares weakly (RFC 9110, section 13.1.2).
    fn name_weakly(&self, current: Option<u64>) -> bool {
        self.name(current, |_| true)
    }

    /// Whether one of those that `count` names what is there.
    fn name(&self, current: Option<u64>, count: impl Fn(&Tag) -> bool) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(tags), Some(version)) => {
                let version = version.to_string();
                tags.iter().any(|tag| tag.text == version && count(tag))
            }
        }
    }

    /// All lines of the header `name` are one list (RFC 9110, section 5.3).
    fn from_headers(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, Refusal> {
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        if lines.is_empty() {
            return Ok(None);
        }
        let texts: Result<Vec<_>, _> = lines.iter().map(|line| line.to_str()).collect();
        let tags = texts.ok().and_then(|texts| Self::parse(&texts.join(",")));
        tags.map(Some).ok_or_else(|| refuse(name, &lines))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.trim_matches(is_blank) == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text;
        loop {
            // A list may have empty places (RFC 9110, section 5.6.1.2).
            rest = rest.trim_start_matches(|c| is_blank(c) || c == ',');
            if rest.is_empty() {
                return (!tags.is_empty()).then_some(Self::List(tags));
            }
            let (tag, behind) = Tag::parse(rest)?;
            rest = behind.trim_start_matches(is_blank);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
            tags.push(tag);
        }
    }
}

impl Tag {
    /// The tag at the start of `text`, and what follows it (RFC 9110, section 8.8.3).
    fn parse(text: &str) -> Option<(Self, &str)> {
        let weak = text.strip_prefix("W/");
        let quoted = weak.unwrap_or(text).strip_prefix('"')?;
        let (inside, behind) = quoted.split_once('"')?;
        let tag = Self {
            is_weak: weak.is_some(),
            text: inside.to_owned(),
        };
        // A blank is the only character that a header can hold and a tag can't.
        (!inside.contains(is_blank)).then_some((tag, behind))
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn refuse(name: &HeaderName, lines: &[&HeaderValue]) -> Refusal {
    let texts = lines
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()));
    let all = texts.collect::<Vec<_>>().join(", ");
    let shown: String = all.chars().take(SHOWN).collect();
    let more = if shown.len() < all.len() { "…" } else { "" };
    Refusal::bad_request(format!(
        "header {name}: {shown:?}{more} is not valid; {ALLOWED}"
    ))
}

/// As text: the same for the same expectations, and only for them.
impl fmt::Display for Preconditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, tags) in [("match", &self.if_match), ("none", &self.if_none_match)] {
            match tags {
                None => {}
                Some(Tags::Any) => write!(f, "{name}:*;")?,
                Some(Tags::List(tags)) => {
                    write!(f, "{name}:")?;
                    tags.iter().try_for_each(|tag| tag.fmt(f))?;
                    f.write_str(";")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weak = if self.is_weak { "W/" } else { "" };
        write!(f, "{weak}\"{}\"", self.text)
    }
}

impl<S: Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self {
            if_match: Tags::from_headers(&parts.headers, &IF_MATCH)?,
            if_none_match: Tags::from_headers(&parts.headers, &IF_NONE_MATCH)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    async fn preconditions(headers: &[(HeaderName, &[u8])]) -> Result<Preconditions, Refusal> {
        let mut request = Request::new(());
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(name, value);
        }
        let mut parts = request.into_parts().0;
        Preconditions::from_request_parts(&mut parts, &()).await
    }

    async fn one(name: HeaderName, value: &str) -> Preconditions {
        preconditions(&[(name, value.as_bytes())]).await.unwrap()
    }

    #[tokio::test]
    async fn a_write_happens_only_to_one_of_the_versions_that_are_named() {
        for (value, allowed) in [
            ("\"7\"", vec![7]),
            ("\"7\", \"8\"", vec![7, 8]),
            (" ,\"8\" ,, \"9\",", vec![8, 9]),
            ("\"a,b\",\"7\"", vec![7]),
            ("W/\"7\", \"8\"", vec![8]),
            ("\"07\"", vec![]),
            ("*", vec![7, 8, 9]),
        ] {
            let preconditions = one(IF_MATCH, value).await;
            let found: Vec<_> = (7..=9)
                .filter(|v| preconditions.check(Some(*v)).is_ok())
                .collect();
            assert_eq!(found, allowed, "{value}");
            // Where nothing is, there is no version.
            let failed = preconditions.check(None).unwrap_err();
            assert_eq!(failed.to_string(), "nothing is there", "{value}");
        }
        let Refusal(problem) = PreconditionFailed { current: Some(9) }.into();
        assert_eq!(
            (problem.status, &*problem.code),
            (412, "precondition-failed")
        );
        assert_eq!(problem.detail.unwrap(), "the current version is \"9\"");
    }

    #[tokio::test]
    async fn a_write_can_be_only_for_something_new() {
        let new = one(IF_NONE_MATCH, "*").await;
        assert!(new.check(None).is_ok() && new.check(Some(7)).is_err());
        // Here a weak tag is as good as a strong one.
        let other = one(IF_NONE_MATCH, "W/\"7\"").await;
        assert!(other.check(Some(7)).is_err() && other.check(Some(8)).is_ok());
        assert!(other.check(None).is_ok());
        assert!(Preconditions::default().check(None).is_ok());
    }

    #[tokio::test]
    async fn a_read_is_not_repeated_to_whoever_has_it() {
        for (value, is_known) in [
            ("\"7\"", true),
            ("W/\"7\"", true),
            ("*", true),
            ("\"8\"", false),
        ] {
            let read = one(IF_NONE_MATCH, value).await.read(7, ()).unwrap();
            assert_eq!(read.answer.is_none(), is_known, "{value}");
            let status = if is_known { 304 } else { 200 };
            let response = read.into_response();
            assert_eq!(response.status(), status, "{value}");
            assert_eq!(response.headers()[ETAG], "\"7\"", "{value}");
        }
        assert!(one(IF_MATCH, "\"8\"").await.read(7, ()).is_err());
        assert!(one(IF_MATCH, "\"7\"").await.read(7, ()).is_ok());
    }

    #[tokio::test]
    async fn several_lines_are_one_list_and_have_one_text() {
        let headers: [(_, &[u8]); 2] = [(IF_MATCH, b"\"7\""), (IF_MATCH, b"W/\"8\"")];
        let lines = preconditions(&headers).await.unwrap();
        assert_eq!(lines, one(IF_MATCH, "\"7\",W/\"8\"").await);
        assert_eq!(lines.to_string(), "match:\"7\"W/\"8\";");
        assert_ne!(
            one(IF_NONE_MATCH, "*").await.to_string(),
            one(IF_MATCH, "*").await.to_string()
        );
    }

    #[tokio::test]
    async fn what_is_not_a_list_of_tags_is_refused_by_name() {
        for value in [
            &b""[..],
            b",",
            b"7",
            b"\"7",
            b"\"7\"8\"",
            b"\"7\" \"8\"",
            b"w/\"7\"",
            b"W/ \"7\"",
            b"*, \"7\"",
            b"\"a b\"",
            b"\xff",
        ] {
            for name in [IF_MATCH, IF_NONE_MATCH] {
                let refused = preconditions(&[(name.clone(), value)]).await;
                let Refusal(problem) = refused.unwrap_err();
                let detail = problem.detail.unwrap();
                assert_eq!(problem.status, 400, "{value:?}");
                assert!(detail.starts_with(&format!("header {name}: ")), "{detail}");
                assert!(detail.ends_with(ALLOWED), "{detail}");
            }
        }
    }
}
