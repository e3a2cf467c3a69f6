//! One load at a time per key, whoever asks for it.

use crate::Failure;
use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch::{Receiver, Sender};
use types::{Cause, StoppedBy};

/// The work of loading an answer.
pub type Load<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// How a load has ended, once it has.
type Ending<T, E> = Option<Result<T, E>>;

/// The loads under way.
///
/// Each is a task of its own, so that it belongs to nobody: whoever asked first may leave,
/// and those who came later still get their answer. When all have left, it ends.
#[derive(Debug)]
pub(super) struct Flights<T, E>(Mutex<Loads<T, E>>);

type Loads<T, E> = HashMap<Arc<str>, Arc<Sender<Ending<T, E>>>>;

/// A seat in a load.
#[derive(Debug)]
pub(super) struct Seat<T, E>(Receiver<Ending<T, E>>);

impl<T, E> Flights<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Failure + Clone + Sync + 'static,
{
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// Joins the load of `key`, and gives `request` back; or begins the one that `load` makes of
    /// it.
    pub(super) fn board<R>(
        self: &Arc<Self>,
        key: &Arc<str>,
        request: R,
        load: impl FnOnce(R) -> Load<T, E>,
    ) -> (Seat<T, E>, Option<R>) {
        let mut loads = self.lock();
        if let Some(load) = loads.get(key) {
            return (Seat(load.subscribe()), Some(request));
        }
        let ending = Arc::new(Sender::new(None));
        let seat = Seat(ending.subscribe());
        loads.insert(key.clone(), ending.clone());
        drop(loads);
        let flight = Flight {
            flights: self.clone(),
            key: key.clone(),
            ending,
        };
        tokio::spawn(flight.run(load(request)));
        (seat, None)
    }

    /// How many loads are under way.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }
}

impl<T, E> Flights<T, E> {
    fn lock(&self) -> MutexGuard<'_, Loads<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone, E: Failure + Clone> Seat<T, E> {
    /// What the load brings. One that panicked has failed.
    pub(super) async fn arrival(mut self) -> Result<T, E> {
        let ending = self.0.wait_for(Option::is_some).await;
        let result = ending.ok().and_then(|ending| ending.clone());
        result.unwrap_or_else(|| Err(E::new(Cause::Error, StoppedBy::Attempts)))
    }
}

/// A load under way. Dropped, it is not, even if it panicked.
struct Flight<T, E> {
    flights: Arc<Flights<T, E>>,
    key: Arc<str>,
    ending: Arc<Sender<Ending<T, E>>>,
}

impl<T, E> Flight<T, E> {
    async fn run(self, load: Load<T, E>) {
        tokio::select! {
            biased;
            result = load => {
                self.land();
                self.ending.send_replace(Some(result));
            }
            () = self.abandoned() => {}
        }
    }

    /// Until nobody waits any more, and nobody can join.
    async fn abandoned(&self) {
        loop {
            self.ending.closed().await;
            let mut loads = self.flights.lock();
            // Somebody may have come just now.
            if self.ending.receiver_count() == 0 {
                self.remove_from(&mut loads);
                return;
            }
        }
    }

    /// From now on, whoever asks begins another load.
    fn land(&self) {
        self.remove_from(&mut self.flights.lock());
    }

    /// Only itself: under the same key there may be the next one already.
    fn remove_from(&self, loads: &mut Loads<T, E>) {
        let is_this = |it: &Arc<_>| Arc::ptr_eq(it, &self.ending);
        if loads.get(&self.key).is_some_and(is_this) {
            loads.remove(&self.key);
        }
    }
}

impl<T, E> Drop for Flight<T, E> {
    fn drop(&mut self) {
        self.land();
    }
}
