//! Services that a page can do without: it is answered all the same, and marked as degraded.

use axum::response::{IntoResponse, Response};
use chassis::{Degraded, Refusal};
use types::{Outcome, service};

/// A service that may be left out. Without the others there would be nobody's page, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Soft {
    /// The page comes without its records.
    Database,
    /// What was done is not recorded.
    Audit,
    /// The page comes as it is.
    Config,
}

impl Soft {
    /// The service's name.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Database => service::DATABASE,
            Self::Audit => service::AUDIT,
            Self::Config => service::CONFIG,
        }
    }
}

/// How well a request could be answered so far.
#[derive(Debug, Clone)]
pub(crate) struct Quality<'a> {
    soft: &'a [Soft],
    /// The worst of all answers.
    outcome: Outcome,
}

impl<'a> Quality<'a> {
    /// Nothing is missing yet; `soft` may be.
    pub(crate) const fn of(soft: &'a [Soft]) -> Self {
        Self {
            soft,
            outcome: Outcome::Ok,
        }
    }

    /// Takes what a service answered: none if it failed and the page can do without. A request
    /// that the client has got wrong is refused whoever finds that out.
    pub(crate) fn take<T>(
        &mut self,
        from: Soft,
        answer: Result<Got<T>, Refusal>,
    ) -> Result<Option<T>, Refusal> {
        match answer {
            Ok(got) => Ok(Some(self.note(got))),
            Err(refusal) if self.soft.contains(&from) && refusal.0.status >= 500 => {
                self.outcome = Outcome::Degraded;
                Ok(None)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// What was answered, for which there is no doing without.
    pub(crate) fn note<T>(&mut self, got: Got<T>) -> T {
        if got.outcome == Outcome::Degraded {
            self.outcome = Outcome::Degraded;
        }
        got.value
    }

    /// Whether something is missing.
    pub(crate) fn is_degraded(&self) -> bool {
        self.outcome == Outcome::Degraded
    }

    /// `answer`, marked if something is missing.
    pub(crate) fn mark(&self, answer: impl IntoResponse) -> Response {
        if self.is_degraded() {
            Degraded(answer).into_response()
        } else {
            answer.into_response()
        }
    }
}

/// An answer, and whether it is complete: an old one, that stands in for one that could not be
/// had, is not.
#[derive(Debug, Clone)]
pub(crate) struct Got<T> {
    pub(crate) value: T,
    pub(crate) outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Problem;

    fn failed() -> Result<Got<u8>, Refusal> {
        Err(Problem::new(502, "upstream-failed", "A service below failed").into())
    }

    #[test]
    fn what_a_page_can_do_without_is_missing_and_marked() {
        let mut quality = Quality::of(&[Soft::Database]);
        assert_eq!(quality.take(Soft::Database, failed()).unwrap(), None);
        assert_eq!(quality.outcome, Outcome::Degraded);
    }

    #[test]
    fn what_a_page_needs_ends_it() {
        let mut quality = Quality::of(&[Soft::Database]);
        assert_eq!(
            quality.take(Soft::Audit, failed()).unwrap_err().0.status,
            502
        );
        let theirs = Err::<Got<u8>, _>(Refusal::bad_request("theirs"));
        assert_eq!(
            quality.take(Soft::Database, theirs).unwrap_err().0.status,
            400
        );
        assert_eq!(quality.outcome, Outcome::Ok);
    }

    #[test]
    fn an_old_answer_is_there_and_marked() {
        let mut quality = Quality::of(&[]);
        let outcome = Outcome::Degraded;
        assert_eq!(quality.note(Got { value: 7, outcome }), 7);
        assert_eq!(quality.outcome, Outcome::Degraded);
    }
}
