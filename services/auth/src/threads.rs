//! A few threads for long computations.
//!
//! They live as long as the service, so that each can keep the memory it works in. Work waits
//! for a thread, but not much of it: what waited too long would only be thrown away, and by
//! then its caller has come again. What does not fit is refused at once.

use std::{
    io,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};
use tokio::sync::{Semaphore, oneshot};

type Job = Box<dyn FnOnce() + Send>;

/// Why a computation has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThreadsError {
    #[error("a thread could not be started: {0}")]
    Start(#[from] io::Error),
    #[error("the computation did not come to its end")]
    Lost,
    #[error("too many computations are waiting")]
    Full,
}

/// So many threads and no more; some work beyond that waits its turn, and no more is taken.
#[derive(Clone)]
pub(crate) struct Threads {
    jobs: Sender<Job>,
    /// One for each computation under way, running or waiting. Whoever gives up gives theirs
    /// back.
    places: Arc<Semaphore>,
}

impl Threads {
    /// Starts `count` threads called `name`, for which so many computations may be `waiting`.
    pub(crate) fn start(
        name: &str,
        count: NonZeroUsize,
        waiting: usize,
    ) -> Result<Self, ThreadsError> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..count.get() {
            let queue = queue.clone();
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(&queue))?;
        }
        let places = count
            .get()
            .saturating_add(waiting)
            .min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { jobs, places })
    }

    /// The result of `work`, done in one of the threads. Work that nobody waits for any more
    /// when its turn comes is not done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ThreadsError> {
        let _place = self.places.try_acquire().map_err(|_| ThreadsError::Full)?;
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            if !done.is_closed() {
                // Nobody waits any more: then the result is not needed.
                let _ = done.send(work());
            }
        });
        self.jobs.send(job).map_err(|_| ThreadsError::Lost)?;
        result.await.map_err(|_| ThreadsError::Lost)
    }
}

/// Does one job after the other until no more can come.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A job that panics loses its own result, and no other job its thread.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[tokio::test]
    async fn no_more_work_is_done_at_once_than_there_are_threads() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let threads = Threads::start("test", NonZeroUsize::new(2).unwrap(), 198).unwrap();
        let work = || {
            MOST.fetch_max(NOW.fetch_add(1, SeqCst) + 1, SeqCst);
            thread::yield_now();
            NOW.fetch_sub(1, SeqCst);
        };
        let all = (0..200).map(|_| threads.run(work));
        futures_util::future::try_join_all(all).await.unwrap();
        assert!((1..=2).contains(&MOST.load(SeqCst)));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_is_not_done() {
        static DONE: AtomicUsize = AtomicUsize::new(0);
        let threads = Threads::start("test", NonZeroUsize::MIN, 1).unwrap();
        let (release, blocked) = channel::<()>();
        let mut first = Box::pin(threads.run(move || blocked.recv()));
        let mut given_up = Box::pin(threads.run(|| DONE.fetch_add(1, SeqCst)));
        // Both are queued once they were polled; the first holds the only thread.
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut given_up).is_pending());
        drop(given_up);
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        threads.run(|| ()).await.unwrap();
        assert_eq!(DONE.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn work_that_panics_loses_only_its_own_result() {
        let threads = Threads::start("test", NonZeroUsize::MIN, 1).unwrap();
        let lost = threads.run(|| panic!("on purpose")).await;
        assert!(matches!(lost, Err::<(), _>(ThreadsError::Lost)));
        assert_eq!(threads.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused_and_a_place_given_up_is_free() {
        let threads = Threads::start("test", NonZeroUsize::MIN, 1).unwrap();
        let (release, blocked) = channel::<()>();
        let mut running = Box::pin(threads.run(move || blocked.recv()));
        let mut waiting = Box::pin(threads.run(|| 1));
        assert!(futures_util::poll!(&mut running).is_pending());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let refused = futures_util::FutureExt::now_or_never(threads.run(|| 2));
        assert!(matches!(refused, Some(Err(ThreadsError::Full))));
        drop(waiting);
        let mut instead = Box::pin(threads.run(|| 3));
        assert!(futures_util::poll!(&mut instead).is_pending());
        release.send(()).unwrap();
        running.await.unwrap().unwrap();
        assert_eq!(instead.await.unwrap(), 3);
    }
}
