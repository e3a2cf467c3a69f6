//! `[sweep]`: the scenario once for each of several numbers of replicas of one service.

use super::{Check, Checked};
use crate::{
    plan::{Plan, Variant},
    raw::{RawScenario, RawSweep},
    topology::Name,
};
use toml::Spanned;
use types::names;

const TABLE: &[&str] = &["sweep"];
const SERVICE: &[&str] = &["sweep", "service"];
const REPLICAS: &[&str] = &["sweep", "replicas"];
const MOST_REPLICAS: i64 = 16;

/// A service, and how many replicas of it there are in turn.
#[derive(Debug)]
struct Sweep {
    service: Name,
    numbers: Vec<Spanned<i64>>,
}

impl Check<'_> {
    /// The plan with the first number of replicas; its variants have the others.
    pub(super) fn swept(
        &mut self,
        raw: &RawScenario,
        stated: &Spanned<RawSweep>,
        is_compared: bool,
    ) -> Checked<Plan> {
        if is_compared {
            let reason = "[[compare]] is stated as well; allowed: one of the two".to_owned();
            return self.conflict(TABLE, stated, reason);
        }
        let Sweep { service, numbers } = self.sweep(raw, stated)?;
        let mut plans = Vec::new();
        for number in &numbers {
            let plan = self.plan(with_replicas(raw, &service, number))?;
            let title = in_words(*number.get_ref());
            plans.push(Variant {
                plan: Plan {
                    swept: Some(service.clone()),
                    title: format!("{}: {title}", plan.title),
                    ..plan
                },
                title,
            });
        }
        let variants = plans.split_off(1);
        // The numbers are checked: there are at least two.
        let Some(first) = plans.pop() else {
            return self.missing(REPLICAS, stated.span());
        };
        Ok(Plan {
            variant: Some(first.title),
            variants,
            ..first.plan
        })
    }

    fn sweep(&mut self, raw: &RawScenario, stated: &Spanned<RawSweep>) -> Checked<Sweep> {
        let service = match &stated.get_ref().service {
            Some(service) => self.swept_service(raw, service),
            None => self.missing(SERVICE, stated.span()),
        };
        if let (Ok(service), Some(name)) = (&service, &stated.get_ref().service) {
            self.not_scaled(raw, service, name)?;
        }
        let numbers = match &stated.get_ref().replicas {
            Some(numbers) => self.rising(numbers),
            None => self.missing(REPLICAS, stated.span()),
        };
        Ok(Sweep {
            service: service?,
            numbers: numbers?,
        })
    }

    /// A service of the scenario's own, which says nothing of replicas itself.
    fn swept_service(&mut self, raw: &RawScenario, name: &Spanned<String>) -> Checked<Name> {
        let mut services = raw.service.iter();
        let found = services.find(|(known, _)| known.get_ref() == name.get_ref());
        let Some((known, service)) = found else {
            let all = || raw.service.keys().map(|known| known.get_ref().as_str());
            let reason = names::no_such("[service.NAME]", name.get_ref(), all);
            return self.conflict(SERVICE, name, reason);
        };
        if let Some(replicas) = &service.replicas {
            let reason = "[sweep] says how many there are; allowed: leave it out".to_owned();
            return self.conflict(&["service", known.get_ref(), "replicas"], replicas, reason);
        }
        Ok(known.get_ref().as_str().into())
    }

    /// Its number stays as it is while the scenario runs.
    fn not_scaled(
        &mut self,
        raw: &RawScenario,
        service: &str,
        name: &Spanned<String>,
    ) -> Checked<()> {
        let scale = raw.scale.as_ref();
        let scaled = scale.and_then(|scale| scale.get_ref().service.as_ref());
        if scaled.is_none_or(|scaled| scaled.get_ref() != service) {
            return Ok(());
        }
        let reason = "[scale] changes how many there are; allowed: without [scale]";
        self.conflict(SERVICE, name, reason.to_owned())
    }

    /// At least two numbers, each larger than the one before.
    fn rising(&mut self, numbers: &Spanned<Vec<Spanned<i64>>>) -> Checked<Vec<Spanned<i64>>> {
        let all = numbers.get_ref();
        let fits = |number: &Spanned<i64>| (1..=MOST_REPLICAS).contains(number.get_ref());
        let rises = all
            .windows(2)
            .all(|pair| pair[0].get_ref() < pair[1].get_ref());
        if all.len() >= 2 && rises && all.iter().all(fits) {
            return Ok(all.clone());
        }
        self.refuse(REPLICAS, numbers)
    }
}

/// The scenario with so many replicas of `service`.
fn with_replicas(raw: &RawScenario, service: &str, number: &Spanned<i64>) -> RawScenario {
    let mut raw = raw.clone();
    for (name, one) in &mut raw.service {
        if name.get_ref() == service {
            one.replicas = Some(number.clone());
        }
    }
    raw
}

fn in_words(number: i64) -> String {
    match number {
        1 => "1 replica".to_owned(),
        number => format!("{number} replicas"),
    }
}
