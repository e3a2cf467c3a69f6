//! One call: from its cache down to its attempts.

use super::{
    line::Line,
    lost::Lost,
    world::{Answer, Ask, Spot, World},
};
use futures_util::future::{Either, select};
use resilience::{
    CallFailure, Failure,
    balance::Tried,
    circuit_breaker::Outcome,
    retry::{Decision, Situation},
};
use std::{cell::Cell, pin::pin, time::Duration};
use types::{Cause, StoppedBy};

/// A call to `callee`, the `number`th to it by the same request.
pub(super) struct Call<'c> {
    pub(super) line: &'c Line,
    pub(super) callee: usize,
    pub(super) number: usize,
    pub(super) is_cacheable: bool,
    pub(super) ask: &'c Ask,
    pub(super) limit: Option<Duration>,
    /// How many attempts have begun.
    pub(super) begun: Cell<u32>,
    pub(super) tried: Tried,
}

impl World<'_> {
    /// One call, with as many attempts as the policy allows until its limit.
    pub(super) async fn call(&self, call: &Call<'_>) -> Answer {
        let hop = &self.hops[call.callee];
        hop.count(|tally| tally.calls += 1);
        let answer = self.clock.by(call.limit, self.answer_of(call)).await;
        let late = Lost::new(Cause::Timeout, StoppedBy::Deadline).at(call.callee);
        let answer = answer.unwrap_or(Err(late));
        hop.count(|tally| tally.answered += u64::from(answer.is_ok()));
        answer
    }

    /// A kept answer, or what the attempts bring.
    async fn answer_of(&self, call: &Call<'_>) -> Answer {
        let cache = call.line.shelf.as_ref();
        let Some(cache) = cache.filter(|_| call.is_cacheable) else {
            return self.attempts_of(call).await;
        };
        let entry = cache.entry(call.ask.user);
        let answer = loop {
            if let Some(quality) = cache.fresh(&entry, self.clock.now()) {
                return Ok(quality);
            }
            let Some(load) = entry.load() else {
                match entry.wait().await {
                    Some(answer) => break answer,
                    None => continue,
                }
            };
            let answer = self.attempts_of(call).await;
            load.end(answer, self.clock.now());
            break answer;
        };
        cache.instead(&entry, answer, self.clock.now())
    }

    async fn attempts_of(&self, call: &Call<'_>) -> Answer {
        let line = call.line;
        line.earn();
        let mut retries = 0;
        loop {
            let mut lost = match self.hedged(call).await {
                Ok(quality) => return Ok(quality),
                Err(lost) => lost,
            };
            let Some(retry) = line.policy.retry else {
                return Err(lost);
            };
            if line.has_untried(&call.tried, self.clock.now()) {
                lost.others_remain();
            }
            let situation = Situation {
                retries,
                repeatable: true,
                remaining: call
                    .limit
                    .map(|limit| limit.saturating_sub(self.clock.now())),
                draw: self.draw(),
            };
            match retry.decide(&lost, &situation) {
                Decision::Retry { pause, price } if line.spend(price, self.clock.now()) => {
                    self.clock.sleep(pause).await;
                    retries += 1;
                }
                Decision::Retry { .. } => lost.stop(StoppedBy::Budget),
                Decision::Stop(by) => lost.stop(by),
            }
            if lost.stopped_by() != StoppedBy::Attempts || retries == situation.retries {
                return Err(lost);
            }
        }
    }

    /// One attempt, and a second one if the answer is late: the first success wins.
    async fn hedged(&self, call: &Call<'_>) -> Answer {
        let Some(delay) = call.line.hedge_after() else {
            return self.attempt(call).await;
        };
        let began = self.clock.now();
        let took = |answered| {
            let latency = self.clock.now().saturating_sub(began);
            call.line.took(latency, answered);
        };
        let first = pin!(self.attempt(call));
        let late = pin!(self.clock.sleep(delay));
        let first = match select(first, late).await {
            Either::Left((answer, _)) => {
                took(answer.is_ok());
                return answer;
            }
            Either::Right(((), first)) => first,
        };
        if !call.line.spend_on_hedge(self.clock.now()) {
            let answer = first.await;
            took(answer.is_ok());
            return answer;
        }
        let second = pin!(self.attempt(call));
        let answer = match select(first, second).await {
            Either::Left((Err(_), second)) => second.await,
            Either::Right((Err(_), first)) => first.await,
            Either::Left((answer, _)) | Either::Right((answer, _)) => answer,
        };
        took(false);
        answer
    }

    /// One attempt at one replica, if its breaker and its bulkhead admit it.
    async fn attempt(&self, call: &Call<'_>) -> Answer {
        let Call { line, callee, .. } = *call;
        let nth = call.begun.replace(call.begun.get() + 1);
        let replica = line.choose(&call.tried, || self.draw_bits(), self.clock.now());
        let hop = &self.hops[callee];
        let admitted = line.admit(replica, &self.clock).await.map_err(|lost| {
            hop.count(|tally| tally.refused += 1);
            lost.at(callee)
        })?;
        hop.count(|tally| {
            tally.attempts += 1;
            tally.first += u64::from(nth == 0);
        });
        let ask = Ask {
            path: child_path(&call.ask.path, &hop.name, call.number, nth),
            is_first: nth == 0,
            ..call.ask.clone()
        };
        let timeout = line.policy.attempt_timeout;
        let limit = timeout.map(|timeout| self.clock.now().saturating_add(timeout));
        let spot = Spot {
            hop: callee,
            replica,
        };
        let answer = self.clock.by(limit, self.serve(spot, ask)).await;
        let answer = answer.unwrap_or_else(|| Err(Lost::here(Cause::Timeout).at(callee)));
        let outcome = answer.map_or_else(Lost::outcome, |_| Outcome::Success);
        admitted.end(outcome);
        hop.count(|tally| tally.first_answered += u64::from(nth == 0 && answer.is_ok()));
        answer
    }
}

/// The path of an attempt, as real services name it.
fn child_path(parent: &str, callee: &str, call: usize, attempt: u32) -> String {
    let separator = if parent.is_empty() { "" } else { "/" };
    match call {
        0 => format!("{parent}{separator}{callee}:{attempt}"),
        _ => format!("{parent}{separator}{callee}.{call}:{attempt}"),
    }
}
