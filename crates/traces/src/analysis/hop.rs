//! What is counted at one hop.

use super::{
    completeness::Unpaired,
    counts::{AttemptCounts, CallCounts, Own, Ratio, RequestCounts},
    overlap,
};
use crate::{
    calls::{Call, Calls, Request},
    origin::{AttemptFate, CallFate, Origin, OriginKind, absorbed, fate_of_attempt, fate_of_call},
};
use serde::Serialize;
use std::collections::BTreeMap;
use types::Cause;

/// One hop: what reached it, what became of it, and what was lost there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HopAnalysis {
    /// Its name.
    pub hop: String,
    /// Logical calls made to it.
    pub calls: CallCounts,
    /// Attempts made on it.
    pub attempts: AttemptCounts,
    /// Requests it received, as it tells.
    pub requests: RequestCounts,
    /// Attempts for which it told of no request.
    pub unpaired: Unpaired,
    /// Its own work, from first attempts. Those that its callers abandoned do not count.
    pub own: Own,
    /// Availability per attempt.
    pub actual: Ratio,
    /// Availability per call, after the policies of its callers. Calls that they abandoned
    /// do not count.
    pub effective: Ratio,
    /// Root requests whose failure originated here.
    pub lost_here: u64,
    /// The same by cause, where one was named.
    pub lost_by_cause: BTreeMap<Cause, u64>,
    /// The same by the injected fault, where there was one.
    pub lost_by_fault: BTreeMap<String, u64>,
    /// Root requests not lost at this hop or one before it, of all offered.
    pub cumulative: Ratio,
    /// Attempts on this hop for each root request; none without root requests.
    pub load_amplification: Option<f64>,
    /// The standard deviation of their number from one root request to another; none with
    /// fewer than two.
    pub load_deviation: Option<f64>,
    /// The most requests it had under way at once.
    pub max_concurrency: u64,
}

/// Counting at one hop.
#[derive(Debug, Default)]
pub(crate) struct HopTally {
    pub(crate) hop: HopAnalysis,
    busy: Vec<(u64, u64)>,
    /// Attempts made in the trace being counted, and the sum of their squares before it.
    in_trace: u64,
    squares: u64,
}

impl HopTally {
    pub(crate) fn add_call(&mut self, calls: &Calls<'_>, call: &Call<'_>) {
        let counts = &mut self.hop.calls;
        counts.outcomes.add(call.outcome, call.cause);
        match fate_of_call(calls, call) {
            CallFate::Ok | CallFate::Degraded => return,
            CallFate::Propagated => counts.propagated += 1,
            CallFate::Abandoned => counts.abandoned += 1,
            CallFate::Own(OriginKind::NotTried) => counts.not_tried += 1,
            CallFate::Own(kind) => {
                counts.self_failures += 1;
                counts.unseen += u64::from(kind == OriginKind::Unseen);
            }
        }
        if let Some(stopped_by) = call.span.stopped_by {
            *counts.stopped_by.entry(stopped_by).or_default() += 1;
        }
    }

    pub(crate) fn add_attempts(&mut self, calls: &Calls<'_>, call: &Call<'_>) {
        for (nth, attempt) in call
            .attempts
            .iter()
            .map(|a| &calls.attempts[*a])
            .enumerate()
        {
            self.in_trace += 1;
            let fate = fate_of_attempt(calls, attempt);
            let counts = &mut self.hop.attempts;
            counts.outcomes.add(attempt.outcome, attempt.cause);
            counts.abandoned += u64::from(fate == AttemptFate::Abandoned);
            if nth == 0 {
                counts.first += 1;
                self.add_first(fate);
            }
        }
    }

    fn add_first(&mut self, fate: AttemptFate) {
        let own = &mut self.hop.own;
        own.reached += u64::from(fate != AttemptFate::Abandoned);
        match fate {
            AttemptFate::Entry => own.entry += 1,
            AttemptFate::Late => own.late += 1,
            AttemptFate::Propagated => own.propagated += 1,
            AttemptFate::Ok | AttemptFate::Degraded | AttemptFate::Abandoned => {}
        }
    }

    pub(crate) fn add_request(&mut self, calls: &Calls<'_>, request: &Request<'_>) {
        let counts = &mut self.hop.requests;
        counts.outcomes.add(request.outcome, request.cause);
        counts.absorbed += u64::from(absorbed(calls, request));
        if let Some(fault) = request
            .span
            .fault_id
            .as_ref()
            .or(request.span.fault_kind.as_ref())
        {
            *counts.faults.entry(fault.to_string()).or_default() += 1;
        }
        self.busy.push((request.span.start, request.span.end));
    }

    pub(crate) fn add_loss(&mut self, origin: &Origin) {
        self.hop.lost_here += 1;
        if let Some(cause) = origin.cause {
            *self.hop.lost_by_cause.entry(cause).or_default() += 1;
        }
        if let Some(fault) = &origin.fault_id {
            *self.hop.lost_by_fault.entry(fault.clone()).or_default() += 1;
        }
    }

    /// Closes the count of one trace.
    pub(crate) fn close_trace(&mut self) {
        let attempts = std::mem::take(&mut self.in_trace);
        self.squares += attempts * attempts;
    }

    /// Closes the count. `lost` is what earlier hops lost; it grows by what this one did.
    pub(crate) fn close(self, name: &str, offered: u64, lost: &mut u64) -> HopAnalysis {
        *lost += self.hop.lost_here;
        let attempts = self.hop.attempts.outcomes.offered as f64;
        HopAnalysis {
            hop: name.to_owned(),
            actual: self.hop.attempts.actual(),
            effective: self.hop.calls.effective(),
            cumulative: Ratio::new(offered - *lost, *lost),
            load_amplification: (offered > 0).then(|| attempts / offered as f64),
            load_deviation: deviation(attempts, self.squares as f64, offered),
            max_concurrency: overlap::peak(&self.busy),
            ..self.hop
        }
    }
}

/// The sample standard deviation of `count` numbers with this sum and sum of squares.
fn deviation(sum: f64, squares: f64, count: u64) -> Option<f64> {
    let n = count as f64;
    (count > 1).then(|| ((squares - sum * sum / n).max(0.0) / (n - 1.0)).sqrt())
}
