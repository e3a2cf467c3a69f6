//! Which hop was called? Hops are named by whom the caller called, not by who answered:
//! a callee that is down does not answer.

use crate::calls::{Call, Calls};
use std::{collections::HashMap, sync::Arc};

/// What a callee of no known name is called.
const UNKNOWN: &str = "unknown";

/// The hops by name and number.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// Behind each address the one service that answered there, or none if several did.
    answered: HashMap<Arc<str>, Option<Arc<str>>>,
    numbers: HashMap<Arc<str>, usize>,
    names: Vec<Arc<str>>,
}

impl Naming {
    /// Learns from a trace which services answer at which addresses.
    pub(crate) fn learn(&mut self, calls: &Calls<'_>) {
        for call in &calls.calls {
            let (Some(address), Some(service)) = (address(calls, call), calls.seen_as(call)) else {
                continue;
            };
            let known = self.answered.entry(Arc::clone(address));
            let known = known.or_insert_with(|| Some(Arc::clone(service)));
            if known.as_ref().is_some_and(|known| known != service) {
                *known = None;
            }
        }
    }

    /// The hops called, one for each call of the trace.
    pub(crate) fn hops(&mut self, calls: &Calls<'_>) -> Vec<usize> {
        calls
            .calls
            .iter()
            .map(|call| self.hop(calls, call))
            .collect()
    }

    /// The names, by number.
    pub(crate) fn into_names(self) -> Vec<Arc<str>> {
        self.names
    }

    fn hop(&mut self, calls: &Calls<'_>, call: &Call<'_>) -> usize {
        let name = service(calls, call).cloned().or_else(|| {
            let address = address(calls, call)?;
            let answered = self.answered.get(address).cloned().flatten();
            Some(answered.unwrap_or_else(|| Arc::clone(address)))
        });
        self.number(name.unwrap_or_else(|| Arc::from(UNKNOWN)))
    }

    fn number(&mut self, name: Arc<str>) -> usize {
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(Arc::clone(name));
            self.names.len() - 1
        })
    }
}

/// The callee by the name of a service: the caller's word first, else who answered.
fn service<'c>(calls: &'c Calls<'_>, call: &'c Call<'_>) -> Option<&'c Arc<str>> {
    peer(calls, call, false).or_else(|| calls.seen_as(call))
}

fn address<'c>(calls: &'c Calls<'_>, call: &'c Call<'_>) -> Option<&'c Arc<str>> {
    match peer(calls, call, false) {
        Some(_) => None,
        None => peer(calls, call, true),
    }
}

fn peer<'c>(calls: &'c Calls<'_>, call: &'c Call<'_>, is_address: bool) -> Option<&'c Arc<str>> {
    let attempts = call
        .attempts
        .iter()
        .map(|attempt| calls.attempts[*attempt].span);
    let mut spans = std::iter::once(call.span).chain(attempts);
    spans.find_map(|span| {
        span.peer
            .as_ref()
            .filter(|_| span.peer_is_address == is_address)
    })
}
