//! `[scale]`: replicas of one service come and go with its load.

use super::{Check, Checked};
use crate::{
    plan::{Length, Phase},
    raw::{RawScale, RawScenario, RawService},
    scale::Scale,
    topology::{Name, Topology},
};
use resilience::balance::Pick;
use std::time::Duration;
use toml::Spanned;
use types::names;

const TABLE: &[&str] = &["scale"];
const SERVICE: &[&str] = &["scale", "service"];
const MAX: &[&str] = &["scale", "max"];
const TARGET: f64 = 0.7;
const EVERY: Duration = Duration::from_millis(250);
const STABILISE: Duration = Duration::from_secs(2);

impl Check<'_> {
    pub(super) fn scale(
        &mut self,
        stated: &Spanned<RawScale>,
        topology: Option<&Topology>,
        phases: &[Phase],
    ) -> Checked<Scale> {
        let raw = stated.get_ref();
        let service = match &raw.service {
            Some(service) => self.scaled_service(service, topology),
            None => self.missing(SERVICE, stated.span()),
        };
        let max = match &raw.max {
            Some(max) => self.number_of_replicas(MAX, max),
            None => self.missing(MAX, stated.span()),
        };
        let min = raw.min.as_ref();
        let min = min.map_or(Ok(1), |min| self.number_of_replicas(&["scale", "min"], min));
        let time = |check: &mut Self, key, text: &Option<Spanned<String>>| {
            check.optional_duration(&["scale", key], text.as_ref())
        };
        let every = time(self, "every", &raw.every);
        let stabilise = time(self, "stabilise", &raw.stabilise);
        let start = time(self, "start", &raw.start);
        let target = raw.target.as_ref().map_or(Ok(TARGET), |it| self.busy(it));
        self.can_be_scaled(stated, phases)?;
        let (service, min, max) = (service?, min?, max?);
        self.in_limits(stated, (&service, topology), (min, max))?;
        Ok(Scale {
            service,
            min,
            max,
            target: target?,
            every: every?.unwrap_or(EVERY),
            stabilise: stabilise?.unwrap_or(STABILISE),
            start: start?.unwrap_or_default(),
        })
    }

    /// Nothing else in the scenario needs to know which replicas there are, or how many.
    pub(super) fn scaled_alone(&mut self, raw: &RawScenario) -> Checked<()> {
        let Some(stated) = &raw.scale else {
            return Ok(());
        };
        if raw.restart.is_some() {
            let reason = "replicas come and go; allowed: without [restart]";
            return self.conflict(TABLE, stated, reason.to_owned());
        }
        let scaled = stated.get_ref().service.as_ref();
        let is_scaled =
            |name: &Spanned<String>| scaled.is_some_and(|it| it.get_ref() == name.get_ref());
        let mut services = raw.service.iter();
        match services.find(|(name, _)| is_scaled(name)) {
            Some((name, service)) => self.works_alone(name.get_ref(), service),
            None => Ok(()),
        }
    }

    /// What a request takes does not depend on the number of replicas: it is worked out once.
    fn works_alone(&mut self, name: &str, service: &RawService) -> Checked<()> {
        let tell = service.tell.as_ref().map(|it| ("tell", it));
        let agree = service.agree.as_ref().map(|it| ("agree", it));
        let Some((key, stated)) = tell.or(agree) else {
            return Ok(());
        };
        let reason = "[scale] changes how many others there are; allowed: without [scale]";
        self.conflict(&["service", name, key], stated, reason.to_owned())
    }

    fn busy(&mut self, target: &Spanned<f64>) -> Checked<f64> {
        let value = *target.get_ref();
        if (0.1..=0.9).contains(&value) {
            return Ok(value);
        }
        self.refuse(&["scale", "target"], target)
    }

    /// A relay with slots, which somebody calls.
    fn scaled_service(
        &mut self,
        name: &Spanned<String>,
        topology: Option<&Topology>,
    ) -> Checked<Name> {
        let service = name.get_ref().as_str();
        let Some(topology) = topology else {
            return Ok(service.into());
        };
        let services = topology.services();
        let reason = if !services.iter().any(|known| **known == *service) {
            let known = || services.iter().map(|known| &**known);
            names::no_such("service in this chain", service, known)
        } else if *topology.edge() == *service {
            "its clients do not hear of new replicas; allowed: a service that others call"
                .to_owned()
        } else if topology.relay(service).is_none_or(|it| it.slots.is_none()) {
            "it has no slots, so nobody knows how busy it is; allowed: a service with `slots`"
                .to_owned()
        } else {
            return Ok(service.into());
        };
        self.conflict(SERVICE, name, reason)
    }

    /// Whether the run has an end, and nobody else has a say in which replicas there are.
    fn can_be_scaled(&mut self, stated: &Spanned<RawScale>, phases: &[Phase]) -> Checked<()> {
        let ends = |phase: &Phase| matches!(phase.load.length, Length::For(_));
        let asks = |phase: &Phase| phase.policy.balancing().check.is_some();
        let is_first = |phase: &Phase| phase.policy.balancing().pick == Pick::First;
        let reason = if !phases.iter().all(ends) {
            "what replicas cost counts until a stated end; allowed: with `load.for`"
        } else if phases.iter().any(is_first) {
            "only one replica is active; allowed: without policy.balance.pick = \"first\""
        } else if phases.iter().any(asks) {
            "heartbeats are for replicas that stay; allowed: without [policy.balance.check]"
        } else {
            return Ok(());
        };
        self.conflict(TABLE, stated, reason.to_owned())
    }

    /// As many as there are at first must be allowed.
    fn in_limits(
        &mut self,
        stated: &Spanned<RawScale>,
        (service, topology): (&str, Option<&Topology>),
        (min, max): (u32, u32),
    ) -> Checked<()> {
        let raw = stated.get_ref();
        let first = topology.map_or(min, |topology| topology.replicas(service));
        if min > max {
            let reason = format!("`scale.max` is {max}; allowed: up to that");
            return match &raw.min {
                Some(min) => self.conflict(&["scale", "min"], min, reason),
                None => self.conflict(TABLE, stated, reason),
            };
        }
        if (min..=max).contains(&first) {
            return Ok(());
        }
        let reason = format!(
            "[service.{service}] begins with {first} replicas; allowed: from {min} to {max}"
        );
        self.conflict(TABLE, stated, reason)
    }
}
