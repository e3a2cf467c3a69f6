//! What is to be done now and then, whether anybody asks or not.

use crate::{Auth, moment::Moment};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::sleep};

/// How often, at least. Nothing depends on the moment: what waits costs memory and no more.
const EVERY: Duration = Duration::from_secs(30);

/// The task that does it.
pub(crate) struct Upkeep(JoinHandle<()>);

/// Starts it. Keys that change every `rotate_every` are looked at four times as often.
pub(crate) fn start(auth: Arc<Auth>, rotate_every: Option<Duration>) -> Upkeep {
    let every = rotate_every.map_or(EVERY, |rotate| EVERY.min(rotate / 4));
    Upkeep(tokio::spawn(async move {
        loop {
            tidy(&auth).await;
            sleep(every).await;
        }
    }))
}

impl Upkeep {
    /// Ends it before the store is closed.
    pub(crate) async fn stop(self) {
        self.0.abort();
        // It was told to end.
        let _ = self.0.await;
    }
}

async fn tidy(auth: &Auth) {
    auth.limits.tidy();
    if let Err(error) = auth.tokens.tidy(Moment::now()).await {
        tracing::warn!(%error, "keys and revocations could not be looked after; again in a while");
    }
}
