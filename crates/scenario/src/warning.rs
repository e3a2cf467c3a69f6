//! What is allowed and still probably not meant: limits that don't go together, and settings
//! that can never work.

mod futile;

pub use futile::Futile;

use crate::{
    plan::{Phase, Plan},
    topology::{Name, Order, Topology, Visit, Work},
};
use humantime::format_duration;
use resilience::retry::Backoff;
use serde::{Serialize, Serializer};
use std::{fmt, time::Duration};
use types::service::CLIENT;

/// Something about a plan that is probably not meant.
///
/// A plan with warnings runs, and its prediction takes them into account where it can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Warning {
    /// Time limits that don't go together.
    Limits(Inversion),
    /// A setting that can never work.
    Futile(Futile),
}

impl Warning {
    /// Which kind it is.
    pub const fn code(&self) -> Code {
        match self {
            Self::Limits(inversion) => inversion.code,
            Self::Futile(futile) => futile.code,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limits(inversion) => inversion.fmt(f),
            Self::Futile(futile) => futile.fmt(f),
        }
    }
}

/// Something about the time limits of a plan that defeats one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inversion {
    /// Which kind it is.
    pub code: Code,
    /// The caller whose limit is the outer one.
    pub caller: Name,
    /// The callee whose limit is the inner one.
    pub callee: Name,
    /// The inner limit: its key, or what it is made of.
    pub inner: &'static str,
    /// How long that is.
    #[serde(rename = "inner_ms", serialize_with = "millis")]
    pub inner_time: Duration,
    /// The outer limit: its key.
    pub outer: &'static str,
    /// How long that is; none if there is no such limit.
    #[serde(rename = "outer_ms", serialize_with = "optional_millis")]
    pub outer_time: Option<Duration>,
}

/// The kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Code {
    /// Time-out inversion: the inner limit is as long as the outer one, or longer, so that
    /// it never decides.
    W4,
    /// A caller does not wait for as long as its callee may take with all its attempts.
    W4a,
    /// The client gives up before the chain does.
    W4b,
    /// Retries may go on for longer than the client waits, and nothing tells them to stop.
    W4c,
    /// A setting that can never work, because of another.
    P1,
}

impl Code {
    /// The code as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::W4 => "W4",
            Self::W4a => "W4a",
            Self::W4b => "W4b",
            Self::W4c => "W4c",
            Self::P1 => "P1",
        }
    }

    /// What follows from it, in plain words.
    const fn consequence(self) -> &'static str {
        match self {
            Self::W4 => "the outer limit always ends first, so the inner one never has its turn",
            Self::W4a => {
                "the caller gives up while its callee is still trying, so the last attempts \
                 below are made for nobody"
            }
            Self::W4b => "the client has gone while the chain still works for it",
            Self::W4c => {
                "retries go on for a client that has gone, and no deadline tells them to stop"
            }
            Self::P1 => "it can never work",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Inversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            caller,
            callee,
            inner,
            outer,
            ..
        } = self;
        let inner_time = words(self.inner_time);
        write!(f, "{code} {caller} -> {callee}: {inner} = {inner_time}, ")?;
        match self.outer_time {
            Some(time) if code == &Code::W4a => {
                write!(f, "but {outer} = {}", words(time))?;
            }
            Some(time) => write!(f, "not below {outer} = {}", words(time))?,
            None => write!(f, "and no {outer}")?,
        }
        write!(f, ": {}", code.consequence())
    }
}

/// A duration in words. Longer ones than a year are not told apart.
fn words(time: Duration) -> String {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    if time > YEAR {
        "over a year".to_owned()
    } else {
        format_duration(time).to_string()
    }
}

const ATTEMPT_TIMEOUT: &str = "policy.attempt_timeout";
const DEADLINE: &str = "policy.deadline";
const PATIENCE: &str = "load.patience";
const ALL_ATTEMPTS: &str = "all attempts and pauses together";

/// Everything about `plan` that is probably not meant: its time limits, from the client down
/// and each pair of services once, then settings that can never work.
pub fn warnings(plan: &Plan) -> Vec<Warning> {
    let visits = plan.topology.visits();
    let (mut inversions, mut settings) = (Vec::new(), Vec::new());
    for phase in &plan.phases {
        let limits = Limits {
            phase,
            visits: &visits,
            topology: &plan.topology,
        };
        limits.of_client(&mut inversions);
        limits.of_deadline(&mut inversions);
        limits.of_callers(&mut inversions);
        settings.extend(futile::settings(phase, &visits));
    }
    // Most phases have the load and the policy of the run.
    let inversions = distinct(inversions).into_iter().map(Warning::Limits);
    let settings = distinct(settings).into_iter().map(Warning::Futile);
    inversions.chain(settings).collect()
}

/// Each once, in the order in which they first came.
fn distinct<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    all.into_iter().fold(Vec::new(), |mut seen, one| {
        if !seen.contains(&one) {
            seen.push(one);
        }
        seen
    })
}

struct Limits<'a> {
    phase: &'a Phase,
    visits: &'a [Visit],
    topology: &'a Topology,
}

impl Limits<'_> {
    /// Patience against the deadline, and against retries that have none.
    fn of_client(&self, warnings: &mut Vec<Inversion>) {
        let policy = &self.phase.policy;
        let patience = self.phase.load.patience;
        let warning = |code, inner, inner_time, outer, outer_time| Inversion {
            code,
            caller: CLIENT.into(),
            callee: self.visits[0].service.clone(),
            inner,
            inner_time,
            outer,
            outer_time,
        };
        match policy.deadline {
            Some(deadline) if deadline >= patience => {
                warnings.push(warning(
                    Code::W4b,
                    DEADLINE,
                    deadline,
                    PATIENCE,
                    Some(patience),
                ));
            }
            Some(_) => {}
            None => {
                let longest = self.longest_call(0);
                if policy.retry.is_some() && longest > patience {
                    warnings.push(warning(Code::W4c, ALL_ATTEMPTS, longest, DEADLINE, None));
                }
            }
        }
    }

    /// An attempt's time-out against the deadline of the whole request.
    fn of_deadline(&self, warnings: &mut Vec<Inversion>) {
        let policy = &self.phase.policy;
        let (Some(timeout), Some(deadline)) = (policy.attempt_timeout, policy.deadline) else {
            return;
        };
        let Some(callee) = self.visits.get(1).filter(|_| timeout >= deadline) else {
            return;
        };
        warnings.push(Inversion {
            code: Code::W4,
            caller: self.visits[0].service.clone(),
            callee: callee.service.clone(),
            inner: ATTEMPT_TIMEOUT,
            inner_time: timeout,
            outer: DEADLINE,
            outer_time: Some(deadline),
        });
    }

    /// A caller's time-out against what its callee may take for its own calls.
    fn of_callers(&self, warnings: &mut Vec<Inversion>) {
        let Some(timeout) = self.phase.policy.attempt_timeout else {
            return;
        };
        for place in 1..self.visits.len() {
            // What its callees may take in turn, if each call takes all of its attempts.
            let below = self.longest_below(place);
            if below < timeout {
                continue;
            }
            let retries = self.phase.policy.retry.is_some();
            let is_work = self.visits[place].size == 1;
            let single = is_work || (!retries && below == timeout);
            let warning = Inversion {
                code: if single { Code::W4 } else { Code::W4a },
                caller: self.caller(place),
                callee: self.visits[place].service.clone(),
                inner: match (is_work, single) {
                    (true, _) => "the work itself",
                    (false, true) => "the same time-out below",
                    (false, false) => ALL_ATTEMPTS,
                },
                inner_time: below,
                outer: ATTEMPT_TIMEOUT,
                outer_time: Some(timeout),
            };
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }

    /// The service that calls at this visit, which is not the edge.
    fn caller(&self, place: usize) -> Name {
        let depth = self.visits[place].depth;
        let mut above = self.visits[..place].iter().rev();
        let caller = above.find(|visit| visit.depth + 1 == depth);
        caller.map_or_else(|| CLIENT.into(), |visit| visit.service.clone())
    }

    /// The longest that the work and the calls of one attempt at this visit may take.
    fn longest_below(&self, place: usize) -> Duration {
        let relay = self.topology.relay(&self.visits[place].service);
        let is_parallel = relay.is_some_and(|relay| relay.order == Order::Parallel);
        let work = relay.and_then(|relay| relay.work).map(Work::time);
        let mut time = Duration::ZERO;
        let mut next = place + 1;
        while next < place + self.visits[place].size {
            let call = self.longest_call(next);
            time = if is_parallel {
                time.max(call)
            } else {
                time.saturating_add(call)
            };
            next += self.visits[next].size;
        }
        time.saturating_add(work.unwrap_or_default())
    }

    /// The longest that a call may take, as far as it is known: every attempt its time-out,
    /// if there is one, and every pause at its longest.
    fn longest_call(&self, place: usize) -> Duration {
        let policy = &self.phase.policy;
        let is_edge = self.visits[place].depth == 0;
        let attempt = match policy.attempt_timeout {
            Some(timeout) if !is_edge => timeout,
            _ => self.longest_below(place),
        };
        let retry = policy.retry.filter(|_| !is_edge || policy.client_retries);
        let Some(retry) = retry else {
            return attempt;
        };
        let settings = retry.settings();
        let backoff = Backoff::new(settings.backoff, settings.max_backoff);
        let pauses = (0..settings.retries).map(|retry| backoff.ceiling(retry));
        let pauses = pauses.fold(Duration::ZERO, Duration::saturating_add);
        attempt
            .saturating_mul(settings.retries + 1)
            .saturating_add(pauses)
    }
}

fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
fn optional_millis<S: Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => millis(time, serializer),
        None => serializer.serialize_none(),
    }
}
