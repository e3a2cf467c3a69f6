//! `[chain]`: the sequence behind the gateway, or a nested chain of relays.

use super::{Check, Checked};
use crate::{
    raw::{Named, RawChain, RawService},
    topology::{Name, Relay, Topology, Verify},
};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use types::{
    names,
    service::{AUDIT, AUTH, DATABASE, GATEWAY, PROFILE},
};

/// A relay that stands for a service of settings.
const CONFIG: &str = "config";
/// The services behind the gateway, each of which needs the ones before.
const ORDER: [&str; 5] = [AUTH, PROFILE, DATABASE, AUDIT, CONFIG];
/// The page needs the first three; the others may be left out.
const LEAST: usize = 3;
/// The page can do without them.
const SOFT: [&str; 3] = [DATABASE, AUDIT, CONFIG];
const HOPS: &[&str] = &["chain", "hops"];
const RELAYS: &[&str] = &["chain", "relays"];
pub(crate) const MOST_RELAYS: i64 = 32;
const MOST_REPLICAS: u32 = 16;

/// A list of names as it is written.
type Listed = Spanned<Vec<Spanned<String>>>;

impl Check<'_> {
    pub(super) fn topology(
        &mut self,
        chain: Option<Spanned<RawChain>>,
        services: &Named<RawService>,
    ) -> Checked<Topology> {
        let Some(chain) = chain else {
            return if services.is_empty() {
                self.missing(&["chain"], 0..0)
            } else {
                self.graph(services)
            };
        };
        if !services.is_empty() {
            let reason = "[service.NAME] is stated as well; allowed: one of the two".to_owned();
            return self.conflict(&["chain"], &chain, reason);
        }
        match (&chain.get_ref().hops, &chain.get_ref().relays) {
            (Some(hops), None) => self.sequence(hops, chain.get_ref()),
            (None, Some(relays)) => self.nested(relays, chain.get_ref()),
            (None, None) => self.missing(&["chain"], chain.span()),
            (Some(_), Some(relays)) => {
                let reason = "`chain.hops` is stated as well; allowed: one of the two".to_owned();
                self.conflict(RELAYS, relays, reason)
            }
        }
    }

    fn sequence(&mut self, hops: &Listed, chain: &RawChain) -> Checked<Topology> {
        let mut seen = BTreeSet::new();
        let mut before = None;
        for hop in hops.get_ref() {
            let is_repeated = !seen.insert(hop.get_ref());
            match place(hop.get_ref(), before, is_repeated) {
                Ok(place) => before = Some(place),
                Err(reason) => return self.conflict(HOPS, hop, reason),
            }
        }
        if hops.get_ref().len() < LEAST {
            return self.refuse(HOPS, hops);
        }
        let hops: Vec<&str> = hops
            .get_ref()
            .iter()
            .map(|hop| hop.get_ref().as_str())
            .collect();
        let soft = self.some_of("soft", chain.soft.as_ref(), &SOFT, &hops);
        let queued = self.some_of("queued", chain.queued.as_ref(), &[AUDIT], &hops);
        let verify = self.verify(chain);
        let services = [&[GATEWAY], hops.as_slice()].concat();
        let replicas = self.replicas_of(chain, &services);
        let (soft, queued) = (soft?, queued?);
        self.not_both(chain, &queued)?;
        Ok(Topology::Sequence {
            hops: hops.into_iter().map(Name::from).collect(),
            soft,
            queued,
            verify: verify?,
            replicas: replicas?,
        })
    }

    /// A list of hops, each of which may stand in it.
    fn some_of(
        &mut self,
        key: &str,
        stated: Option<&Listed>,
        allowed: &[&str],
        hops: &[&str],
    ) -> Checked<Vec<Name>> {
        let path = ["chain", key];
        let Some(stated) = stated else {
            return Ok(Vec::new());
        };
        let possible = || allowed.iter().copied().filter(|name| hops.contains(name));
        let mut names: Vec<Name> = Vec::new();
        for name in stated.get_ref() {
            let word = name.get_ref().as_str();
            if !possible().any(|possible| possible == word) {
                let reason = names::no_such("hop that can be", word, possible);
                return self.conflict(&path, name, reason);
            }
            if names.iter().any(|known| **known == *word) {
                let reason = "stands here twice; allowed: each hop once".to_owned();
                return self.conflict(&path, name, reason);
            }
            names.push(word.into());
        }
        Ok(names)
    }

    /// Whoever is told later is not waited for, so its answer can't be missed.
    fn not_both(&mut self, chain: &RawChain, queued: &[Name]) -> Checked<()> {
        let mut soft = chain.soft.iter().flat_map(Spanned::get_ref);
        match soft.find(|soft| queued.iter().any(|name| **name == **soft.get_ref())) {
            Some(both) => {
                let reason = "it is `queued`, and no request waits for it; allowed: one of the two";
                self.conflict(&["chain", "soft"], both, reason.to_owned())
            }
            None => Ok(()),
        }
    }

    fn verify(&mut self, chain: &RawChain) -> Checked<Verify> {
        let Some(word) = &chain.verify else {
            return Ok(Verify::default());
        };
        match word.get_ref().as_str() {
            "auth" => Ok(Verify::Auth),
            "local" => Ok(Verify::Local),
            _ => self.refuse(&["chain", "verify"], word),
        }
    }

    /// `[chain.replicas]`, without those that have only one.
    fn replicas_of(&mut self, chain: &RawChain, services: &[&str]) -> Checked<BTreeMap<Name, u32>> {
        let mut all = Ok(BTreeMap::new());
        for (name, stated) in &chain.replicas {
            let path = ["chain", "replicas", name.get_ref()];
            let known = || services.iter().copied();
            let number = if known().any(|known| known == name.get_ref()) {
                self.number_of_replicas(&path, stated)
            } else {
                let reason = names::no_such("service in this chain", name.get_ref(), known);
                self.conflict(&path[..2], name, reason)
            };
            match (&mut all, number) {
                (Ok(all), Ok(number)) if number > 1 => {
                    all.insert(name.get_ref().as_str().into(), number);
                }
                (_, Ok(_)) => {}
                (_, Err(reported)) => all = Err(reported),
            }
        }
        all
    }

    pub(super) fn number_of_replicas(
        &mut self,
        path: &[&str],
        stated: &Spanned<i64>,
    ) -> Checked<u32> {
        let number = u32::try_from(*stated.get_ref()).ok();
        let number = number.filter(|number| (1..=MOST_REPLICAS).contains(number));
        number.map_or_else(|| self.refuse(path, stated), Ok)
    }

    fn nested(&mut self, relays: &Spanned<i64>, chain: &RawChain) -> Checked<Topology> {
        let number = *relays.get_ref();
        if !(1..=MOST_RELAYS).contains(&number) {
            return self.refuse(RELAYS, relays);
        }
        self.of_hops_only(chain)?;
        let name = |n: i64| Name::from(format!("relay-{n}"));
        let names: Vec<_> = (1..=number).map(name).collect();
        let services: Vec<_> = names.iter().map(|name| &**name).collect();
        let replicas = self.replicas_of(chain, &services)?;
        let next = |n: i64| (n < number).then(|| name(n + 1)).into_iter().collect();
        let relay = |n| Relay {
            replicas: replicas.get(&name(n)).copied().unwrap_or(1),
            ..Relay::new(name(n), next(n))
        };
        let services = (1..=number).map(relay).collect();
        Ok(Topology::Graph {
            root: name(1),
            services,
        })
    }

    /// Refuses what only a sequence behind the gateway has.
    fn of_hops_only(&mut self, chain: &RawChain) -> Checked<()> {
        let reason = || "only a page has it; allowed: with `hops`".to_owned();
        let lists = [("soft", &chain.soft), ("queued", &chain.queued)];
        for (key, list) in lists {
            if let Some(list) = list {
                return self.conflict(&["chain", key], list, reason());
            }
        }
        match &chain.verify {
            Some(verify) => self.conflict(&["chain", "verify"], verify, reason()),
            None => Ok(()),
        }
    }
}

/// The place of `hop` in the order, if it may follow the one at `before`; or why it can't.
fn place(hop: &str, before: Option<usize>, is_repeated: bool) -> Result<usize, String> {
    if is_repeated {
        return Err("stands here twice; allowed: each hop once".to_owned());
    }
    if hop == GATEWAY {
        return Err("the gateway is the edge and always there; allowed: leave it out".to_owned());
    }
    let Some(place) = ORDER.iter().position(|name| *name == hop) else {
        let reason = names::no_such("hop", hop, || ORDER.into_iter());
        return Err(format!(
            "{reason}; others need [service.NAME] in place of [chain]"
        ));
    };
    let next = before.map_or(0, |before| before + 1);
    if place == next || (place > next && next >= LEAST) {
        return Ok(place);
    }
    let needed = if place < next { ORDER.len() } else { place + 1 };
    // Of those that may be left out, only the hop itself is spoken of.
    let is_needed = |other: &usize| *other < LEAST || *other == place || place < next;
    let order = names::quoted((0..needed).filter(is_needed).map(|place| ORDER[place]));
    Err(format!(
        "each step needs the one before; allowed, in this order: {order}"
    ))
}
