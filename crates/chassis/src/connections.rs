//! From a listener to requests: accepting, serving, draining, and tearing down on purpose.

use crate::own_failure::{self, Report};
use axum::{Router, body::Body, extract::OptionalFromRequestParts, response::Response};
use faults::ResetConnection;
use http::request::Parts;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Sleep, sleep},
};
use tower::ServiceExt;

/// The address at the other end of the connection: that of the client, or of what stands
/// between. An extension of every request that came over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl<S: Sync> OptionalFromRequestParts<S> for PeerAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

/// Whether the connections that are left are being cut off, because the time to drain is over.
/// An extension of every request that came over a connection: what ends then is not ended by its
/// client.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutOff(Arc<AtomicBool>);

impl CutOff {
    pub(crate) fn is_set(&self) -> bool {
        // Relaxed: it is set before the connections' tasks are stopped, which synchronises.
        self.0.load(Relaxed)
    }
}

/// The longest a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to read on, once no more fits into the pipe to it.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The most a client may send as headers, in bytes; also the buffer of a connection.
const MAX_HEADERS: usize = 32 << 10;
/// How long to wait when the system has no file descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a listener treats its connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most at once; others wait until one ends, and idle ones end soon.
    pub connections: NonZeroUsize,
    /// How long the requests under way may take to end once the service stops.
    pub drain: Duration,
}

/// Serves `router` on `listener` until `stop` ends, then waits for the requests under way.
/// The number of connections that had to be cut off then.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future,
    limits: Limits,
) -> usize {
    let (graceful, cut_off) = (GracefulShutdown::new(), CutOff::default());
    let mut connections = JoinSet::new();
    let room = limits.connections.get().min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(room));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            _ = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer, place)) => {
                let peer = PeerAddress(peer.ip());
                let about = (peer, cut_off.clone());
                let connection = connection(open(stream), about, router.clone(), &graceful);
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => pause(&error).await,
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown())
        .await
        .is_ok()
    {
        return 0;
    }
    while connections.try_join_next().is_some() {}
    let cut = connections.len();
    cut_off.0.store(true, Relaxed);
    // Only when the last one has gone are all outcomes counted and all spans made.
    connections.shutdown().await;
    cut
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = room
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

static CONNECTIONS: Report = Report::new("a connection could not be accepted");

async fn pause(error: &io::Error) {
    if let Some(error) = own_failure::used_up(error) {
        CONNECTIONS.log(error);
    } else {
        tracing::warn!(%error, "a connection could not be accepted");
    }
    sleep(ACCEPT_PAUSE).await;
}

/// The seam for TLS: a handshake would turn the TCP stream into an encrypted one here.
fn open(tcp: TcpStream) -> Stream {
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    Stream {
        tcp,
        reset: Arc::default(),
        stalled: None,
    }
}

/// Serves the requests of one connection, one after the other.
fn connection(
    stream: Stream,
    (peer, cut_off): (PeerAddress, CutOff),
    router: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    let reset = stream.reset.clone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(cut_off.clone());
        let answer = router.clone().oneshot(request.map(Body::new));
        let reset = reset.clone();
        async move { deliver(answer.await, &reset) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// An answer that must never be sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
struct Reset;

/// Lets an answer out, or asks for the connection to be torn down.
fn deliver(answer: Result<Response, Infallible>, reset: &AtomicBool) -> Result<Response, Reset> {
    let Ok(response) = answer;
    if response.extensions().get::<ResetConnection>().is_none() {
        return Ok(response);
    }
    reset.store(true, Relaxed);
    Err(Reset)
}

/// A connection that can be torn down: with `reset` set, its end is a TCP RST instead of a
/// FIN, as when the process at the other end has died.
///
/// It ends with an error when its client does not read on: nothing else would ever end it,
/// and it would keep its place from others.
struct Stream {
    tcp: TcpStream,
    reset: Arc<AtomicBool>,
    /// Runs while nothing more can be written.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// What came of a write, or that it has stalled for too long.
    fn watch<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(READ_TIMEOUT)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.reset.load(Relaxed)
            && let Err(error) = self.tcp.set_zero_linger()
        {
            tracing::warn!(%error, "a connection could not be reset, only closed");
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.watch(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Relaxed) {
            // A shutdown would send the FIN that a reset must not.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (accepted, client) = tokio::join!(listener.accept(), client);
        (open(accepted.unwrap().0), client.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_loses_its_connection() {
        let (mut stream, _client) = pair().await;
        let much = vec![0; 64 << 20];
        let error = stream.write_all(&much).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_on_gets_everything() {
        let (mut stream, mut client) = pair().await;
        let much = vec![7; 16 << 20];
        let writing = async {
            stream.write_all(&much).await.unwrap();
            drop(stream);
        };
        let mut got = Vec::new();
        let (read, ()) = tokio::join!(client.read_to_end(&mut got), writing);
        assert_eq!(read.unwrap(), much.len());
    }
}
