//! Why nothing could be measured.

use std::io;

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A service could not be started, or the client not be built.
    #[error(transparent)]
    Lab(#[from] lab::LabError),
    /// A folder could not be made.
    #[error("no folder for logs can be made")]
    Folder(#[source] io::Error),
    /// The program's own place is unknown, so that it can't be run again.
    #[error("the benchmark does not know where it is")]
    Program(#[source] io::Error),
    /// The receiver of spans could not be started.
    #[error(transparent)]
    Receiver(#[from] traces::receiver::StartError),
    /// The generator's telemetry could not be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
    /// Nobody could log in.
    #[error("login of {user} failed")]
    Login {
        /// The user.
        user: String,
        /// Why.
        source: chassis::CallError,
    },
    /// A service has ended before its time, or the system has no `/proc`.
    #[error("nothing is known of the process of {0}; this needs /proc, as Linux has it")]
    Gone(String),
    /// What a failed request costs is not what was asked.
    #[error("{not_ok} of {offered} requests to the {chain} did not get a full answer")]
    NotOk {
        /// Which chain.
        chain: &'static str,
        /// So many requests.
        not_ok: u64,
        /// Of so many.
        offered: u64,
    },
    /// Not every request was traced in full, so the cost of tracing is not in the figures.
    #[error("{spans} spans arrived of {requests} requests; {least} a request are the least")]
    SpansMissing {
        /// Spans that arrived.
        spans: u64,
        /// Requests sent.
        requests: u64,
        /// What each request makes at least.
        least: u64,
    },
    /// Too many rounds were disturbed.
    #[error("this machine is too busy: {whole} of {wanted} rounds could be measured")]
    TooBusy {
        /// The rounds that were measured.
        whole: usize,
        /// The rounds that were wanted.
        wanted: usize,
        /// What disturbed the last one.
        #[source]
        last: Box<Trouble>,
    },
}

impl Trouble {
    /// Whether it is what a machine does that is busy with something else: requests that time
    /// out, and spans that come late.
    pub const fn is_disturbance(&self) -> bool {
        matches!(self, Self::NotOk { .. } | Self::SpansMissing { .. })
    }
}
