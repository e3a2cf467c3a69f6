//! Why a run could not be made.

use std::{io, path::PathBuf};

/// Why a run could not be made. None of these is a result.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A temporary folder can't be made.
    #[error("no temporary folder can be made (TMPDIR names where)")]
    Temporary(#[source] io::Error),
    /// A service could not be started.
    #[error("{service} could not be started")]
    Spawn {
        /// The service.
        service: String,
        /// What the system says.
        source: io::Error,
    },
    /// A service ended or said nothing before it was ready.
    #[error("{service} did not get ready: {why}")]
    NotReady {
        /// The service.
        service: String,
        /// What it said last.
        why: String,
    },
    /// A service ended while it was needed.
    #[error("{service} ended by itself ({how}); the other services were stopped")]
    Ended {
        /// The service.
        service: String,
        /// How, and what it said last.
        how: String,
    },
    /// A service's admin listener did not do what was asked.
    #[error("{service}: its admin listener failed: {why}")]
    Control {
        /// The service.
        service: String,
        /// What went wrong.
        why: String,
    },
    /// A deployed chain is not the one of the scenario.
    #[error("the deployed chain is not the scenario's: {0}")]
    Differs(String),
    /// The edge of a deployed chain does not answer as it should.
    #[error("{url}: no page came: {why}")]
    Target {
        /// What was asked for.
        url: String,
        /// What came instead.
        why: String,
    },
    /// The pods of a cluster could not be reached.
    #[error("kubectl {command}: {why}")]
    Kubectl {
        /// What it was asked to do.
        command: String,
        /// What it said.
        why: String,
    },
    /// The spans could not be fetched.
    #[error(transparent)]
    Jaeger(#[from] traces::JaegerError),
    /// No user could log in.
    #[error(
        "login of {user} failed: {why} (one takes tens of milliseconds, and the policy's limits bound logins as well)"
    )]
    Login {
        /// The user.
        user: String,
        /// What went wrong.
        why: String,
    },
    /// The receiver of spans could not be started.
    #[error(transparent)]
    Receiver(#[from] traces::receiver::StartError),
    /// The generator's telemetry could not be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
    /// The result folder can't be written to.
    #[error("can't write to {}", path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The spans could not be written.
    #[error(transparent)]
    Spans(#[from] traces::jsonl::WriteError),
    /// A part of the lab itself broke.
    #[error("the lab broke: {0}")]
    Broken(String),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}
