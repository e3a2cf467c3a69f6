//! What would users gain if one hop never failed by itself?
//!
//! Of the requests that got past the hops before it, the hop lost some; had it not, they
//! would have gone on, and some would have been lost further on. Failures of different hops
//! are taken as independent, so those would have fared as the others did that got so far:
//! with `here` of all requests lost at the hop, and `answered` of those that got past it,
//!
//! ```text
//! gain = here / all · answered / (answered + lost after it)
//! ```
//!
//! which for hops in series is A / a − A (Birnbaum 1969, *On the Importance of Different
//! Components in a Multicomponent System*: the importance of the hop times its failures). It
//! holds for calls with retries too, as long as each failure is tried again where it arose;
//! where callers also retry what came from further down, more attempts would have followed,
//! and it is near the truth only. Without independence the gain lies between 0 and `here` of
//! all.
//!
//! A second run of the same requests, in which the hop never fails, checks the promise:
//! [`missed`].

use crate::{Confidence, InvalidProportion, Proportion, difference::Difference};
use serde::Serialize;

/// All requests by where they ended, as seen from one hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fates {
    /// Lost at a hop before it.
    pub before: u64,
    /// Lost at the hop.
    pub here: u64,
    /// Lost at a hop after it.
    pub after: u64,
    /// Answered.
    pub answered: u64,
}

/// By how much the availability would rise, as a share of all requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Gain {
    /// The estimate.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What would be gained if the hop never failed by itself. An error if there are no requests.
///
/// Both factors have Wilson intervals that leave half as much as `level` does, so that both
/// hold, and with them the product, at that level (Bonferroni).
///
/// ```
/// use availability::{Confidence, perfect::{Fates, gain}};
/// // Half of all requests are lost at the first of two hops, half of the others at the second.
/// let first = Fates { before: 0, here: 500, after: 250, answered: 250 };
/// assert!((gain(&first, Confidence::P99)?.value - 0.25).abs() < 1e-12);
/// # Ok::<(), availability::InvalidProportion>(())
/// ```
pub fn gain(fates: &Fates, level: Confidence) -> Result<Gain, InvalidProportion> {
    let each = level.halved();
    let Fates {
        before,
        here,
        after,
        answered,
    } = *fates;
    let past = answered.saturating_add(after);
    let all = before.saturating_add(here).saturating_add(past);
    let lost = Proportion::new(here, all)?;
    // Where nobody got past the hop, nothing is known of what comes after it.
    let (fate, known) = match Proportion::new(answered, past) {
        Ok(went_on) => {
            let interval = went_on.wilson(each);
            let ends = (interval.low.get(), interval.high.get());
            (went_on.estimate().get(), ends)
        }
        Err(_) => (1.0, (0.0, 1.0)),
    };
    let interval = lost.wilson(each);
    Ok(Gain {
        value: lost.estimate().get() * fate,
        low: interval.low.get() * known.0,
        high: interval.high.get() * known.1,
    })
}

/// What became of the same requests in a second run, in which the hop never failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerun {
    /// Requests that the hop had lost in the first run, and that were answered.
    pub recovered: u64,
    /// Requests lost elsewhere in the first run, and answered in the second.
    pub also_answered: u64,
    /// Requests answered in the first run, and lost in the second.
    pub newly_lost: u64,
}

/// On which side a promised gain was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// Users gained less than promised.
    Less,
    /// Users gained more than promised.
    More,
}

/// Whether the gain promised by `fates` differs from the gain in the second run by more than
/// chance explains at `level`; none if it does not, or if the runs cannot say.
///
/// The promise is that the requests lost at the hop are answered as often as those that got
/// past it, and that all others end as before. The first part compares two proportions of
/// different requests (Newcombe 1998). The second part is the difference of two paired
/// proportions, whose variance comes from the pairs that differ (McNemar 1947). How many
/// requests the hop lost is the same in both runs, so it is no source of chance: intervals of
/// the two gains would overlap long before the promise is kept.
pub fn missed(fates: &Fates, rerun: &Rerun, level: Confidence) -> Option<Miss> {
    let past = fates.answered.saturating_add(fates.after);
    let all = fates.before.saturating_add(fates.here).saturating_add(past);
    if all == 0 {
        return None;
    }
    let all = all as f64;
    let (changed, net) = (
        rerun.also_answered.saturating_add(rerun.newly_lost) as f64,
        rerun.also_answered as f64 - rerun.newly_lost as f64,
    );
    let mut apart = net / all;
    let others = level.two_sided_z() * changed.sqrt() / all;
    let (mut below, mut above) = (others, others);
    if fates.here > 0 {
        let recovered = Proportion::new(rerun.recovered, fates.here).ok()?;
        // Where no request got past the hop, nothing is promised of those it lost.
        let promised = Proportion::new(fates.answered, past).ok()?;
        let difference = Difference::of(recovered, promised, level);
        let here = fates.here as f64 / all;
        apart += here * difference.value;
        below = below.hypot(here * (difference.value - difference.low));
        above = above.hypot(here * (difference.high - difference.value));
    }
    if apart > below {
        Some(Miss::More)
    } else if -apart > above {
        Some(Miss::Less)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(before: u64, here: u64, after: u64, answered: u64) -> Fates {
        Fates {
            before,
            here,
            after,
            answered,
        }
    }

    #[test]
    fn in_a_series_the_gain_is_what_the_product_has_without_the_hop() {
        // 0.9 · 0.8 · 0.5 of 1,000: without the second, 0.9 · 0.5.
        let gain = gain(&fates(100, 180, 360, 360), Confidence::P99).unwrap();
        assert!((gain.value - (0.45 - 0.36)).abs() < 1e-12, "{gain:?}");
        assert!(gain.low < gain.value && gain.value < gain.high);
    }

    #[test]
    fn the_last_hop_gives_back_all_that_it_lost_and_a_perfect_one_nothing() {
        let last = gain(&fates(100, 50, 0, 850), Confidence::P99).unwrap();
        assert!((last.value - 0.05).abs() < 1e-12);
        let perfect = gain(&fates(100, 0, 50, 850), Confidence::P99).unwrap();
        assert!(perfect.value.abs() < 1e-12 && perfect.low.abs() < 1e-12);
        assert!(
            perfect.high > 0.0,
            "a thousand requests don't prove that it never fails"
        );
    }

    #[test]
    fn where_nobody_got_past_the_hop_the_gain_may_be_anything_up_to_all() {
        let dead = gain(&fates(0, 1000, 0, 0), Confidence::P99).unwrap();
        assert!(dead.low.abs() < 1e-12);
        assert!((dead.high - 1.0).abs() < 1e-12);
    }

    fn rerun(recovered: u64, also_answered: u64, newly_lost: u64) -> Rerun {
        Rerun {
            recovered,
            also_answered,
            newly_lost,
        }
    }

    #[test]
    fn a_promise_is_kept_if_what_the_hop_lost_fares_as_the_others_did() {
        let fates = fates(0, 200, 200, 600);
        for (recovered, missed_by) in [
            (150, None),
            (165, None),
            (135, None),
            (200, Some(Miss::More)),
            (100, Some(Miss::Less)),
        ] {
            let found = missed(&fates, &rerun(recovered, 0, 0), Confidence::P99);
            assert_eq!(found, missed_by, "{recovered}");
        }
    }

    #[test]
    fn a_promise_is_missed_if_another_hop_loses_or_answers_what_it_did_not_before() {
        let kept = fates(0, 0, 500, 500);
        assert_eq!(missed(&kept, &rerun(0, 0, 0), Confidence::P99), None);
        assert_eq!(missed(&kept, &rerun(0, 20, 25), Confidence::P99), None);
        let more = missed(&kept, &rerun(0, 500, 0), Confidence::P99);
        assert_eq!(more, Some(Miss::More));
        // A shared fault: all that one hop lost is lost at the other.
        let shared = missed(&fates(0, 300, 0, 700), &rerun(0, 0, 0), Confidence::P999);
        assert_eq!(shared, Some(Miss::Less));
    }

    #[test]
    fn without_requests_or_past_a_dead_hop_no_promise_is_missed() {
        assert_eq!(
            missed(&fates(0, 0, 0, 0), &rerun(0, 0, 0), Confidence::P99),
            None
        );
        let dead = fates(0, 1000, 0, 0);
        assert_eq!(missed(&dead, &rerun(10, 0, 0), Confidence::P99), None);
    }

    #[test]
    fn of_no_requests_nothing_is_known() {
        assert!(gain(&fates(0, 0, 0, 0), Confidence::P99).is_err());
    }
}
