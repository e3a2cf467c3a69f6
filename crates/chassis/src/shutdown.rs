//! When a service is told to stop.

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use std::io::Read;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// Ends with SIGTERM or SIGINT, or, `supervised`, when standard input ends: whoever started
/// the service has closed it, or is no more.
///
/// Signals count from the call on, before the future is first polled. It can be waited for
/// in several places: while the service starts, and while it serves.
pub(crate) fn stop_signal(supervised: bool) -> std::io::Result<StopSignal> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let supervisor = async move {
        if !supervised || end_of_input().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let signalled = async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = supervisor => "end of input",
        }
    };
    Ok(signalled.boxed().shared())
}

/// Ends when the service is to stop, with the reason. Clones end together.
pub(crate) type StopSignal = Shared<BoxFuture<'static, &'static str>>;

/// Waits in a thread of its own: a blocked read must not keep the process from ending.
async fn end_of_input() -> Result<(), oneshot::error::RecvError> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0_u8; 64];
        while std::io::stdin()
            .read(&mut buffer)
            .is_ok_and(|read| read > 0)
        {}
        // The receiver is gone when something else stopped the service first.
        let _ = ended.send(());
    });
    end.await
}
