//! From what is written to what is meant: every rule of the format.
//!
//! Each part of a scenario is checked on its own, so that all its errors show at once.

mod balance;
mod chain;
mod expect;
mod fate;
mod faults;
mod graph;
mod limits;
mod load;
mod phase;
mod places;
mod policy;
mod restart;
mod sample;
mod scale;
mod service;
mod sweep;
mod takeover;
mod together;
mod variant;
mod when;

pub(crate) use chain::MOST_RELAYS;
pub use expect::DEFAULT_DISTANCE;
pub use load::DEFAULT_PATIENCE;

use faults::Tables;
use policy::At;
use variant::Replaced;

use crate::{
    error::{Error, Errors, Problem},
    overrides::Overrides,
    plan::{Plan, Policy},
    raw::{self, RawScenario},
    schema,
    source::{Source, Span},
};
use std::time::Duration;
use toml::{Spanned, de::DeTable};

/// The seed of a scenario that states none.
pub const DEFAULT_SEED: u64 = 42;

/// Parses the scenario `text`; `file` is its name in errors.
pub fn parse(file: &str, text: &str) -> Result<Plan, Errors> {
    parse_with(file, text, &Overrides::default())
}

/// Parses the scenario `text` with the values of `overrides` in place of its own; `file` is its
/// name in errors.
pub fn parse_with(file: &str, text: &str, overrides: &Overrides) -> Result<Plan, Errors> {
    let flags = overrides.flags();
    match check(file, text, overrides) {
        Ok(plan) => Ok(plan.with_overrides(&flags)),
        Err(errors) if flags.is_empty() || check(file, text, &Overrides::default()).is_err() => {
            Err(errors)
        }
        Err(errors) => Err(Errors { flags, ..errors }),
    }
}

fn check(file: &str, text: &str, overrides: &Overrides) -> Result<Plan, Errors> {
    let written = overrides.behind(text);
    let source = Source::with_flags(&written.text, text.len());
    let mut check = Check {
        source,
        found: Vec::new(),
        variant: None,
    };
    let plan = match raw::read(source) {
        Ok(mut raw) => {
            check.found = written.apply(&mut raw);
            check.scenario(raw)
        }
        Err(found) => {
            check.found = found;
            Err(Reported)
        }
    };
    // A part that is refused although the plan is there would be a plan that can be wrong.
    match plan {
        Ok(plan) if check.found.is_empty() => Ok(plan),
        _ => Err(check.errors(file)),
    }
}

/// Parses the policy in `text`: a `[policy]` table by itself, or that with which a scenario
/// starts; `file` is its name in errors.
pub fn parse_policy(file: &str, text: &str) -> Result<Policy, Errors> {
    let source = Source::with_flags(text, text.len());
    if let Ok(raw) = raw::read(source)
        && is_policy_alone(text)
    {
        let mut check = Check {
            source,
            found: Vec::new(),
            variant: None,
        };
        return match check.policy(At::RUN, &raw.policy) {
            Ok(policy) if check.found.is_empty() => Ok(policy),
            _ => Err(check.errors(file)),
        };
    }
    let plan = parse(file, text)?;
    let first = plan.phases().first().map(|phase| phase.policy);
    Ok(first.unwrap_or_default())
}

/// Whether `text` has a `[policy]`, and nothing that only a scenario has.
fn is_policy_alone(text: &str) -> bool {
    let may_be_there = |key: &str| ["version", "title", "policy"].contains(&key);
    DeTable::parse(text).is_ok_and(|table| {
        let mut keys = table.get_ref().keys().map(|key| key.get_ref().as_ref());
        table.get_ref().contains_key("policy") && keys.all(may_be_there)
    })
}

/// That a part can't be had. Why not stands among what was found.
#[derive(Debug, Clone, Copy)]
struct Reported;

/// A part of the plan, or that it can't be had.
type Checked<T> = Result<T, Reported>;

/// Collects what is wrong.
struct Check<'a> {
    source: Source<'a>,
    found: Vec<(Span, Problem)>,
    /// What the variant that is being checked has in place of the scenario's own.
    variant: Option<Replaced>,
}

impl Check<'_> {
    /// The plan, and the variants that it is compared with.
    fn scenario(&mut self, mut raw: RawScenario) -> Checked<Plan> {
        let compare = std::mem::take(&mut raw.compare);
        let version = self.version(raw.version.as_ref());
        if let Some(sweep) = raw.sweep.take() {
            let plan = self.swept(&raw, &sweep, !compare.is_empty());
            let own = raw.variant.as_ref().map(|own| self.own_title(own, true));
            version?;
            own.transpose()?;
            return plan;
        }
        let plan = self.plan(raw.clone());
        let variants = self.variants(&raw, &compare);
        let own = raw.variant.as_ref();
        let own = own.map(|own| self.own_title(own, compare.is_empty()));
        version?;
        Ok(Plan {
            variants: variants?,
            variant: own.transpose()?,
            ..plan?
        })
    }

    /// What the scenario as it is stands for among its variants.
    fn own_title(&mut self, own: &Spanned<String>, is_alone: bool) -> Checked<String> {
        if is_alone {
            let reason = "there is nothing to tell it from; allowed: beside [[compare]]";
            return self.conflict(&["variant"], own, reason.to_owned());
        }
        self.line(&["variant"], own)
    }

    fn version(&mut self, version: Option<&Spanned<i64>>) -> Checked<()> {
        match version {
            Some(version) if *version.get_ref() != 1 => self.refuse(&["version"], version),
            _ => Ok(()),
        }
    }

    fn plan(&mut self, raw: RawScenario) -> Checked<Plan> {
        let alone = self.scaled_alone(&raw);
        let title = self.title(raw.title.as_ref());
        let seed = self.seed(raw.seed.as_ref());
        let load = self.load(raw.load);
        let topology = self.topology(raw.chain, &raw.service);
        let faults = self.faults(Tables::OfRun, &raw.faults, topology.as_ref().ok());
        let windows = self.windows(&raw.phase, load.as_ref().ok(), topology.as_ref().ok());
        let policy = self.policy(At::RUN, &raw.policy);
        let sample = raw.sample.as_ref().map(|sample| self.sample(sample));
        let restart = raw.restart.as_ref();
        let restart =
            restart.map(|it| self.restart(it, topology.as_ref().ok(), !raw.phase.is_empty()));
        let expectation = self.expectation(&raw.expect);
        let (load, faults, windows) = (load?, faults?, windows?);
        alone?;
        self.distinct(&faults, &windows)?;
        self.alone(&windows)?;
        let phases = phase::timeline(load, &policy?, &faults, &windows);
        let scale = raw.scale.as_ref();
        let scale = scale.map(|it| self.scale(it, topology.as_ref().ok(), &phases));
        self.few_enough(&phases, &windows)?;
        self.takeovers(&raw.service, &phases)?;
        let end = load.expected_duration();
        self.within(&raw.faults, &faults, end)?;
        Ok(Plan {
            title: title?,
            seed: seed?,
            topology: topology?,
            phases,
            expectation: expectation?,
            restart: restart.transpose()?,
            sample: sample.transpose()?,
            scale: scale.transpose()?,
            swept: None,
            variant: None,
            variants: Vec::new(),
            overrides: Vec::new(),
        })
    }

    fn title(&mut self, title: Option<&Spanned<String>>) -> Checked<String> {
        match title {
            Some(title) => self.line(&["title"], title),
            None => self.missing(&["title"], 0..0),
        }
    }

    /// A line of text for people.
    fn line(&mut self, path: &[&str], title: &Spanned<String>) -> Checked<String> {
        let text = title.get_ref().trim();
        let fits = (1..=200).contains(&text.chars().count()) && !text.contains(char::is_control);
        if fits {
            Ok(text.to_owned())
        } else {
            self.refuse(path, title)
        }
    }

    fn seed(&mut self, seed: Option<&Spanned<i64>>) -> Checked<u64> {
        let Some(seed) = seed else {
            return Ok(DEFAULT_SEED);
        };
        u64::try_from(*seed.get_ref()).or_else(|_| self.refuse(&["seed"], seed))
    }

    /// A duration up to `longest`, above zero and in whole milliseconds.
    fn duration(
        &mut self,
        path: &[&str],
        text: &Spanned<String>,
        longest: Duration,
    ) -> Checked<Duration> {
        let whole = |duration: &Duration| duration.subsec_nanos().is_multiple_of(1_000_000);
        let fits = |duration: &Duration| !duration.is_zero() && *duration <= longest;
        match humantime::parse_duration(text.get_ref()) {
            Ok(duration) if whole(&duration) && fits(&duration) => Ok(duration),
            _ => self.refuse(path, text),
        }
    }

    /// A duration of up to an hour, if one is stated.
    fn optional_duration(
        &mut self,
        path: &[&str],
        text: Option<&Spanned<String>>,
    ) -> Checked<Option<Duration>> {
        const HOUR: Duration = Duration::from_hours(1);
        text.map(|text| self.duration(path, text, HOUR)).transpose()
    }

    /// The value at `path` is not allowed.
    fn refuse<T, N>(&mut self, path: &[&str], value: &Spanned<N>) -> Checked<T> {
        let (key, span) = (path.join("."), value.span());
        let (value, allowed) = (self.source.value(&span), schema::allowed(path));
        self.report(
            span,
            Problem::Value {
                key,
                value,
                allowed,
            },
        )
    }

    /// The value at `path` does not go with the others.
    fn conflict<T, N>(&mut self, path: &[&str], value: &Spanned<N>, reason: String) -> Checked<T> {
        let (key, span) = (path.join("."), value.span());
        let value = self.source.value(&span);
        self.report(span, Problem::Conflict { key, value, reason })
    }

    /// The key at `path`, of the table at `span`, must be there.
    fn missing<T>(&mut self, path: &[&str], span: Span) -> Checked<T> {
        let (key, allowed) = (path.join("."), schema::allowed(path));
        self.report(span, Problem::Missing { key, allowed })
    }

    fn report<T>(&mut self, span: Span, problem: Problem) -> Checked<T> {
        self.found.push((span, problem));
        Err(Reported)
    }

    /// What was found, in the order of the text.
    fn errors(mut self, file: &str) -> Errors {
        self.found.sort_by_key(|(span, _)| span.start);
        let error = |(span, problem): (Span, Problem)| {
            let (line, column) = self.source.position(span.start);
            Error {
                problem,
                line,
                column,
                flag: self.source.flag(span.start).map(str::to_owned),
            }
        };
        Errors {
            file: file.to_owned(),
            errors: self.found.into_iter().map(error).collect(),
            flags: Vec::new(),
        }
    }
}
