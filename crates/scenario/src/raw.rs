//! A scenario as it is written: types are right, values are not checked yet.

use crate::{
    error::Problem,
    schema::{self, Inside, Key},
    source::{Source, Span, path_to},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use types::names;

/// Tables with names of the author's choice.
pub(crate) type Named<T> = BTreeMap<Spanned<String>, T>;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScenario {
    pub(crate) version: Option<Spanned<i64>>,
    pub(crate) title: Option<Spanned<String>>,
    pub(crate) variant: Option<Spanned<String>>,
    pub(crate) seed: Option<Spanned<i64>>,
    pub(crate) load: Option<Spanned<RawLoad>>,
    pub(crate) chain: Option<Spanned<RawChain>>,
    #[serde(default)]
    pub(crate) service: Named<RawService>,
    #[serde(default)]
    pub(crate) faults: Named<RawFault>,
    #[serde(default)]
    pub(crate) policy: RawPolicy,
    #[serde(default)]
    pub(crate) phase: Vec<Spanned<RawPhase>>,
    pub(crate) restart: Option<Spanned<RawRestart>>,
    pub(crate) sample: Option<Spanned<RawSample>>,
    pub(crate) scale: Option<Spanned<RawScale>>,
    pub(crate) sweep: Option<Spanned<RawSweep>>,
    #[serde(default)]
    pub(crate) expect: RawExpect,
    #[serde(default)]
    pub(crate) compare: Vec<Spanned<RawCompare>>,
}

/// What a variant has in place of the scenario's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCompare {
    pub(crate) title: Option<Spanned<String>>,
    pub(crate) load: Option<Spanned<RawLoad>>,
    pub(crate) chain: Option<Spanned<RawChain>>,
    pub(crate) service: Option<Named<RawService>>,
    pub(crate) faults: Option<Named<RawFault>>,
    pub(crate) policy: Option<RawPolicy>,
    pub(crate) scale: Option<Spanned<RawScale>>,
    pub(crate) expect: Option<RawExpect>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRestart {
    pub(crate) at: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawScale {
    pub(crate) service: Option<Spanned<String>>,
    pub(crate) min: Option<Spanned<i64>>,
    pub(crate) max: Option<Spanned<i64>>,
    pub(crate) target: Option<Spanned<f64>>,
    pub(crate) every: Option<Spanned<String>>,
    pub(crate) stabilise: Option<Spanned<String>>,
    pub(crate) start: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSweep {
    pub(crate) service: Option<Spanned<String>>,
    pub(crate) replicas: Option<Spanned<Vec<Spanned<i64>>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSample {
    pub(crate) keep: Option<Spanned<f64>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLoad {
    pub(crate) model: Option<Spanned<String>>,
    pub(crate) workers: Option<Spanned<i64>>,
    pub(crate) think: Option<Spanned<String>>,
    pub(crate) rate: Option<Spanned<f64>>,
    pub(crate) requests: Option<Spanned<i64>>,
    pub(crate) r#for: Option<Spanned<String>>,
    pub(crate) patience: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawChain {
    pub(crate) hops: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) relays: Option<Spanned<i64>>,
    #[serde(default)]
    pub(crate) replicas: Named<Spanned<i64>>,
    pub(crate) soft: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) queued: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) verify: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawService {
    pub(crate) kind: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) calls: Vec<Spanned<String>>,
    pub(crate) order: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) soft: Vec<Spanned<String>>,
    pub(crate) work: Option<Spanned<String>>,
    pub(crate) tell: Option<Spanned<String>>,
    pub(crate) agree: Option<Spanned<String>>,
    pub(crate) slots: Option<Spanned<i64>>,
    pub(crate) queue: Option<Spanned<i64>>,
    pub(crate) replicas: Option<Spanned<i64>>,
    pub(crate) takeover: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFault {
    pub(crate) kind: Option<Spanned<String>>,
    pub(crate) probability: Option<Spanned<f64>>,
    pub(crate) on: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) scope: Option<Spanned<String>>,
    pub(crate) delay: Option<Spanned<String>>,
    pub(crate) up: Option<Spanned<String>>,
    pub(crate) down: Option<Spanned<String>>,
    pub(crate) law: Option<Spanned<String>>,
    pub(crate) windows: Option<Spanned<Vec<Spanned<RawWindow>>>>,
    pub(crate) common: Option<Spanned<f64>>,
    pub(crate) shared: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWindow {
    pub(crate) at: Option<Spanned<String>>,
    pub(crate) r#for: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPolicy {
    pub(crate) attempt_timeout: Option<Spanned<String>>,
    pub(crate) deadline: Option<Spanned<String>>,
    pub(crate) retry: Option<Spanned<RawRetry>>,
    pub(crate) breaker: Option<Spanned<RawBreaker>>,
    pub(crate) balance: Option<Spanned<RawBalance>>,
    pub(crate) hedge: Option<Spanned<RawHedge>>,
    pub(crate) bulkhead: Option<Spanned<RawLimit>>,
    pub(crate) shed: Option<Spanned<RawLimit>>,
    pub(crate) cache: Option<Spanned<RawCache>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetry {
    pub(crate) retries: Option<Spanned<i64>>,
    pub(crate) backoff: Option<Spanned<String>>,
    pub(crate) max_backoff: Option<Spanned<String>>,
    pub(crate) propagated: Option<bool>,
    pub(crate) client: Option<bool>,
    pub(crate) budget: Option<RawBudget>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBudget {
    pub(crate) ratio: Option<f64>,
    pub(crate) floor: Option<f64>,
    pub(crate) capacity: Option<Spanned<i64>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBreaker {
    pub(crate) failure_rate: Option<f64>,
    pub(crate) slow_rate: Option<f64>,
    pub(crate) slow_call: Option<Spanned<String>>,
    pub(crate) consecutive: Option<Spanned<i64>>,
    pub(crate) window: Option<Spanned<String>>,
    pub(crate) min_calls: Option<Spanned<i64>>,
    pub(crate) open: Option<Spanned<String>>,
    pub(crate) max_open: Option<Spanned<String>>,
    pub(crate) jitter: Option<f64>,
    pub(crate) probes: Option<Spanned<i64>>,
    pub(crate) lease: Option<Spanned<String>>,
    pub(crate) cancelled_after: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBalance {
    pub(crate) pick: Option<Spanned<String>>,
    pub(crate) retry: Option<Spanned<String>>,
    pub(crate) eject: Option<RawEjection>,
    pub(crate) panic_below: Option<f64>,
    pub(crate) check: Option<Spanned<RawCheck>>,
    pub(crate) shared_breaker: Option<bool>,
}

/// Settings, or `false` for none.
#[derive(Debug, Clone)]
pub(crate) enum RawEjection {
    Switch(bool),
    Settings(RawEject),
}

/// By hand: an untagged enum would lose where its values stand in the text.
impl<'de> Deserialize<'de> for RawEjection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawEjection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table or false")
            }

            fn visit_bool<E>(self, switch: bool) -> Result<RawEjection, E> {
                Ok(RawEjection::Switch(switch))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawEjection, A::Error> {
                RawEject::deserialize(MapAccessDeserializer::new(map)).map(RawEjection::Settings)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawEject {
    pub(crate) consecutive: Option<Spanned<i64>>,
    pub(crate) time: Option<Spanned<String>>,
    pub(crate) max_time: Option<Spanned<String>>,
    pub(crate) max_share: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCheck {
    pub(crate) every: Option<Spanned<String>>,
    pub(crate) timeout: Option<Spanned<String>>,
    pub(crate) misses: Option<Spanned<i64>>,
    pub(crate) hits: Option<Spanned<i64>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHedge {
    pub(crate) delay: Option<Spanned<String>>,
    pub(crate) quantile: Option<f64>,
    pub(crate) budget: Option<RawBudget>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLimit {
    pub(crate) max: Option<Spanned<i64>>,
    pub(crate) adaptive: Option<bool>,
    pub(crate) min: Option<Spanned<i64>>,
    pub(crate) wait: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCache {
    pub(crate) fresh: Option<Spanned<String>>,
    pub(crate) stale: Option<Spanned<String>>,
    pub(crate) capacity: Option<Spanned<i64>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPhase {
    pub(crate) title: Option<Spanned<String>>,
    pub(crate) at: Option<Spanned<String>>,
    pub(crate) r#for: Option<Spanned<String>>,
    pub(crate) rate: Option<Spanned<f64>>,
    #[serde(default)]
    pub(crate) faults: Named<RawFault>,
    pub(crate) policy: Option<Spanned<RawPolicy>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExpect {
    pub(crate) availability: Option<Spanned<RawAvailability>>,
    pub(crate) distance: Option<Spanned<f64>>,
    pub(crate) full_quality: Option<Spanned<RawBounds>>,
    pub(crate) p50: Option<Spanned<RawTimes>>,
    pub(crate) p99: Option<Spanned<RawTimes>>,
    pub(crate) p999: Option<Spanned<RawTimes>>,
    pub(crate) amplification: Option<Spanned<RawBounds>>,
    pub(crate) lost: Option<Spanned<RawBounds>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTimes {
    pub(crate) min: Option<Spanned<String>>,
    pub(crate) max: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawAvailability {
    Word(String),
    Bounds(RawBounds),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBounds {
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

/// Reads the text. Unknown keys are all reported; of wrong types, the first.
pub(crate) fn read(source: Source<'_>) -> Result<RawScenario, Vec<(Span, Problem)>> {
    let table = DeTable::parse(source.text()).map_err(|error| vec![syntax(&error)])?;
    let mut unknown = Vec::new();
    find_unknown(table.get_ref(), schema::ROOT, &[], &mut unknown);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    toml::from_str(source.text()).map_err(|error| vec![wrong_type(source, table.get_ref(), &error)])
}

fn syntax(error: &toml::de::Error) -> (Span, Problem) {
    (
        error.span().unwrap_or_default(),
        Problem::Syntax(error.message().to_owned()),
    )
}

/// Turns the deserialiser's complaint into ours: which key, which value, what is allowed.
fn wrong_type(source: Source<'_>, table: &DeTable<'_>, error: &toml::de::Error) -> (Span, Problem) {
    let span = error.span().unwrap_or_default();
    let path = path_to(table, span.start);
    let (key, value) = (path.join("."), source.value(&span));
    (
        span,
        Problem::Value {
            key,
            value,
            allowed: schema::allowed(&path),
        },
    )
}

/// Collects the keys of `table` that are not among `keys`, and those of the tables in it.
fn find_unknown(
    table: &DeTable<'_>,
    keys: &[Key],
    path: &[&str],
    found: &mut Vec<(Span, Problem)>,
) {
    for (name, value) in table {
        let path = [path, &[name.get_ref().as_ref()]].concat();
        let Some(key) = keys.iter().find(|key| key.name == *name.get_ref()) else {
            found.push((name.span(), unknown_key(&path, keys)));
            continue;
        };
        match (&key.inside, value.get_ref()) {
            (Inside::Later, _) => {
                let (key, instead) = (path.join("."), key.allowed);
                found.push((name.span(), Problem::NotYetSupported { key, instead }));
            }
            (
                Inside::Table(keys) | Inside::OffOr(keys) | Inside::WordOr(_, keys),
                DeValue::Table(table),
            ) => find_unknown(table, keys, &path, found),
            (Inside::Named(keys), DeValue::Table(table)) => {
                find_unknown_in_each(table, keys, &path, found);
            }
            (Inside::List(keys), DeValue::Array(tables)) => {
                let tables = tables.iter().filter_map(|table| table.get_ref().as_table());
                tables.for_each(|table| find_unknown(table, keys, &path, found));
            }
            _ => {}
        }
    }
}

/// The same for tables whose names are the author's.
fn find_unknown_in_each(
    tables: &DeTable<'_>,
    keys: &[Key],
    path: &[&str],
    found: &mut Vec<(Span, Problem)>,
) {
    for (name, value) in tables {
        if let DeValue::Table(table) = value.get_ref() {
            let path = [path, &[name.get_ref().as_ref()]].concat();
            find_unknown(table, keys, &path, found);
        }
    }
}

fn unknown_key(path: &[&str], keys: &[Key]) -> Problem {
    let (key, table) = path
        .split_last()
        .map_or(("", &[][..]), |(key, table)| (*key, table));
    let supported = keys
        .iter()
        .filter(|key| !matches!(key.inside, Inside::Later));
    let known: Vec<_> = supported.map(|key| key.name).collect();
    Problem::UnknownKey {
        key: key.to_owned(),
        table: table.join("."),
        nearest: names::nearest(key, known.iter().copied()).map(str::to_owned),
        known,
    }
}

#[cfg(test)]
mod tests;
