//! `[chain]`: the sequence behind the gateway, or a nested chain of relays.

use super::{Check, Checked};
use crate::{
    names,
    raw::{Named, RawChain, RawService},
    topology::{Name, Relay, Topology},
};
use std::collections::BTreeSet;
use toml::Spanned;
use types::service::{AUDIT, AUTH, DATABASE, GATEWAY, PROFILE};

/// The services behind the gateway, each of which needs the ones before.
const ORDER: [&str; 4] = [AUTH, PROFILE, DATABASE, AUDIT];
/// The page needs the first three; the fourth may be left out.
const LEAST: usize = 3;
const HOPS: &[&str] = &["chain", "hops"];
const RELAYS: &[&str] = &["chain", "relays"];
const MOST_RELAYS: i64 = 32;

impl Check<'_> {
    pub(super) fn topology(
        &mut self,
        chain: Option<Spanned<RawChain>>,
        services: Named<RawService>,
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
            (Some(hops), None) => self.sequence(hops),
            (None, Some(relays)) => self.nested(relays),
            (None, None) => self.missing(&["chain"], chain.span()),
            (Some(_), Some(relays)) => {
                let reason = "`chain.hops` is stated as well; allowed: one of the two".to_owned();
                self.conflict(RELAYS, relays, reason)
            }
        }
    }

    fn sequence(&mut self, hops: &Spanned<Vec<Spanned<String>>>) -> Checked<Topology> {
        let mut seen = BTreeSet::new();
        for (place, hop) in hops.get_ref().iter().enumerate() {
            if let Some(reason) = misplaced(hop.get_ref(), place, !seen.insert(hop.get_ref())) {
                return self.conflict(HOPS, hop, reason);
            }
        }
        if hops.get_ref().len() < LEAST {
            return self.refuse(HOPS, hops);
        }
        let hops = hops
            .get_ref()
            .iter()
            .map(|hop| hop.get_ref().as_str().into())
            .collect();
        Ok(Topology::Sequence { hops })
    }

    fn nested(&mut self, relays: &Spanned<i64>) -> Checked<Topology> {
        let number = *relays.get_ref();
        if !(1..=MOST_RELAYS).contains(&number) {
            return self.refuse(RELAYS, relays);
        }
        let name = |n: i64| Name::from(format!("relay-{n}"));
        let next = |n: i64| (n < number).then(|| name(n + 1)).into_iter().collect();
        let relay = |n| Relay::new(name(n), next(n));
        let services = (1..=number).map(relay).collect();
        Ok(Topology::Graph {
            root: name(1),
            services,
        })
    }
}

/// Why `hop` can't stand at `place`, if it can't.
fn misplaced(hop: &str, place: usize, is_repeated: bool) -> Option<String> {
    if is_repeated {
        return Some("stands here twice; allowed: each hop once".to_owned());
    }
    if hop == GATEWAY {
        return Some("the gateway is the edge and always there; allowed: leave it out".to_owned());
    }
    let Some(right_place) = ORDER.iter().position(|name| *name == hop) else {
        return Some(names::no_such("hop", hop, || ORDER.into_iter()));
    };
    (right_place != place).then(|| {
        let first = names::quoted(ORDER.into_iter().take(right_place + 1));
        format!("each step needs the one before; allowed, in this order: {first}")
    })
}
