//! Reading a request's body: no more than so many bytes, no longer than so long, and those of
//! all requests together in no more than so much memory.
//!
//! The limit on one body does not bound memory: thousands of clients may each send almost
//! that much and stop. What they send beyond a small part is counted as it arrives, not as it
//! is announced, and whoever finds no room is refused. Small bodies always pass, so that a
//! few who send large ones slowly shut nobody out.

use crate::Refusal;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use types::{Cause, Problem};

/// The longest a client may take to send a body.
const LONGEST: Duration = Duration::from_secs(10);
/// The part of each body that is not counted: most bodies have less.
const SMALL: usize = 16 << 10;
/// The room for all that is counted.
const ROOM: usize = 64 << 20;
/// The largest body where nobody has set a limit.
const USUAL_LIMIT: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

/// How bodies are read; an extension of every request of the inbound stack.
#[derive(Debug, Clone)]
pub(crate) struct BodyRules {
    limit: NonZeroUsize,
    room: Arc<Semaphore>,
}

impl Default for BodyRules {
    fn default() -> Self {
        Self::new(USUAL_LIMIT)
    }
}

/// A body, and the room that it takes for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Whole {
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl BodyRules {
    /// Bodies of up to `limit` bytes.
    pub(crate) fn new(limit: NonZeroUsize) -> Self {
        Self {
            limit,
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }

    /// Reads all of `body`.
    pub(crate) async fn read(&self, body: Body) -> Result<Whole, Refusal> {
        let whole = timeout(LONGEST, self.collect(body)).await;
        whole.unwrap_or_else(|_| Err(too_slow()))
    }

    async fn collect(&self, mut body: Body) -> Result<Whole, Refusal> {
        let mut bytes = BytesMut::new();
        let mut room = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| cut_off())?.into_data() else {
                continue;
            };
            if bytes.len().saturating_add(data.len()) > self.limit.get() {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&data);
            self.take(&mut room, bytes.len().saturating_sub(SMALL))?;
        }
        let bytes = bytes.freeze();
        Ok(Whole { bytes, _room: room })
    }

    /// Takes what is missing to have room for so many bytes.
    fn take(&self, room: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Refusal> {
        let has = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.saturating_sub(has)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        let more = self.room.clone().try_acquire_many_owned(more);
        let more = more.map_err(|_| no_room())?;
        match room {
            Some(room) => room.merge(more),
            None => *room = Some(more),
        }
        Ok(())
    }

    fn too_large(&self) -> Refusal {
        let problem = Problem::new(413, "too-large", "The request is too large");
        let detail = format!("allowed: at most {} bytes", self.limit);
        problem.detail(detail).into()
    }
}

fn too_slow() -> Refusal {
    let problem = Problem::new(408, "body-too-slow", "The body did not come in time");
    let detail = format!("allowed: {} s for all of it", LONGEST.as_secs());
    problem.detail(detail).into()
}

/// Seldom seen by anybody: whoever cut it off has mostly gone.
fn cut_off() -> Refusal {
    Problem::new(
        400,
        "body-cut-off",
        "The body ended early, or is not well-formed",
    )
    .into()
}

fn no_room() -> Refusal {
    let problem = Problem::new(503, "too-busy", "The service is too busy");
    problem
        .detail("large bodies of other requests take all the room there is for them")
        .cause(Cause::Shed)
        .retryable(true)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, stream};
    use std::convert::Infallible;

    const MIB: usize = 1 << 20;

    fn rules() -> BodyRules {
        BodyRules::new(USUAL_LIMIT)
    }

    /// A body of which so many bytes have come, and no more will.
    fn stalled(bytes: usize) -> Body {
        let first = Ok::<_, Infallible>(Bytes::from(vec![b' '; bytes]));
        Body::from_stream(stream::iter([first]).chain(stream::pending()))
    }

    fn status(read: Result<Whole, Refusal>) -> u16 {
        read.map_or_else(|Refusal(problem)| problem.status, |_| 200)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_in_time_is_refused() {
        assert_eq!(status(rules().read(stalled(10)).await), 408);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_refused_however_steadily_it_does() {
        let drips = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
        });
        assert_eq!(status(rules().read(Body::from_stream(drips)).await), 408);
    }

    #[tokio::test]
    async fn large_bodies_share_a_room_and_small_ones_always_pass() {
        let rules = rules();
        let fit = ROOM / (MIB - SMALL);
        let mut stalled: Vec<_> = (0..fit)
            .map(|_| Box::pin(rules.read(stalled(MIB))))
            .collect();
        for one in &mut stalled {
            assert!(one.now_or_never().is_none());
        }
        assert_eq!(status(rules.read(Body::from(vec![b' '; MIB])).await), 503);
        assert_eq!(status(rules.read(Body::from(vec![b' '; SMALL])).await), 200);
        stalled.pop();
        assert_eq!(status(rules.read(Body::from(vec![b' '; MIB])).await), 200);
        drop(stalled);
        assert_eq!(rules.room.available_permits(), ROOM);
    }

    #[tokio::test]
    async fn a_body_that_is_cut_off_is_no_body() {
        let pieces = [
            Ok(Bytes::from_static(b"{")),
            Err(std::io::Error::other("gone")),
        ];
        let body = Body::from_stream(stream::iter(pieces));
        assert_eq!(status(rules().read(body).await), 400);
    }
}
