//! The bare chain: the work itself and nothing around it.
//!
//! The same routes, reads, token check and JSON as the real services, on plain `axum::serve`
//! and reqwest: no spans, metrics, limits, deadlines or faults. It reads the stores that the
//! real services made, with the same settings, on the same runtime and the same allocator.

mod auth;
mod database;
mod gateway;
mod profile;
mod store;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use chassis::Addresses;
use std::{error::Error, future::IntoFuture, io::Read, path::PathBuf};
use tokio::{net::TcpListener, sync::oneshot};
use url::Url;

/// Which service to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Who is it?
    Auth,
    /// What is on their page?
    Profile,
    /// The records it names.
    Database,
    /// The edge.
    Gateway,
}

/// What a bare service is told.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Be this service of the bare chain.
    #[arg(long = "bare", hide = true)]
    pub role: Option<Role>,
    /// The store to read, of a service that has one.
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
    #[arg(long, hide = true)]
    auth: Option<Url>,
    #[arg(long, hide = true)]
    profile: Option<Url>,
    #[arg(long, hide = true)]
    database: Option<Url>,
}

/// Is one bare service until standard input ends.
pub fn run(role: Role, settings: Settings) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(role, settings))
}

async fn serve(role: Role, settings: Settings) -> Result<(), Box<dyn Error>> {
    let router = router(role, settings).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let public = listener.local_addr()?;
    let addresses = Addresses {
        public,
        admin: public,
    };
    println!("{}", serde_json::to_string(&addresses)?);
    let listener = listener.tap_io(|stream| {
        // Without it, an answer would only be late.
        let _ = stream.set_nodelay(true);
    });
    tokio::select! {
        served = axum::serve(listener, router).into_future() => Ok(served?),
        ended = end_of_input() => Ok(ended?),
    }
}

async fn router(role: Role, settings: Settings) -> Result<Router, Box<dyn Error>> {
    let Some(store) = &settings.store else {
        return gateway::router(settings);
    };
    let store = store::open(store).await?;
    match role {
        Role::Auth => auth::router(store).await,
        Role::Profile => Ok(profile::router(store)),
        Role::Database => Ok(database::router(store)),
        Role::Gateway => Err("a gateway has no store".into()),
    }
}

/// Waits in a thread of its own: a blocked read must not keep the process from ending.
async fn end_of_input() -> Result<(), oneshot::error::RecvError> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // However it ends, nobody is left to serve.
        let _ = std::io::stdin().read_to_end(&mut rest);
        let _ = ended.send(());
    });
    end.await
}

/// What a bare handler answers.
type Answer<T> = Result<Json<T>, Failed>;

/// Whatever goes wrong is a 500: in a benchmark nothing does.
struct Failed(Box<dyn Error>);

impl<E: Error + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}
