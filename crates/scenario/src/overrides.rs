//! Keys of a scenario that a command line replaces.
//!
//! A value from a flag takes the place of the one in the file before anything is checked, so
//! that the rules and the errors are the same. The text of the flags stands behind that of the
//! file, which gives each value a place of its own: an error there names the flag.

use crate::{
    check::MOST_RELAYS,
    error::Problem,
    raw::{Named, RawChain, RawLoad, RawScenario, RawService},
    schema,
    source::Span,
};
use std::str::FromStr;
use toml::Spanned;
use types::{names, service::GATEWAY};

/// Values that take the place of a scenario's own, as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `load.rate`, in requests per second.
    pub rate: Option<String>,
    /// `load.for`, in place of `load.requests`.
    pub duration: Option<String>,
    /// `load.requests`, in place of `load.for`.
    pub requests: Option<String>,
    /// `seed`.
    pub seed: Option<String>,
    /// The number of replicas: `SERVICE=N`, or `N` for every service.
    pub replicas: Vec<String>,
}

/// The flags behind the text of a scenario, and where each of their values lies.
#[derive(Debug)]
pub(crate) struct Written {
    /// The scenario's text, and then a line for each flag.
    pub(crate) text: String,
    values: Vec<(&'static str, Spanned<String>)>,
}

impl Overrides {
    /// The flags as they would be written again: `--rate 300`.
    pub fn flags(&self) -> Vec<String> {
        let flag = |(name, value): (&str, &str)| format!("{name} {value}");
        self.pairs().into_iter().map(flag).collect()
    }

    fn pairs(&self) -> Vec<(&'static str, &str)> {
        let single = [
            ("--rate", &self.rate),
            ("--for", &self.duration),
            ("--requests", &self.requests),
            ("--seed", &self.seed),
        ];
        let single = single.map(|(name, value)| Some((name, value.as_deref()?)));
        let replicas = self.replicas.iter().map(|it| ("--replicas", it.as_str()));
        single.into_iter().flatten().chain(replicas).collect()
    }

    /// The flags behind `text`.
    pub(crate) fn behind(&self, text: &str) -> Written {
        let mut written = Written {
            text: text.to_owned(),
            values: Vec::new(),
        };
        for (name, value) in self.pairs() {
            // One line per flag: that is how an error finds the flag of a value.
            let value = value.replace(['\n', '\r'], " ");
            written.text.extend(["\n", name, " "]);
            let start = written.text.len();
            written.text += &value;
            let span = start..written.text.len();
            written.values.push((name, Spanned::new(span, value)));
        }
        written
    }
}

impl Written {
    /// Puts the values of the flags in place of those of `raw`; all that is wrong with them.
    pub(crate) fn apply(&self, raw: &mut RawScenario) -> Vec<(Span, Problem)> {
        let has = |flag| self.values.iter().any(|(name, _)| *name == flag);
        let both = has("--for") && has("--requests");
        let applied = self.values.iter().map(|(name, value)| match *name {
            "--rate" => rate(raw, value),
            "--for" => {
                each_load(raw, |load| {
                    load.r#for = Some(value.clone());
                    load.requests = load.requests.take().filter(|_| both);
                });
                Ok(())
            }
            "--requests" => requests(raw, value, both),
            "--seed" => number(&["seed"], value).map(|seed| raw.seed = Some(seed)),
            _ => replicas(raw, value),
        });
        applied.filter_map(Result::err).collect()
    }
}

/// Whether a flag could be put in its place; why not, and where.
type Applied = Result<(), (Span, Problem)>;

/// The loads of the scenario and of its variants.
fn each_load(raw: &mut RawScenario, mut change: impl FnMut(&mut RawLoad)) {
    let own = raw.load.iter_mut();
    let compared = raw.compare.iter_mut();
    let compared = compared.filter_map(|variant| variant.get_mut().load.as_mut());
    for load in own.chain(compared) {
        change(load.get_mut());
    }
}

fn rate(raw: &mut RawScenario, value: &Spanned<String>) -> Applied {
    let path = ["load", "rate"];
    if raw.phase.iter().any(|phase| phase.get_ref().rate.is_some()) {
        let reason = "phases of the scenario have rates of their own, which it would not change; \
                      allowed: without `phase.rate`";
        return Err(conflict(&path, value, reason.to_owned()));
    }
    let rate = number::<f64>(&path, value)?;
    each_load(raw, |load| load.rate = Some(rate.clone()));
    Ok(())
}

fn requests(raw: &mut RawScenario, value: &Spanned<String>, both: bool) -> Applied {
    let path = ["load", "requests"];
    if !raw.phase.is_empty() {
        let reason = "the scenario has phases, and a timeline needs a run that ends at a stated \
                      time; allowed: --for";
        return Err(conflict(&path, value, reason.to_owned()));
    }
    let requests = number::<i64>(&path, value)?;
    each_load(raw, |load| {
        load.requests = Some(requests.clone());
        load.r#for = load.r#for.take().filter(|_| both);
    });
    Ok(())
}

fn replicas(raw: &mut RawScenario, value: &Spanned<String>) -> Applied {
    let text = value.get_ref();
    let (service, digits) = match text.split_once('=') {
        Some((service, digits)) => (Some(service), digits),
        None => (None, text.as_str()),
    };
    let Ok(number) = digits.parse::<i64>() else {
        let problem = Problem::Value {
            key: "replicas".to_owned(),
            value: text.clone(),
            allowed: "N for every service, or SERVICE=N, with N from 1 to 16",
        };
        return Err((value.span(), problem));
    };
    let number = Spanned::new(value.span(), number);
    if let Some(service) = service {
        let known = services(raw.chain.as_ref(), &raw.service);
        if !known.iter().any(|known| known == service) {
            let known = || known.iter().map(String::as_str);
            let reason = names::no_such("service in this chain", service, known);
            return Err(conflict(&["replicas"], value, reason));
        }
    }
    set_replicas(raw.chain.as_mut(), &mut raw.service, service, &number);
    for variant in &mut raw.compare {
        let variant = variant.get_mut();
        let mut none = Named::new();
        let graph = variant.service.as_mut().unwrap_or(&mut none);
        set_replicas(variant.chain.as_mut(), graph, service, &number);
    }
    Ok(())
}

/// Sets the number of replicas of `service`, or of every one, where it is there.
fn set_replicas(
    chain: Option<&mut Spanned<RawChain>>,
    graph: &mut Named<RawService>,
    service: Option<&str>,
    number: &Spanned<i64>,
) {
    let known = services(chain.as_deref(), graph);
    let is_meant = |name: &str| service.is_none_or(|service| service == name);
    for (name, one) in graph {
        if is_meant(name.get_ref()) {
            one.replicas = Some(number.clone());
        }
    }
    if let Some(chain) = chain {
        for name in known.into_iter().filter(|name| is_meant(name)) {
            let name = Spanned::new(number.span(), name);
            chain.get_mut().replicas.insert(name, number.clone());
        }
    }
}

/// The services of a chain, or of a graph.
fn services(chain: Option<&Spanned<RawChain>>, graph: &Named<RawService>) -> Vec<String> {
    let Some(chain) = chain.map(Spanned::get_ref) else {
        return graph.keys().map(|name| name.get_ref().clone()).collect();
    };
    if let Some(relays) = &chain.relays {
        // Whatever else is written there is refused later.
        let relays = (*relays.get_ref()).min(MOST_RELAYS);
        return (1..=relays).map(|n| format!("relay-{n}")).collect();
    }
    let hops = chain.hops.iter().flat_map(Spanned::get_ref);
    let hops = hops.map(|hop| hop.get_ref().clone());
    [GATEWAY.to_owned()].into_iter().chain(hops).collect()
}

fn number<T: FromStr>(
    path: &[&str],
    value: &Spanned<String>,
) -> Result<Spanned<T>, (Span, Problem)> {
    let number = value.get_ref().trim().parse();
    let number = number.map_err(|_| wrong(path, value))?;
    Ok(Spanned::new(value.span(), number))
}

fn wrong(path: &[&str], value: &Spanned<String>) -> (Span, Problem) {
    let problem = Problem::Value {
        key: path.join("."),
        value: value.get_ref().clone(),
        allowed: schema::allowed(path),
    };
    (value.span(), problem)
}

fn conflict(path: &[&str], value: &Spanned<String>, reason: String) -> (Span, Problem) {
    let problem = Problem::Conflict {
        key: path.join("."),
        value: value.get_ref().clone(),
        reason,
    };
    (value.span(), problem)
}
