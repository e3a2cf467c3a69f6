//! When requests leave.

use crate::plan::{Length, Phase, Plan};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;

/// The moments at which the requests of an open model leave, as offsets from the begin of
/// the load: a Poisson process, whose rate is that of each phase.
#[derive(Debug)]
pub struct Arrivals<'a> {
    phases: &'a [Phase],
    rng: StdRng,
    sent: u64,
    offset: Duration,
}

impl<'a> Arrivals<'a> {
    /// The arrivals of `plan`, drawn from `seed`: that of the plan, for those of its run.
    pub fn new(plan: &'a Plan, seed: u64) -> Self {
        Self {
            phases: plan.phases(),
            rng: StdRng::seed_from_u64(seed),
            sent: 0,
            offset: Duration::ZERO,
        }
    }

    /// The next moment, a waiting time of `unit` at the rate of one after the last one; none
    /// if the load has ended by then.
    ///
    /// Where the rate changes, the part that was not waited yet goes on at the new rate: a
    /// Poisson process has no memory.
    fn after(&self, mut unit: f64) -> Option<Duration> {
        let mut offset = self.offset;
        for phase in self.phases {
            let left = phase.end().map(|end| end.saturating_sub(offset));
            let room = left.map_or(f64::INFINITY, |left| left.as_secs_f64() * phase.load.rate);
            if unit < room {
                let gap = Duration::try_from_secs_f64(unit / phase.load.rate);
                return Some(offset.saturating_add(gap.unwrap_or(Duration::MAX)));
            }
            unit -= room;
            offset = phase.end().unwrap_or(offset).max(offset);
        }
        None
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let load = &self.phases.first()?.load;
        if let Length::Requests(requests) = load.length
            && self.sent >= requests
        {
            return None;
        }
        // The time between Poisson arrivals is exponential; 1 − u is in (0, 1].
        let uniform: f64 = self.rng.random();
        let next = self.after(-(1.0 - uniform).ln())?;
        self.offset = next;
        self.sent += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn plan(load: &str, phases: &str) -> Plan {
        let text = format!("title = \"t\"\n[load]\n{load}\n[chain]\nrelays = 1\n{phases}");
        parse("t.toml", &text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn offsets(plan: &Plan, seed: u64) -> Vec<Duration> {
        Arrivals::new(plan, seed).collect()
    }

    #[test]
    fn arrivals_are_as_many_as_asked_for_at_the_rate_asked_for() {
        let offsets = offsets(&plan("rate = 1000\nrequests = 20000", ""), 1);
        assert_eq!(offsets.len(), 20_000);
        assert!(offsets.is_sorted());
        // 20 s, give or take 0.14 s (one sigma); the seed is fixed.
        let last = offsets[19_999].as_secs_f64();
        assert!((19.3..20.7).contains(&last), "{last}");
    }

    #[test]
    fn a_run_by_time_ends_in_time() {
        let offsets = offsets(&plan("rate = 1000\nfor = \"2s\"", ""), 1);
        assert!(
            offsets
                .iter()
                .all(|offset| *offset < Duration::from_secs(2))
        );
        assert!((1_800..2_200).contains(&offsets.len()), "{}", offsets.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let plan = plan("rate = 1000\nrequests = 100", "");
        assert_eq!(offsets(&plan, 7), offsets(&plan, 7));
        assert_ne!(offsets(&plan, 7), offsets(&plan, 8));
    }

    #[test]
    fn a_phase_with_a_rate_of_its_own_gets_so_many_and_the_others_what_they_had() {
        let phase = "[[phase]]\nat = \"2s\"\nfor = \"2s\"\nrate = 4000";
        let offsets = offsets(&plan("rate = 1000\nfor = \"6s\"", phase), 1);
        let within = |from: u64, to: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            offsets.iter().filter(|at| (from..to).contains(at)).count()
        };
        // Five sigma of a Poisson number around 2,000, 8,000 and 2,000.
        for (count, expected) in [
            (within(0, 2), 2_000.0_f64),
            (within(2, 4), 8_000.0),
            (within(4, 6), 2_000.0),
        ] {
            assert!(
                (count as f64 - expected).abs() < 5.0 * expected.sqrt(),
                "{count}"
            );
        }
    }
}
