//! At which rate a load is sent, given what the host carries.

use crate::calibrate::Carries;
use availability::Doubt;
use report::results::{HostCheck, Lowered};
use scenario::{Plan, Prediction};

/// A load above this share of what a quiet host carries is lowered: the measurement is exact to
/// a tenth, and just below what the host carries requests still leave on time.
const TIGHT: f64 = 1.1;
/// The same on a busy host, whose other work comes and goes. A burst is also cheaper than a load:
/// its requests share wake-ups and packets, and take half the processor time.
const CROWDED: f64 = 0.6;
/// A load is lowered to this share of what the host carries.
const COMFORTABLE: f64 = 0.45;
/// A load that can't be lowered is not sent at all above this share: then it only measures how
/// the requests wait for each other.
const HOPELESS: f64 = 1.25;
/// A lowered load takes at most this many times as long, or a minute if that is more; and never
/// more than five minutes longer.
const LONGER: f64 = 8.0;
const ANYWAY_S: f64 = 60.0;
const LONGER_BY_S: f64 = 300.0;

/// What becomes of a load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pace {
    /// It is sent as the plan says.
    AsPlanned,
    /// It is sent at a lower rate.
    Lowered(Lowered),
    /// It is not sent: the host is too slow for it.
    TooSlow(Doubt),
}

/// How much more work a request of the plan is than one without faults and retries: the
/// attempts that it makes, of those that it would make.
pub(crate) fn cost(prediction: &Prediction) -> f64 {
    let attempts: f64 = prediction.hops.iter().map(|hop| hop.load).sum();
    (attempts / prediction.hops.len().max(1) as f64).max(1.0)
}

/// At which rate the load of `plan` is sent on a host that carries so much of it; `at_most` this,
/// if an earlier run was disturbed.
pub(crate) fn pace(plan: &Plan, carries: &Carries, at_most: Option<f64>) -> Pace {
    let rate = plan.highest_rate();
    let is_quiet = carries.others < HostCheck::QUIET;
    let limit = if is_quiet { TIGHT } else { CROWDED };
    let fits = rate <= carries.per_s * limit;
    let too_slow = |needs_per_s| {
        Pace::TooSlow(Doubt::SlowHost {
            carries_per_s: carries.per_s,
            needs_per_s,
        })
    };
    if plan.depends_on_rate() {
        return if rate > carries.per_s * HOPELESS {
            too_slow(rate)
        } else {
            Pace::AsPlanned
        };
    }
    if fits && at_most.is_none() {
        return Pace::AsPlanned;
    }
    let lowest = slowest(plan);
    if carries.per_s < lowest {
        return too_slow(lowest);
    }
    let comfortable = if fits {
        rate
    } else {
        carries.per_s * COMFORTABLE
    };
    let to = comfortable.min(at_most.unwrap_or(rate));
    let to = round_down(to).max(lowest);
    let lowered = plan.clone().at_rate(to);
    Pace::Lowered(Lowered {
        from_per_s: rate,
        to_per_s: to,
        from_s: plan.load().expected_duration().as_secs_f64(),
        to_s: lowered.load().expected_duration().as_secs_f64(),
        after_a_disturbed_run: at_most.is_some(),
    })
}

/// A rate in two digits and zeros: what the host carries is not known better.
fn round_down(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.max(1.0).log10().floor() - 1.0);
    (rate / unit).floor() * unit
}

/// The lowest rate that a load is lowered to.
fn slowest(plan: &Plan) -> f64 {
    let planned = plan.load().expected_duration().as_secs_f64();
    let longest = (planned * LONGER).max(ANYWAY_S).min(planned + LONGER_BY_S);
    plan.highest_rate() * planned / longest.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use scenario::{parse, predict};

    fn plan(rate: u32, more: &str) -> Plan {
        let text = format!(
            "title = \"t\"\n[load]\nrate = {rate}\nrequests = 20000\n[chain]\nrelays = 4\n{more}"
        );
        parse("t", &text).unwrap_or_else(|errors| panic!("{errors}"))
    }

    const fn carries(per_s: f64, others: f64) -> Carries {
        Carries { per_s, others }
    }

    const BREAKER: &str = "[policy.breaker]\nconsecutive = 5\n";

    #[test]
    fn a_host_that_carries_the_load_gets_it_as_planned() {
        for (per_s, others) in [(1500.0, 0.0), (1300.0, 0.05), (2500.0, 0.5)] {
            let pace = pace(&plan(1400, ""), &carries(per_s, others), None);
            assert_eq!(pace, Pace::AsPlanned, "{per_s} {others}");
        }
    }

    #[test]
    fn a_busy_host_gets_a_lower_load_that_takes_longer() {
        let Pace::Lowered(lowered) = pace(&plan(1400, ""), &carries(1000.0, 0.4), None) else {
            panic!("not lowered");
        };
        assert_eq!(
            [lowered.from_per_s, lowered.to_per_s].map(|it| it.to_string()),
            ["1400", "450"]
        );
        assert!((lowered.from_s - 14.29).abs() < 0.01 && (lowered.to_s - 44.44).abs() < 0.01);
    }

    #[test]
    fn a_rate_has_two_digits() {
        for (rate, expected) in [(227.4, "220"), (99.9, "99"), (1050.0, "1000"), (7.0, "7")] {
            assert_eq!(round_down(rate).to_string(), expected);
        }
    }

    #[test]
    fn a_load_that_depends_on_its_rate_is_never_lowered() {
        let depends = plan(1400, BREAKER);
        assert_eq!(pace(&depends, &carries(1200.0, 0.5), None), Pace::AsPlanned);
        assert_eq!(
            pace(&depends, &carries(1200.0, 0.5), Some(700.0)),
            Pace::AsPlanned
        );
        assert_eq!(
            pace(&depends, &carries(1000.0, 0.5), None),
            Pace::TooSlow(Doubt::SlowHost {
                carries_per_s: 1000.0,
                needs_per_s: 1400.0
            })
        );
    }

    #[test]
    fn no_load_takes_more_than_eight_times_as_long() {
        let Pace::Lowered(lowered) = pace(&plan(1400, ""), &carries(200.0, 0.8), None) else {
            panic!("not lowered");
        };
        assert_eq!(lowered.to_per_s.to_string(), "175");
        assert!(matches!(
            pace(&plan(1400, ""), &carries(170.0, 0.8), None),
            Pace::TooSlow(_)
        ));
    }

    #[test]
    fn the_load_after_a_disturbed_run_is_lower_than_that_run_s() {
        let Pace::Lowered(lowered) = pace(&plan(1400, ""), &carries(9000.0, 0.0), Some(700.0))
        else {
            panic!("not lowered");
        };
        assert_eq!(lowered.to_per_s.to_string(), "700");
        assert!(lowered.after_a_disturbed_run);
    }

    #[test]
    fn a_request_that_is_tried_again_costs_as_many_times_more() {
        let storm = "[faults.f]\nkind = \"error\"\nprobability = 1\non = [\"relay-4\"]\n\
                     [policy.retry]\nretries = 2\npropagated = true\n";
        let cost_of = |more| cost(&predict(&plan(100, more)));
        assert_eq!(cost_of("").to_string(), "1");
        assert!((cost_of(storm) - 10.0).abs() < 1e-9, "1 + 3 + 9 + 27 of 4");
    }
}
