//! `[sample]`.

use super::{Check, Checked};
use crate::raw::RawSample;
use toml::Spanned;
use types::Probability;

const KEEP: &[&str] = &["sample", "keep"];

impl Check<'_> {
    /// The share of good traces that would be kept.
    pub(super) fn sample(&mut self, sample: &Spanned<RawSample>) -> Checked<Probability> {
        let Some(keep) = &sample.get_ref().keep else {
            return self.missing(KEEP, sample.span());
        };
        match Probability::new(*keep.get_ref()) {
            Ok(share) if share > Probability::ZERO => Ok(share),
            _ => self.refuse(KEEP, keep),
        }
    }
}
