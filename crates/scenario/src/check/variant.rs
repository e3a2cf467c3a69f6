//! `[[compare]]`: the scenario once more, with some of its tables replaced.
//!
//! A variant is checked as the scenario itself is. What is wrong with both is told once, and
//! what is wrong with a variant only, with its title.

use super::{Check, Checked};
use crate::{
    error::Problem,
    plan::{Plan, Variant},
    raw::{RawCompare, RawScenario},
};
use std::collections::BTreeSet;
use toml::Spanned;

const TITLE: &[&str] = &["compare", "title"];
const MOST_VARIANTS: usize = 20;

/// What a variant has in place of the scenario's own.
#[derive(Debug)]
pub(super) struct Replaced {
    tables: Vec<&'static str>,
    /// A byte of its text.
    pub(super) byte: usize,
}

impl Replaced {
    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains(&table)
    }
}

impl Check<'_> {
    pub(super) fn variants(
        &mut self,
        base: &RawScenario,
        compare: &[Spanned<RawCompare>],
    ) -> Checked<Vec<Variant>> {
        if let Some(first) = compare.first().filter(|_| compare.len() > MOST_VARIANTS) {
            return self.refuse(&["compare"], first);
        }
        let mut titles: BTreeSet<String> = BTreeSet::new();
        let own = base.title.as_ref();
        titles.extend(own.map(|title| title.get_ref().trim().to_owned()));
        let variants: Vec<_> = compare
            .iter()
            .map(|raw| {
                let title = self.variant_title(raw, &mut titles)?;
                let plan = self.variant(base, raw, &title)?;
                Ok(Variant { title, plan })
            })
            .collect();
        variants.into_iter().collect()
    }

    fn variant_title(
        &mut self,
        raw: &Spanned<RawCompare>,
        titles: &mut BTreeSet<String>,
    ) -> Checked<String> {
        let Some(stated) = &raw.get_ref().title else {
            return self.missing(TITLE, raw.span());
        };
        let title = self.line(TITLE, stated)?;
        if titles.insert(title.clone()) {
            return Ok(title);
        }
        let reason = "stands here twice; allowed: a title of its own".to_owned();
        self.conflict(TITLE, stated, reason)
    }

    fn variant(
        &mut self,
        base: &RawScenario,
        raw: &Spanned<RawCompare>,
        title: &str,
    ) -> Checked<Plan> {
        let (whole, tables) = replaced(base, raw.get_ref());
        if tables.is_empty() {
            let reason = "replaces nothing; allowed: with at least one of `load`, `chain`, \
                          `service`, `faults`, `policy`, `scale`, `expect`";
            return self.conflict(&["compare"], raw, reason.to_owned());
        }
        self.variant = Some(Replaced {
            tables,
            byte: raw.span().start,
        });
        let before = std::mem::take(&mut self.found);
        let plan = self.plan(whole);
        self.variant = None;
        let found = std::mem::replace(&mut self.found, before);
        let new: Vec<_> = found
            .into_iter()
            .filter(|one| !self.found.contains(one))
            .collect();
        self.found.extend(new.into_iter().map(|(span, problem)| {
            let (variant, problem) = (title.to_owned(), Box::new(problem));
            (span, Problem::InVariant { variant, problem })
        }));
        plan.map(|plan| Plan {
            title: format!("{}: {title}", plan.title),
            ..plan
        })
    }
}

/// The scenario with the tables of the variant in place of its own, and which these are.
fn replaced(base: &RawScenario, raw: &RawCompare) -> (RawScenario, Vec<&'static str>) {
    let mut whole = base.clone();
    let mut tables = Vec::new();
    if let Some(load) = &raw.load {
        whole.load = Some(load.clone());
        tables.push("load");
    }
    // Either says which services there are, and takes the place of both.
    if raw.chain.is_some() || raw.service.is_some() {
        whole.chain.clone_from(&raw.chain);
        whole.service = raw.service.clone().unwrap_or_default();
        tables.extend(["chain", "service"]);
    }
    if let Some(faults) = &raw.faults {
        whole.faults.clone_from(faults);
        tables.push("faults");
    }
    if let Some(policy) = &raw.policy {
        whole.policy.clone_from(policy);
        tables.push("policy");
    }
    if let Some(scale) = &raw.scale {
        whole.scale = Some(scale.clone());
        tables.push("scale");
    }
    if let Some(expect) = &raw.expect {
        whole.expect.clone_from(expect);
        tables.push("expect");
    }
    (whole, tables)
}
