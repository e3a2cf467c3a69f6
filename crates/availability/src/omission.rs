//! Messages get lost: the work may be done although no answer comes.
//!
//! A request is lost, or the service fails without effect, or the answer is lost after the
//! work was done. The caller can't tell the last from the others and tries again, so that
//! the work may be done twice. Hence idempotency keys.

use crate::{
    probability::{Probability, nearest},
    retry,
};

/// A call over a network that loses messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossyCall {
    /// The probability that a request is lost.
    pub request_lost: Probability,
    /// The probability that an answer is lost.
    pub answer_lost: Probability,
    /// The probability that the service fails without effect.
    pub failure: Probability,
    /// How often the call is tried again at most.
    pub retries: u32,
}

impl LossyCall {
    /// The probability that the caller gets an answer: 1 − (1 − ok)^(m+1).
    pub fn success(&self) -> Probability {
        retry::success(self.attempt().complement(), self.retries)
    }

    /// How often the work is done, in expectation.
    pub fn executions(&self) -> f64 {
        let attempts = retry::expected_attempts(self.attempt().complement(), self.retries);
        attempts * self.executed()
    }

    /// The probability that the work is done more than once:
    /// 1 − oᵐ⁺¹ − ok·Σ oʲ − (m + 1)·e·oᵐ, where o is an attempt without effect and e one
    /// whose answer is lost.
    pub fn duplicated(&self) -> Probability {
        let ok = self.attempt().get();
        let unseen = self.executed() * self.answer_lost.get();
        let idle = nearest(1.0 - ok - unseen);
        let attempts = f64::from(self.retries) + 1.0;
        let never = idle.get().powf(attempts);
        let once_seen = ok * retry::expected_attempts(idle, self.retries);
        let once_unseen = attempts * unseen * idle.get().powf(attempts - 1.0);
        nearest(1.0 - never - once_seen - once_unseen)
    }

    /// The probability that an attempt does the work.
    fn executed(&self) -> f64 {
        self.request_lost.complement().get() * self.failure.complement().get()
    }

    /// The probability that an attempt is answered.
    fn attempt(&self) -> Probability {
        nearest(self.executed() * self.answer_lost.complement().get())
    }
}
