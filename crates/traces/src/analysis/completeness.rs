//! How complete the spans are. It stands beside every number made from them.

use super::reading::Reading;
use crate::calls::Attempt;
use serde::Serialize;
use std::fmt;
use types::Cause;

/// Attempts for which no request received was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Unpaired {
    /// Nothing was sent, because nothing listened there or the caller had no resource left to
    /// connect with: no span is missing.
    pub refused: u64,
    /// No answer came: the request may never have arrived, or its span may be lost with
    /// the process that served it.
    pub unanswered: u64,
    /// An answer came: a span is missing.
    pub answered: u64,
    /// To a hop that sent no spans at all.
    pub uninstrumented: u64,
}

impl Unpaired {
    /// All but those where nothing is missing.
    pub const fn others(&self) -> u64 {
        self.unanswered + self.answered + self.uninstrumented
    }

    pub(crate) fn add(&mut self, attempt: &Attempt<'_>, instrumented: bool) {
        let answered = match attempt.cause {
            _ if attempt.outcome.is_available() => true,
            Some(Cause::Error | Cause::Shed | Cause::Corrupt | Cause::Stale) => true,
            _ => attempt.span.http_status.is_some(),
        };
        let kind = match (attempt.cause, answered) {
            (Some(Cause::Refused | Cause::Exhausted), _) => &mut self.refused,
            _ if !instrumented => &mut self.uninstrumented,
            (_, true) => &mut self.answered,
            (_, false) => &mut self.unanswered,
        };
        *kind += 1;
    }
}

/// What was received and what is known to be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// Traces analysed.
    pub traces: u64,
    /// Traces with a root request, without orphans and with nothing known to be missing.
    pub complete_traces: u64,
    /// Spans in them, duplicates left out.
    pub spans: u64,
    /// Root requests.
    pub roots: u64,
    /// Traces without a root request.
    pub rootless_traces: u64,
    /// Spans whose parent is missing.
    pub orphans: u64,
    /// Spans that came more than once.
    pub duplicates: u64,
    /// Circles of parents that were cut.
    pub cycles: u64,
    /// Spans that begin before their parent or end before they begin.
    pub skewed: u64,
    /// Attempts without a request received.
    pub unpaired: Unpaired,
    /// Attempts that calls tell of and no span does.
    pub attempts_missing: u64,
    /// Traces left out because they carry no request id to choose them by.
    pub unidentified_traces: u64,
    /// Services expected to send spans that sent none.
    pub silent: Vec<String>,
}

impl Completeness {
    /// The share of traces that are complete; none without traces.
    pub fn ratio(&self) -> Option<f64> {
        (self.traces > 0).then(|| self.complete_traces as f64 / self.traces as f64)
    }

    /// Spans known to be missing: of requests that were answered, and of attempts.
    pub const fn missing(&self) -> u64 {
        self.unpaired.answered + self.attempts_missing
    }

    /// Whether nothing is known to be missing.
    pub fn is_complete(&self) -> bool {
        self.complete_traces == self.traces && self.silent.is_empty()
    }

    /// Counts one trace; `unpaired` and `attempts_missing` are its own.
    pub(crate) fn add(&mut self, reading: &Reading<'_>, unpaired: Unpaired, attempts_missing: u64) {
        let (trace, roots) = (&reading.trace, reading.roots.len() as u64);
        let whole = roots > 0 && trace.orphans == 0 && unpaired.answered + attempts_missing == 0;
        self.traces += 1;
        self.complete_traces += u64::from(whole);
        self.spans += trace.spans.len() as u64;
        self.roots += roots;
        self.rootless_traces += u64::from(roots == 0);
        self.orphans += trace.orphans;
        self.duplicates += trace.duplicates;
        self.cycles += trace.cycles;
        self.skewed += trace.skewed;
        self.attempts_missing += attempts_missing;
        self.unpaired.refused += unpaired.refused;
        self.unpaired.unanswered += unpaired.unanswered;
        self.unpaired.answered += unpaired.answered;
        self.unpaired.uninstrumented += unpaired.uninstrumented;
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (traces, spans) = (grouped(self.traces), grouped(self.spans));
        write!(f, "{traces} traces, {spans} spans, ")?;
        write!(
            f,
            "{} orphaned, {} missing",
            or_none(self.orphans),
            or_none(self.missing())
        )?;
        for (count, what) in [
            (self.rootless_traces, "traces without a root"),
            (
                self.unpaired.unanswered,
                "unanswered attempts that no callee saw",
            ),
            (
                self.unpaired.uninstrumented,
                "attempts to callees that send no spans",
            ),
            (self.duplicates, "duplicates left out"),
            (self.cycles, "circles cut"),
            (self.unidentified_traces, "traces without a request id"),
        ] {
            if count > 0 {
                write!(f, ", {} {what}", grouped(count))?;
            }
        }
        match self.silent.as_slice() {
            [] => Ok(()),
            silent => write!(f, "; silent: {}", silent.join(", ")),
        }
    }
}

fn or_none(count: u64) -> String {
    if count == 0 {
        "none".to_owned()
    } else {
        grouped(count)
    }
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_spans_are_told_in_one_short_sentence() {
        let complete = Completeness {
            traces: 20_000,
            spans: 240_000,
            ..Completeness::default()
        };
        assert_eq!(
            complete.to_string(),
            "20,000 traces, 240,000 spans, none orphaned, none missing"
        );
    }

    #[test]
    fn whatever_is_missing_is_said() {
        let completeness = Completeness {
            traces: 999,
            spans: 1_000,
            orphans: 3,
            attempts_missing: 1,
            unpaired: Unpaired {
                refused: 9,
                unanswered: 4,
                answered: 1,
                uninstrumented: 0,
            },
            silent: vec!["audit".to_owned()],
            ..Completeness::default()
        };
        assert_eq!(
            completeness.to_string(),
            "999 traces, 1,000 spans, 3 orphaned, 2 missing, \
             4 unanswered attempts that no callee saw; silent: audit"
        );
    }
}
