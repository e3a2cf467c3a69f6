//! A clock that a test moves by hand while it waits for real sockets.

use std::{sync::mpsc, time::Duration};
use tokio::{task::spawn_blocking, time};

/// The clock of this test's runtime, which stands still but for [`advance`](Self::advance).
///
/// A clock that is only paused jumps to the next timer as soon as no task has anything to do,
/// also while the kernel still carries bytes between two sockets: on a busy machine a request
/// would time out on its way. This one does not jump. So a test can wait for what really
/// happens, however long that takes, and then let exactly the time pass that it is about.
///
/// It needs a runtime of one thread, as `#[tokio::test]` makes it.
#[derive(Debug)]
pub struct HeldClock {
    /// Ends, when it is dropped, the blocking task that keeps the clock from jumping.
    _release: mpsc::Sender<()>,
}

impl HeldClock {
    /// Stops the clock.
    ///
    /// # Panics
    ///
    /// If it is paused already, or the runtime has several threads.
    pub fn hold() -> Self {
        time::pause();
        let (release, released) = mpsc::channel::<()>();
        // tokio never moves a paused clock by itself while a blocking task runs.
        spawn_blocking(move || released.recv());
        Self { _release: release }
    }

    /// Lets `time` pass, and lets the tasks run whose timers fire in it.
    pub async fn advance(&self, time: Duration) {
        // A timer fires at the first whole millisecond after its time.
        time::advance(time + Duration::from_millis(1)).await;
    }
}
