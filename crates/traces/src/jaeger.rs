//! Traces from Jaeger, over the HTTP interface of its version 2: `/api/v3`.
//!
//! | path | answer |
//! |---|---|
//! | `/api/v3/services` | the names of all services |
//! | `/api/v3/traces/ID` | the spans of one trace, as OTLP/JSON in `{"result": …}` |
//!
//! A trace of which nothing has come yet is answered with 404. That is no error: spans are sent
//! in batches and come late, which is what [`gather`](Jaeger::gather) is for. Everything else
//! that is not the answer expected names the URL, what came, and what should have.

mod answer;
mod gather;

pub use gather::Gathered;

use crate::span::TraceId;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
    redirect::Policy,
};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

/// The largest answer that is read: as large as a request that the receiver takes.
pub const ANSWER_LIMIT: usize = crate::receiver::BODY_LIMIT;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why Jaeger did not tell.
#[derive(Debug, thiserror::Error)]
pub enum JaegerError {
    /// The URL can't be one of Jaeger.
    #[error(
        "{url}: {why}; allowed: the HTTP port of a Jaeger's query, such as http://127.0.0.1:16686"
    )]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("{url}: {}; is Jaeger's query there?", silence(source))]
    Silent {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Another answer than a good one.
    #[error("{url}: answered with {status}{said}; expected: 200, or 404 for what is not there")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: StatusCode,
        /// The begin of what came with it, if it is a text.
        said: String,
    },
    /// An answer that refers to somewhere else, which is not followed.
    #[error("{url}: refers to {to}; expected: the answer itself, so name that address")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where it refers to.
        to: String,
    },
    /// A page for people.
    #[error("{url}: answered with a web page; expected: JSON, as Jaeger 2 has it at its HTTP port")]
    Page {
        /// What was asked for.
        url: String,
    },
    /// An answer larger than [`ANSWER_LIMIT`].
    #[error("{url}: answered with more than {} MiB", ANSWER_LIMIT >> 20)]
    TooLarge {
        /// What was asked for.
        url: String,
    },
    /// An answer that ended too early.
    #[error("{url}: the answer broke off")]
    BrokenOff {
        /// What was asked for.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// Something else than what was asked for.
    #[error("{url}: answered with something else than {expected}: {why}")]
    Nonsense {
        /// What was asked for.
        url: String,
        /// What should have come.
        expected: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// A running Jaeger.
#[derive(Debug, Clone)]
pub struct Jaeger {
    url: Url,
    client: Client,
}

impl Jaeger {
    /// The Jaeger whose query listens at `url`.
    pub fn at(url: &Url) -> Result<Self, JaegerError> {
        let wrong = |why| JaegerError::Url {
            url: url.to_string(),
            why,
        };
        if url.scheme() != "http" {
            return Err(wrong("not an address that starts with http://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("more than an address and a path"));
        }
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(PATIENCE);
        Ok(Self {
            url: url.clone(),
            client: client.build().map_err(JaegerError::Client)?,
        })
    }

    /// Where it is.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The names of all services it knows.
    pub async fn services(&self) -> Result<Vec<String>, JaegerError> {
        #[derive(Deserialize)]
        struct Services {
            services: Option<Vec<String>>,
        }
        const EXPECTED: &str = "a list of services";
        let url = self.url_of("services");
        let body = self.get(&url).await?;
        let body = body.ok_or_else(|| nonsense(&url, EXPECTED, "404, nothing is there".into()))?;
        let services: Services = serde_json::from_slice(&body)
            .map_err(|error| nonsense(&url, EXPECTED, error.to_string()))?;
        Ok(services.services.unwrap_or_default())
    }

    /// The spans of one trace that have come so far; none of a trace it does not know.
    pub async fn trace(
        &self,
        trace: TraceId,
    ) -> Result<Option<ExportTraceServiceRequest>, JaegerError> {
        let url = self.url_of(&format!("traces/{trace}"));
        let Some(body) = self.get(&url).await? else {
            return Ok(None);
        };
        let spans = answer::spans(&body);
        let spans = spans.map_err(|wrong| nonsense(&url, "OTLP/JSON spans", wrong.to_string()))?;
        Ok(Some(spans).filter(|spans| !spans.resource_spans.is_empty()))
    }

    fn url_of(&self, what: &str) -> String {
        format!("{}/api/v3/{what}", self.url.as_str().trim_end_matches('/'))
    }

    /// The body of a good answer; none of a 404.
    async fn get(&self, url: &str) -> Result<Option<Vec<u8>>, JaegerError> {
        let answer = self.client.get(url).send().await;
        let answer = answer.map_err(|source| JaegerError::Silent {
            url: url.to_owned(),
            source: source.without_url(),
        })?;
        if is_page(&answer) {
            let url = url.to_owned();
            return Err(JaegerError::Page { url });
        }
        match answer.status() {
            StatusCode::OK => read(url, answer).await.map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_redirection() => Err(redirect(url, &answer)),
            status => Err(JaegerError::Status {
                said: said(read(url, answer).await.unwrap_or_default()),
                url: url.to_owned(),
                status,
            }),
        }
    }
}

/// Jaeger serves its pages at every path that it does not know, with 200.
fn is_page(answer: &Response) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

fn redirect(url: &str, answer: &Response) -> JaegerError {
    let to = answer.headers().get(LOCATION);
    let to = to.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
    JaegerError::Redirect {
        url: url.to_owned(),
        to: to.unwrap_or_else(|| "nowhere".to_owned()),
    }
}

async fn read(url: &str, mut answer: Response) -> Result<Vec<u8>, JaegerError> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(part)) if body.len() + part.len() > ANSWER_LIMIT => {
                let url = url.to_owned();
                return Err(JaegerError::TooLarge { url });
            }
            Ok(Some(part)) => body.extend_from_slice(&part),
            Ok(None) => return Ok(body),
            Err(source) => {
                return Err(JaegerError::BrokenOff {
                    url: url.to_owned(),
                    source: source.without_url(),
                });
            }
        }
    }
}

fn silence(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    "it can't be reached".to_owned()
}

/// The begin of a text in brackets, for an error message; nothing of anything else.
fn said(body: Vec<u8>) -> String {
    let begin = begin_of(&String::from_utf8(body).unwrap_or_default());
    if begin.is_empty() {
        return begin;
    }
    format!(" ({begin})")
}

/// The begin of what somebody else says, in one line.
fn begin_of(text: &str) -> String {
    const MOST: usize = 200;
    let begin = text.trim().chars().take(MOST);
    begin
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn nonsense(url: &str, expected: &'static str, why: String) -> JaegerError {
    JaegerError::Nonsense {
        url: url.to_owned(),
        expected,
        why,
    }
}
