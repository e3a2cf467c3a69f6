//! A validated experiment.

use crate::{
    place::Place,
    scale::Scale,
    topology::{Name, Topology},
};
use availability::Bounds;
use faults::{Fault, When};
use resilience::{
    balance::{BalancePolicy, BalanceSettings, RetryTo},
    bulkhead::LimitPolicy,
    cache::CachePolicy,
    circuit_breaker::BreakerPolicy,
    hedge::HedgePolicy,
    retry::RetryPolicy,
};
use serde::{Serialize, Serializer};
use std::time::Duration;
use types::Probability;

/// An experiment that can't be wrong: made by [`parse`](crate::parse) alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub(crate) title: String,
    pub(crate) seed: u64,
    pub(crate) topology: Topology,
    pub(crate) phases: Vec<Phase>,
    pub(crate) expectation: Expectation,
    #[serde(
        rename = "restart_at_ms",
        serialize_with = "optional_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) restart: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample: Option<Probability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scale: Option<Scale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) swept: Option<Name>,
    #[serde(skip)]
    pub(crate) variant: Option<String>,
    #[serde(skip)]
    pub(crate) variants: Vec<Variant>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) overrides: Vec<String>,
}

/// The same experiment with something replaced, to be compared with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What is different, in one line; no other variant has the same.
    pub title: String,
    /// The experiment. Its seed is that of the scenario, and it has no variants of its own.
    pub plan: Plan,
}

impl Plan {
    /// What the experiment shows, in one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The seed of faults and arrivals.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// When the replicas of all services begin to be restarted, one after the other; none: not
    /// at all.
    pub const fn restart(&self) -> Option<Duration> {
        self.restart
    }

    /// The share of good traces that a collector would keep, beside all of those that failed:
    /// what would such a sample show? None if nobody asks.
    pub const fn sample(&self) -> Option<Probability> {
        self.sample
    }

    /// The service whose replicas come and go with its load, if there is one.
    pub const fn scale(&self) -> Option<&Scale> {
        self.scale.as_ref()
    }

    /// The service whose number of replicas its variants differ in, if that is what they are
    /// for.
    pub const fn swept(&self) -> Option<&Name> {
        self.swept.as_ref()
    }

    /// What it stands for among its variants, if the scenario says so.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The same experiment with fresh draws: for a rerun.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        let variant = |variant: Variant| Variant {
            plan: variant.plan.with_seed(seed),
            ..variant
        };
        Self {
            seed,
            variants: self.variants.into_iter().map(variant).collect(),
            ..self
        }
    }

    /// The flags whose values stand in place of the scenario's own, such as `--rate 300`.
    pub fn overrides(&self) -> &[String] {
        &self.overrides
    }

    /// The same experiment, with the note that it and its variants have values of these flags.
    pub(crate) fn with_overrides(self, flags: &[String]) -> Self {
        let variant = |variant: Variant| Variant {
            plan: variant.plan.with_overrides(flags),
            ..variant
        };
        Self {
            overrides: flags.to_vec(),
            variants: self.variants.into_iter().map(variant).collect(),
            ..self
        }
    }

    /// The same experiment, in which `service` never fails by itself. It is expected to come to
    /// what is predicted of it: what was expected of the other was so of the other.
    #[must_use]
    pub fn without_failures_of(mut self, service: &str) -> Self {
        for phase in &mut self.phases {
            for planned in &mut phase.faults {
                planned.on.retain(|place| *place.service != *service);
            }
        }
        self.expectation.availability = Expected::Predicted;
        self.expectation.bounds = Vec::new();
        self
    }

    /// Whether time plays a part in who fails: outages that come and go, or workers that wait
    /// for answers before they ask again.
    pub fn depends_on_time(&self) -> bool {
        let comes_and_goes = |phase: &Phase| {
            let mut faults = phase.faults.iter();
            faults.any(|planned| planned.fault.when != When::Always)
        };
        self.load().model != Model::Open || self.phases.iter().any(comes_and_goes)
    }

    /// Whether no formula tells what it comes to because of its replicas, of what they share,
    /// or of what is done about overload, tails and failures besides retries and breakers. Its
    /// [prediction](crate::Prediction) is then played.
    pub fn is_played(&self) -> bool {
        !crate::predict::has_formula(self)
    }

    /// What it is compared with, in the order of the file.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// Who calls whom.
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// All services in dependency order, the called before their callers: for start-up.
    pub fn services(&self) -> Vec<Name> {
        self.topology.services()
    }

    /// The names of all replicas of `service`, in the order of their numbers.
    pub fn replica_names(&self, service: &str) -> Vec<Name> {
        self.topology.replica_names(service)
    }

    /// The timeline: stretches that follow each other from 0 to the end of the run without a
    /// gap. Never empty; one phase, the whole run, if the scenario has no `[[phase]]`.
    ///
    /// How long the load lasts and how patient the client is are the same in all of them.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The load of the run: that of its first phase.
    pub fn load(&self) -> &Load {
        &self.phases[0].load
    }

    /// What is expected.
    pub const fn expectation(&self) -> &Expectation {
        &self.expectation
    }
}

/// A stretch of the run with one load, one set of faults and one policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// What happens in it, if the scenario says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it starts, from the start of the run.
    #[serde(rename = "start_ms", serialize_with = "millis")]
    pub start: Duration,
    /// How long it lasts; none if the run ends with its last request and not at a stated time.
    #[serde(rename = "length_ms", serialize_with = "optional_millis")]
    pub length: Option<Duration>,
    /// The load: that of the whole run, of which this phase gets its share, at its own rate.
    pub load: Load,
    /// What goes wrong: the faults of the whole run, then those of the phase, each in the
    /// order of the file.
    pub faults: Vec<PlannedFault>,
    /// What is done about it.
    pub policy: Policy,
}

impl Phase {
    /// When it ends, from the start of the run; none if that is not stated.
    pub fn end(&self) -> Option<Duration> {
        Some(self.start.saturating_add(self.length?))
    }

    /// How long it is expected to last.
    pub fn expected_duration(&self) -> Duration {
        self.length
            .unwrap_or_else(|| self.load.expected_duration().saturating_sub(self.start))
    }

    /// How many requests are expected to arrive in it.
    pub fn expected_requests(&self) -> f64 {
        match self.length {
            Some(length) => self.load.rate * length.as_secs_f64(),
            None => self.load.expected_requests(),
        }
    }

    /// The faults of one replica of a service, in the order of the file: what its injector is
    /// to be given.
    pub fn faults_of(&self, service: &str, replica: u32) -> Vec<Fault> {
        self.faults
            .iter()
            .filter(|planned| planned.strikes(service, replica))
            .map(|planned| planned.fault.clone())
            .collect()
    }
}

/// The requests of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Load {
    /// The mean rate of arrival, in requests per second. Of a closed model, where it follows
    /// from the answers, that which its workers have if each takes a millisecond.
    #[serde(rename = "rate_per_s")]
    pub rate: f64,
    /// What makes a request leave.
    #[serde(flatten)]
    pub model: Model,
    /// How much of it.
    #[serde(flatten)]
    pub length: Length,
    /// How long the client waits for an answer before it gives up.
    #[serde(rename = "patience_ms", serialize_with = "millis")]
    pub patience: Duration,
}

/// What makes a request leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum Model {
    /// Chance: requests arrive at random and do not wait for answers (a Poisson process).
    #[default]
    Open,
    /// The answer to the one before: so a slow chain is asked less, and looks better.
    Closed {
        /// How many there are who ask.
        workers: u32,
        /// How long each thinks between an answer and its next request.
        #[serde(rename = "think_ms", serialize_with = "millis")]
        think: Duration,
    },
}

/// How much load: so many requests, or for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Length {
    /// So many requests.
    #[serde(rename = "requests")]
    Requests(u64),
    /// For so long.
    #[serde(rename = "for_ms", serialize_with = "millis")]
    For(Duration),
}

impl Load {
    /// How many requests are to be expected; exact if their number is stated.
    pub fn expected_requests(&self) -> f64 {
        match self.length {
            Length::Requests(requests) => requests as f64,
            Length::For(duration) => self.rate * duration.as_secs_f64(),
        }
    }

    /// How long the arrivals are expected to take; exact if their duration is stated.
    pub fn expected_duration(&self) -> Duration {
        match self.length {
            // The rate is above 0 and the run at most a day long, or there were no plan.
            Length::Requests(requests) => {
                Duration::try_from_secs_f64(requests as f64 / self.rate).unwrap_or(Duration::MAX)
            }
            Length::For(duration) => duration,
        }
    }
}

/// A fault, and where it strikes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedFault {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// The services and replicas that have it. Each replica draws for itself, unless the
    /// fault is shared.
    pub on: Vec<Place>,
}

impl PlannedFault {
    /// Whether that replica of that service has it.
    pub fn strikes(&self, service: &str, replica: u32) -> bool {
        self.on.iter().any(|place| place.holds(service, replica))
    }
}

/// What the chain does about faults. The default does nothing: the naive chain.
///
/// Every caller of the chain applies it to each of its calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Policy {
    /// How long a service waits for one answer of the next.
    #[serde(rename = "attempt_timeout_ms", serialize_with = "optional_millis")]
    pub attempt_timeout: Option<Duration>,
    /// How long the whole request may take, from the edge down.
    #[serde(rename = "deadline_ms", serialize_with = "optional_millis")]
    pub deadline: Option<Duration>,
    /// How often a service tries a failed call again; none: never.
    pub retry: Option<RetryPolicy>,
    /// Whether the client retries as well, by the same policy.
    pub client_retries: bool,
    /// When a service stops calling the next for a while; none: never.
    pub breaker: Option<BreakerPolicy>,
    /// How calls are spread over replicas; none: chance alone decides, and nothing is learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalancePolicy>,
    /// When a call is sent a second time before the first answer is there; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgePolicy>,
    /// How many calls a service makes at once to one replica of the next; none: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<LimitPolicy>,
    /// How many requests a service takes at once; none: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shed: Option<LimitPolicy>,
    /// How long a service uses answers of the next again; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CachePolicy>,
}

impl Policy {
    /// The part that the client applies to its calls of the edge.
    ///
    /// It chooses between several edges, and tries again where `client_retries` says so. The
    /// deadline then bounds its attempts together: counted by the edge alone, each attempt would
    /// get a new one. A client that makes one attempt needs no deadline of its own, because the
    /// edge's covers that attempt.
    #[must_use]
    pub fn of_client(&self) -> Self {
        Self {
            deadline: self.deadline.filter(|_| self.client_retries),
            retry: self.retry.filter(|_| self.client_retries),
            client_retries: self.client_retries,
            balance: self.balance.map(BalancePolicy::unasked),
            ..Self::default()
        }
    }

    /// How calls are spread over replicas, also if nobody says.
    pub fn balancing(&self) -> BalanceSettings {
        let stated = self.balance.as_ref().map(BalancePolicy::settings);
        *stated.unwrap_or(&BalanceSettings::PLAIN)
    }

    /// Where a call goes that is tried again.
    pub(crate) fn retry_to(&self) -> RetryTo {
        self.balancing().retry
    }
}

/// What the run is expected to show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// The availability.
    pub availability: Expected,
    /// The distance in availability that the run must be able to tell.
    pub distance: Probability,
    /// What else must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Bound>,
}

/// What a measured number must not pass; at least one side is there, and they are in order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bound {
    /// Of what.
    pub of: Measure,
    /// The least that is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most that is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What is measured of a run besides availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The share of requests that are answered with nothing missing.
    FullQuality,
    /// The time within which half of the requests are answered, in milliseconds.
    P50,
    /// The same for 99 of 100.
    P99,
    /// The same for 999 of 1000.
    P999,
    /// Attempts at the busiest hop for each request.
    Amplification,
    /// Requests that are not answered, of the whole run.
    Lost,
}

impl Measure {
    /// The word used in scenarios and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullQuality => "full_quality",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Amplification => "amplification",
            Self::Lost => "lost",
        }
    }
}

/// The availability expected.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The one that is predicted.
    Predicted,
    /// One within stated bounds.
    Within(Bounds),
}

pub(crate) fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(whole_millis(*duration))
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
pub(crate) fn optional_millis<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_some(&whole_millis(*duration)),
        None => serializer.serialize_none(),
    }
}

/// Durations in plans are whole milliseconds.
fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
