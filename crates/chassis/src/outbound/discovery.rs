//! Where the replicas of a callee are: a list that stays, or names whose addresses change.
//!
//! A name in DNS stands for all of its addresses, each of which is a replica. It is looked up
//! again every few seconds: replicas come, go and move, and a client that keeps its
//! connections would never hear of it. A look-up that fails changes nothing; what is known is
//! more use than nothing. Whoever starts and stops replicas can tell where they are: from then on
//! nothing is looked up.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::AbortHandle, time::sleep};
use url::{Host, Url};

/// How often names are looked up. The system does not say how long an answer is good; a
/// replica that is gone meanwhile is left alone after a few failures.
const EVERY: Duration = Duration::from_secs(5);

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks a name up: the host and the port.
pub(super) type LookUp = fn(String, u16) -> Found;

/// The system's resolver: all addresses of a name.
pub(super) fn system(host: String, port: u16) -> Found {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
}

/// The replicas of a callee, as far as they are known.
#[derive(Debug)]
pub(super) struct Replicas {
    known: Known,
    /// The look-ups that go on, if there are names.
    looking: Option<AbortHandle>,
}

/// What is known, shared with whoever finds out more.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    urls: Arc<RwLock<Arc<[Url]>>>,
    /// Whether somebody has told it, who knows better than DNS.
    is_told: Arc<AtomicBool>,
}

impl Known {
    /// Those known now; the same `Arc` as long as nothing has changed.
    pub(crate) fn now(&self) -> Arc<[Url]> {
        self.urls
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// They are there, from now on: calls that begin later know no others.
    pub(crate) fn set(&self, told: &Arc<[Url]>) {
        let mut urls = self.urls.write().unwrap_or_else(PoisonError::into_inner);
        self.is_told.store(true, Relaxed);
        if **urls != **told {
            *urls = told.clone();
        }
    }

    /// They were looked up.
    fn found(&self, found: Vec<Url>) {
        let mut urls = self.urls.write().unwrap_or_else(PoisonError::into_inner);
        if !self.is_told() && **urls != found {
            let addresses: Vec<_> = found.iter().map(Url::authority).collect();
            tracing::info!(?addresses, "replicas found");
            *urls = found.into();
        }
    }

    fn is_told(&self) -> bool {
        self.is_told.load(Relaxed)
    }
}

impl Replicas {
    /// Those at `stated`, whose names are looked up from now on.
    pub(super) fn new(stated: &Arc<[Url]>, look_up: LookUp) -> Self {
        let known = Known {
            urls: Arc::new(RwLock::new(stated.clone())),
            is_told: Arc::default(),
        };
        let looking = stated.iter().any(is_name).then(|| {
            let keep = follow(stated.clone(), known.clone(), look_up);
            tokio::spawn(keep).abort_handle()
        });
        Self { known, looking }
    }

    /// Whether `urls`, which were known once, still are. Where there are no names to look up
    /// and nobody tells, that is known without a look.
    pub(super) fn are(&self, urls: &Arc<[Url]>) -> bool {
        let may_change = self.looking.is_some() || self.known.is_told();
        !may_change || Arc::ptr_eq(urls, &self.now())
    }

    /// Where others can see and say where they are.
    pub(super) fn known(&self) -> Known {
        self.known.clone()
    }

    /// Those known now; the same `Arc` as long as nothing has changed.
    pub(super) fn now(&self) -> Arc<[Url]> {
        self.known.now()
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

/// Whether the address of `url` may change. `localhost` stands for this machine, whichever of
/// its addresses a service listens at: the client tries both.
fn is_name(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if name != "localhost")
}

async fn follow(stated: Arc<[Url]>, known: Known, look_up: LookUp) {
    while !known.is_told() {
        if let Some(found) = all(&stated, look_up).await {
            known.found(found);
        }
        sleep(EVERY).await;
    }
}

/// The addresses of all that is stated, in a fixed order and each once; none if a name can't
/// be looked up.
async fn all(stated: &[Url], look_up: LookUp) -> Option<Vec<Url>> {
    let mut found = Vec::new();
    for url in stated {
        if !is_name(url) {
            found.push(url.clone());
            continue;
        }
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        match look_up(host, port).await {
            Ok(addresses) => found.extend(addresses.iter().filter_map(|one| at(url, one))),
            Err(error) => {
                tracing::warn!(%url, %error, "a name could not be looked up");
                return None;
            }
        }
    }
    found.sort();
    found.dedup();
    (!found.is_empty()).then_some(found)
}

fn at(url: &Url, address: &SocketAddr) -> Option<Url> {
    let mut url = url.clone();
    let host: IpAddr = address.ip();
    url.set_ip_host(host).ok()?;
    url.set_port(Some(address.port())).ok()?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn urls(texts: &[&str]) -> Arc<[Url]> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    async fn next_look_up() {
        sleep(EVERY + Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_addresses_stays_as_it_is() {
        let stated = urls(&[
            "http://127.0.0.2:1",
            "http://127.0.0.1:1",
            "http://localhost:1",
        ]);
        let replicas = Replicas::new(&stated, |_, _| panic!("nothing to look up"));
        next_look_up().await;
        assert!(Arc::ptr_eq(&replicas.now(), &stated));
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_of_a_name_is_a_replica_and_a_name_that_moves_is_followed() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let replicas = Replicas::new(&urls(&["http://database:8080"]), |host, port| {
            assert_eq!((&*host, port), ("database", 8080));
            Box::pin(async {
                match ASKED.fetch_add(1, Relaxed) {
                    0 => Ok(vec![
                        ([10, 0, 0, 2], 8080).into(),
                        ([10, 0, 0, 1], 8080).into(),
                        ([10, 0, 0, 2], 8080).into(),
                    ]),
                    1 => Err(io::Error::other("no answer")),
                    2 => Ok(Vec::new()),
                    _ => Ok(vec![([10, 0, 0, 3], 8080).into()]),
                }
            })
        });
        let two = urls(&["http://10.0.0.1:8080", "http://10.0.0.2:8080"]);
        assert_eq!(replicas.now(), urls(&["http://database:8080"]));
        tokio::task::yield_now().await;
        // Neither a failure nor an answer without addresses takes away what is known.
        for _ in 0..2 {
            assert_eq!(replicas.now(), two);
            next_look_up().await;
        }
        assert_eq!(replicas.now(), two);
        next_look_up().await;
        assert_eq!(replicas.now(), urls(&["http://10.0.0.3:8080"]));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_where_they_are_looks_nothing_up_any_more() {
        let replicas = Replicas::new(&urls(&["http://database:8080"]), |_, _| {
            Box::pin(async { Ok(vec![([10, 0, 0, 1], 8080).into()]) })
        });
        tokio::task::yield_now().await;
        let before = replicas.now();
        let told = urls(&["http://10.0.0.7:8080", "http://10.0.0.8:8080"]);
        replicas.known().set(&told);
        assert!(!replicas.are(&before));
        next_look_up().await;
        next_look_up().await;
        assert!(replicas.are(&told) && Arc::ptr_eq(&replicas.now(), &told));
        replicas
            .known()
            .set(&urls(&["http://10.0.0.7:8080", "http://10.0.0.8:8080"]));
        assert!(replicas.are(&told), "the same once more is no news");
    }

    #[tokio::test]
    async fn a_list_of_addresses_is_replaced_by_whoever_is_told() {
        let stated = urls(&["http://127.0.0.1:1"]);
        let replicas = Replicas::new(&stated, system);
        assert!(replicas.are(&stated));
        replicas.known().set(&urls(&["http://127.0.0.1:2"]));
        assert!(!replicas.are(&stated));
    }

    #[tokio::test]
    async fn the_systems_resolver_finds_this_machine() {
        let found = system("localhost".to_owned(), 7).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(!found.is_empty());
    }
}
