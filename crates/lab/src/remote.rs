//! The admin listener of a service that somebody else has started.

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use std::time::Duration;
use types::{
    Problem,
    read::{self, ReadError},
};

/// The longest an admin listener may take, which has little to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// The admin listener of a running service. It holds a secret, so it can't be printed.
pub struct Remote {
    name: String,
    base: String,
    token: Option<String>,
    client: Client,
}

/// Why an admin listener did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It refused.
    #[error("{service}: {why}")]
    Refused {
        /// The service.
        service: String,
        /// The status of its answer.
        status: StatusCode,
        /// What it says.
        why: String,
    },
    /// It answered, and not with JSON.
    #[error("{service}: {base} answered with something else than JSON; is it an admin listener?")]
    NotJson {
        /// The service.
        service: String,
        /// Where it should be.
        base: String,
        /// What went wrong.
        source: ReadError,
    },
    /// It answered with JSON that is not what was asked for.
    #[error("{service}: {why}")]
    Strange {
        /// The service.
        service: String,
        /// What is wrong with it.
        why: String,
    },
    /// It did not answer.
    #[error("{service}: no answer from its admin listener at {base}")]
    Unreachable {
        /// The service.
        service: String,
        /// Where it should be.
        base: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
}

impl RemoteError {
    /// Whether what was asked for was wrong, and not who was asked.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.is_client_error())
    }
}

impl Remote {
    /// The admin listener of the service `name` at `base`, such as `http://127.0.0.1:9090`.
    pub fn new(name: &str, base: &str, token: Option<String>) -> Result<Self, RemoteError> {
        Ok(Self {
            name: name.to_owned(),
            base: base.trim_end_matches('/').to_owned(),
            token,
            client: Client::builder().no_proxy().timeout(PATIENCE).build()?,
        })
    }

    /// The listener at `base`, which says itself whose it is.
    pub async fn find(base: &str, token: Option<String>) -> Result<Self, RemoteError> {
        let mut remote = Self::new("service", base, token)?;
        let document = remote.read("openapi.json").await?;
        let title = document["info"]["title"].as_str().unwrap_or_default();
        let name = title.strip_prefix("nines ").unwrap_or(title);
        if !name.is_empty() {
            name.clone_into(&mut remote.name);
        }
        Ok(remote)
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is in force: `faults` or `policy`.
    pub async fn read(&self, what: &str) -> Result<Value, RemoteError> {
        let url = format!("{}/{what}", self.base);
        self.exchange(self.client.get(url)).await
    }

    /// Replaces what is in force; what is now.
    pub async fn write(&self, what: &str, value: &Value) -> Result<Value, RemoteError> {
        let url = format!("{}/{what}", self.base);
        let mut request = self.client.put(url).json(value);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        self.exchange(request).await
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Value, RemoteError> {
        let unreachable = |source| RemoteError::Unreachable {
            service: self.name.clone(),
            base: self.base.clone(),
            source,
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            let not_json = |source| RemoteError::NotJson {
                service: self.name.clone(),
                base: self.base.clone(),
                source,
            };
            let body = answer.bytes().await.map_err(unreachable)?;
            return read::from_slice(&body).map_err(not_json);
        }
        let problem: Option<Problem> = answer.json().await.ok();
        let why =
            problem.map(|problem| problem.detail.unwrap_or_else(|| problem.title.into_owned()));
        Err(RemoteError::Refused {
            service: self.name.clone(),
            status,
            why: why.unwrap_or_else(|| status.to_string()),
        })
    }
}
