//! The rate of a run: whether it matters, and the same requests at another one.

use crate::plan::{Length, Model, Phase, Plan, Policy};
use crate::topology::{Name, Topology};
use faults::When;
use std::time::Duration;

impl Plan {
    /// Whether another rate of requests would give another result: something in the plan counts
    /// time or requests at once, and not requests alone. Phases, outages, restarts, breakers,
    /// budgets, limits, slots, caches and heartbeats do.
    pub fn depends_on_rate(&self) -> bool {
        self.load().model != Model::Open
            || self.phases.len() > 1
            || self.restart.is_some()
            || self.scale.is_some()
            || self.requests_affect_each_other()
    }

    /// Whether what becomes of one request can change what becomes of the next: by slots, limits,
    /// breakers, budgets, caches and heartbeats, or as both meet the same outage. Requests are
    /// then no independent samples.
    pub fn requests_affect_each_other(&self) -> bool {
        let mut faults = self.phases.iter().flat_map(|phase| &phase.faults);
        faults.any(|planned| planned.fault.when != When::Always)
            || self.phases.iter().any(|phase| keeps_time(&phase.policy))
            || has_limits(&self.topology, &self.services())
    }

    /// The highest rate of requests in any of its phases, in requests per second.
    pub fn highest_rate(&self) -> f64 {
        let rates = self.phases.iter().map(|phase| phase.load.rate);
        rates.fold(0.0, f64::max)
    }

    /// About as many requests as before, at `rate` requests per second: the run takes as much
    /// longer or shorter. Meant for plans that do not [depend on the
    /// rate](Self::depends_on_rate).
    #[must_use]
    pub fn at_rate(mut self, rate: f64) -> Self {
        for phase in &mut self.phases {
            let factor = phase.load.rate / rate;
            phase.load.rate = rate;
            if let Length::For(duration) = phase.load.length {
                phase.load.length = Length::For(stretched(duration, factor));
            }
            phase.start = stretched(phase.start, factor);
            phase.length = phase.length.map(|length| stretched(length, factor));
        }
        self
    }

    /// How many requests are expected in the whole run.
    pub fn expected_requests(&self) -> f64 {
        self.phases.iter().map(Phase::expected_requests).sum()
    }
}

/// Whole milliseconds, as all durations of a plan are.
fn stretched(duration: Duration, factor: f64) -> Duration {
    let millis = duration.as_secs_f64() * factor * 1e3;
    Duration::try_from_secs_f64(millis.round() / 1e3).unwrap_or(duration)
}

fn keeps_time(policy: &Policy) -> bool {
    let budget = policy.retry.and_then(|retry| retry.settings().budget);
    let balance = policy.balance.map(|balance| *balance.settings());
    policy.breaker.is_some()
        || policy.hedge.is_some()
        || policy.bulkhead.is_some()
        || policy.shed.is_some()
        || policy.cache.is_some()
        || budget.is_some()
        || balance.is_some_and(|it| it.eject.is_some() || it.check.is_some())
}

fn has_limits(topology: &Topology, services: &[Name]) -> bool {
    let relays = services.iter().filter_map(|name| topology.relay(name));
    let mut relays = relays;
    relays.any(|relay| relay.slots.is_some() || relay.takeover.is_some())
}

#[cfg(test)]
mod tests {
    use crate::{Length, Plan, builtin, parse};

    fn plan(extra: &str) -> Plan {
        let text = format!("title = \"t\"\n[load]\nrate = 200\n{extra}\n");
        parse("t", &text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    const ERRORS: &str =
        "requests = 1000\n[chain]\nrelays = 2\n[faults.f]\nkind = \"error\"\nprobability = 0.1\n";

    #[test]
    fn a_lower_rate_keeps_the_number_of_requests() {
        let slower = plan(ERRORS).at_rate(50.0);
        assert_eq!(slower.load().length, Length::Requests(1000));
        assert_eq!(slower.load().expected_duration().as_secs(), 20);
        let timed = plan("for = \"4s\"\n[chain]\nrelays = 1").at_rate(50.0);
        assert_eq!(timed.expected_requests().to_bits(), 800_f64.to_bits());
        assert_eq!(timed.load().expected_duration().as_secs(), 16);
        assert_eq!(timed.phases()[0].length.map(|it| it.as_secs()), Some(16));
    }

    #[test]
    fn the_rate_matters_where_something_counts_time_or_requests_at_once() {
        assert!(!plan(ERRORS).depends_on_rate());
        assert!(
            !plan(&format!(
                "{ERRORS}[policy]\nattempt_timeout = \"1s\"\n[policy.retry]\nretries = 2\n"
            ))
            .depends_on_rate()
        );
        for more in [
            "[policy.breaker]\nconsecutive = 5\n",
            "[policy.retry]\nretries = 1\nbudget = { ratio = 0.1 }\n",
            "[policy.shed]\nmax = 4\n",
            "[policy.cache]\nfresh = \"1s\"\n",
            "[policy.balance]\n",
            "[faults.o]\nkind = \"error\"\nup = \"1s\"\ndown = \"100ms\"\n",
        ] {
            assert!(plan(&format!("{ERRORS}{more}")).depends_on_rate(), "{more}");
        }
        let slots = "requests = 10\n[service.a]\nslots = 2\n";
        assert!(plan(slots).depends_on_rate());
    }

    #[test]
    fn of_the_built_in_scenarios_those_of_chance_alone_do_not_depend_on_the_rate() {
        let free: Vec<_> = builtin()
            .iter()
            .filter(|it| {
                let plan = parse(it.name, it.text).unwrap_or_else(|errors| panic!("{errors}"));
                !plan.depends_on_rate()
            })
            .map(|it| it.name.split('-').next().unwrap_or_default())
            .collect();
        for name in ["a1", "a2", "a5", "a7"] {
            assert!(free.contains(&name), "{name}: {free:?}");
        }
        for name in ["a8", "r4", "r5", "r12", "l3", "l4", "l5", "restart"] {
            assert!(!free.contains(&name), "{name}: {free:?}");
        }
    }
}
