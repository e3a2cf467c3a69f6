//! Where the replicas of callees are, as somebody tells it while the service runs.
//!
//! A list in a flag can't change and DNS is looked up every few seconds. Whoever starts and stops
//! replicas knows at once: it tells the callers of a new one as soon as that serves, and of one
//! that is to stop before it does, so that no new request goes to it. A request that is under way
//! keeps the list with which it began: its last attempt may still find that replica. Replicas that
//! stay keep all that is known of them: breakers, ejections, load, connections.

use crate::{Refusal, Upstream, outbound::Known, replicas};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use types::Problem;
use url::Url;

/// Replicas by the name of their service, as they are written.
pub(crate) type Written = BTreeMap<String, Vec<String>>;

/// More replicas of one service are a mistake.
const MOST: usize = 1024;
const ALLOWED: &str = "one to 1024 addresses as http://address:port";

/// All that a service calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Callees(Arc<Mutex<Vec<Callee>>>);

/// Its name, and where its replicas are.
type Callee = (Arc<str>, Known);

impl Callees {
    /// One more.
    pub(crate) fn add(&self, callee: &Upstream) {
        let known = (callee.name().into(), callee.known());
        self.all().push(known);
    }

    /// Where all of them are, as far as that is known now.
    pub(crate) fn written(&self) -> Written {
        let written = |(name, known): &Callee| {
            let urls = known.now().iter().map(Url::to_string).collect();
            (name.to_string(), urls)
        };
        self.all().iter().map(written).collect()
    }

    /// Replaces what is known of those that `told` names; of none if anything in it is wrong.
    pub(crate) fn set(&self, told: &Written) -> Result<(), Refusal> {
        let all = self.all();
        let names: Vec<_> = all.iter().map(|(name, _)| &**name).collect();
        let checked: Result<Vec<_>, String> = told
            .iter()
            .map(|(name, urls)| Ok((name, addresses(name, urls, &names)?)))
            .collect();
        let checked = checked.map_err(|wrong| {
            Problem::new(422, "not-valid", "The body is not what is expected").detail(wrong)
        })?;
        for (name, urls) in checked {
            let same = all.iter().filter(|(known, _)| **known == **name);
            same.for_each(|(_, known)| known.set(&urls));
            tracing::info!(callee = name, replicas = urls.len(), "replicas replaced");
        }
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Callee>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn addresses(name: &str, urls: &[String], known: &[&str]) -> Result<Arc<[Url]>, String> {
    if !known.contains(&name) {
        return Err(match known {
            [] => format!("{name}: this service calls nobody"),
            known => format!("{name} is nobody it calls; allowed: {}", known.join(", ")),
        });
    }
    if !(1..=MOST).contains(&urls.len()) {
        return Err(format!(
            "{name}: {} addresses; allowed: {ALLOWED}",
            urls.len()
        ));
    }
    let parse = |(place, url): (usize, &String)| {
        let parsed = replicas::parse(url);
        parsed.map_err(|_| format!("{name}[{place}]: {url:?} can't be; allowed: {ALLOWED}"))
    };
    let mut found: Vec<Url> = urls
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    found.retain(|url| seen.insert(url.clone()));
    Ok(found.into())
}
