//! Whether breakers open although nobody is down, and what they then refuse.
//!
//! There is a closed form for failures in a row: of calls that fail independently, that are
//! known at once, and in the long run (`availability::trips`). It is taken as it is only where
//! all of this holds and little is refused. Elsewhere it tells what is likely, and what is
//! certain is a range: from nothing answered to all that is answered without a breaker.
//!
//! - A phase that is not much longer than the longest open time is not the long run.
//! - Attempts that share the draw of their request fail together.
//! - A failure says nothing if its call was sent before the last success came. So where
//!   failures are slow (a hang, until its time-out) and successes fast, a few successes keep
//!   failures from ever adding up, and nearly everything is admitted.

use super::{
    Limit,
    chain::{Chain, Flow, near},
    endings::Draw,
    phase::StillOpen,
};
use availability::{Probability, trips};
use resilience::circuit_breaker::BreakerSettings;

/// Expected trips in a phase below which a breaker is taken never to open; and the chance
/// below which a round of probes is taken to succeed.
const NEVER: f64 = 1e-3;
/// So many times the longest open time is the long run.
const LONG_RUN: f64 = 50.0;
/// With fewer successes than this during a failure, it is known at once.
const AT_ONCE: f64 = 0.05;
/// A call may be late: seven times the mean gap covers 999 of 1000.
pub(super) const LATE: f64 = 7.0;

/// What breakers do in a phase in which no callee is down for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Opening {
    /// They are not expected to open.
    Never,
    /// They open now and then, by failures in a row, and what that costs is known on average.
    Sometimes,
    /// They may open, and how much they refuse is open as well.
    Unknown,
}

/// Sets the shares refused, and says how good they are; and the deepest visit whose breaker
/// may open. `distance` is what a run must be able to tell.
pub(super) fn settle(
    chain: &mut Chain<'_>,
    flows: &[Flow],
    distance: Probability,
) -> (Opening, Option<usize>) {
    let Some(breaker) = chain.policy().breaker else {
        return (Opening::Never, None);
    };
    let settings = *breaker.settings();
    let (mut opening, mut deepest) = (Opening::Never, None);
    for (place, flow) in flows.iter().enumerate().skip(1) {
        if flow.attempts <= 0.0 || is_down(flow) {
            continue;
        }
        let calls = Calls::new(chain, flows, place, &settings);
        let by_window = by_window(&settings, &calls) > NEVER;
        if !by_window && in_a_row(&settings, &calls) <= NEVER {
            continue;
        }
        let depth = |place: usize| chain.visits[place].depth;
        deepest = deepest
            .filter(|deepest| depth(*deepest) >= depth(place))
            .or(Some(place));
        if by_window {
            opening = Opening::Unknown;
            continue;
        }
        let refused = refused(&settings, &calls);
        let is_known = calls.follow_the_closed_form(chain, &settings) && refused < distance;
        opening = opening.max(if is_known {
            Opening::Sometimes
        } else {
            Opening::Unknown
        });
        // With a success or more during each failure, hardly any row of them is long enough.
        if calls.meanwhile <= 1.0 {
            chain.refused[place] = refused;
        }
    }
    (opening, deepest)
}

/// Whether every attempt at this visit fails.
pub(super) fn is_down(flow: &Flow) -> bool {
    flow.attempts > 0.0 && flow.ok_attempts <= 1e-12 * flow.attempts
}

/// Whether a breaker learns of a call that gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    Sees,
    Perhaps,
    Blind,
}

/// A wait that its own time-out ends is a failure. One that ends from above (by the deadline,
/// the client, the time-out of a caller's caller) is one only if the call is old enough by
/// then, and it began somewhat later than what ends it.
pub(super) fn sight(chain: &Chain<'_>, place: usize, settings: &BreakerSettings) -> Sight {
    let (limit, time) = chain.fates[place].limit;
    let is_first = chain.visits[place].depth == 1;
    if limit == Limit::AttemptTimeout && is_first {
        return Sight::Sees;
    }
    let old = settings.cancelled_after;
    let slowed = chain.fates.iter().map(|fate| fate.slowed.as_secs_f64());
    let later = slowed.sum::<f64>() + chain.longest_pauses(place);
    if time.as_secs_f64() >= 1.1 * old.as_secs_f64() + later {
        Sight::Sees
    } else if time > old || limit == Limit::AttemptTimeout {
        Sight::Perhaps
    } else {
        Sight::Blind
    }
}

/// Attempts at a visit that get no answer, from it or from below it.
pub(super) fn unanswered(chain: &Chain<'_>, flows: &[Flow], place: usize) -> f64 {
    let below = &flows[place..place + chain.visits[place].size];
    let silences: f64 = below.iter().map(|flow| flow.silences).sum();
    silences.min(flows[place].attempts)
}

/// The calls that one breaker sees: attempts, that is.
struct Calls {
    number: f64,
    rate: f64,
    failing: Probability,
    slow: Probability,
    /// How many attempts share their fate at most.
    together: f64,
    /// How many others succeed on average between the start of one that fails and its end.
    meanwhile: f64,
    sight: Sight,
}

impl Calls {
    fn new(chain: &Chain<'_>, flows: &[Flow], place: usize, settings: &BreakerSettings) -> Self {
        let flow = &flows[place];
        let unanswered = unanswered(chain, flows, place);
        let sight = if unanswered > 0.0 {
            sight(chain, place, settings)
        } else {
            Sight::Sees
        };
        let unseen = if sight == Sight::Blind {
            unanswered
        } else {
            0.0
        };
        let failed = (flow.attempts - flow.ok_attempts).max(0.0);
        let seen = flow.attempts - unseen;
        let slow = settings
            .slow_call
            .filter(|slow| chain.limit(place) >= *slow && flow.cut > 0.0)
            .map_or(Probability::ZERO, |_| near(flow.cut / flow.attempts));
        let waited = if failed > 0.0 {
            let silent = (unanswered / failed).min(1.0);
            silent * chain.limit(place).as_secs_f64() + (1.0 - silent) * told_after_s(chain, place)
        } else {
            0.0
        };
        Self {
            number: chain.phase.expected_requests() * flow.attempts,
            rate: chain.phase.load.rate * flow.attempts,
            failing: near((failed - unseen) / seen),
            slow,
            together: together(chain, place),
            meanwhile: chain.phase.load.rate * flow.ok_attempts * waited,
            sight,
        }
    }

    /// Whether the closed form for failures in a row describes them.
    fn follow_the_closed_form(&self, chain: &Chain<'_>, settings: &BreakerSettings) -> bool {
        let length = chain.phase.expected_duration().as_secs_f64();
        self.together <= 1.0
            && self.meanwhile <= AT_ONCE
            && self.sight == Sight::Sees
            && length >= LONG_RUN * settings.max_open.as_secs_f64()
    }
}

/// How long a failure takes that is told, at most and in seconds.
fn told_after_s(chain: &Chain<'_>, place: usize) -> f64 {
    let below = place..place + chain.visits[place].size;
    let slowed = |place: usize| chain.fates[place].slowed.as_secs_f64();
    let pauses = |other: usize| {
        if other > place {
            chain.longest_pauses(other)
        } else {
            0.0
        }
    };
    below.map(|place| slowed(place) + pauses(place)).sum()
}

/// How many attempts at a visit share a draw of their request, at most.
fn together(chain: &Chain<'_>, place: usize) -> f64 {
    let mut endings = chain.fates.iter().flat_map(|fate| &fate.endings);
    if !endings.any(|ending| ending.draw != Draw::Attempt) {
        return 1.0;
    }
    let attempts = |place: usize| f64::from(chain.retries(place)) + 1.0;
    let depth = i32::try_from(chain.visits[place].depth).unwrap_or(i32::MAX);
    attempts(0) * attempts(place).powi(depth)
}

/// Expected trips by failures in a row: at most, if some of them share their fate or are
/// slow.
fn in_a_row(settings: &BreakerSettings, calls: &Calls) -> f64 {
    settings.consecutive.map_or(0.0, |in_a_row| {
        let draws = in_a_row.div_ceil(whole(calls.together)).max(1);
        calls.number / trips::calls_to_failures_in_a_row(calls.failing, draws)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
const fn whole(number: f64) -> u32 {
    let number = number as u32;
    if number == 0 { 1 } else { number }
}

/// At most so many trips by shares of a window: the chance of each window's share, summed
/// over all windows of the phase, with Chernoff's bound e^(−n·KL).
fn by_window(settings: &BreakerSettings, calls: &Calls) -> f64 {
    let rules = [
        (settings.failure_rate, calls.failing),
        (settings.slow_rate, calls.slow),
    ];
    let least = f64::from(settings.min_calls) / calls.together;
    let full = (calls.rate / calls.together * settings.window.as_secs_f64()).max(least);
    let rule = |(share, probability): (Option<f64>, Probability)| {
        let Some(share) = share.filter(|_| probability > Probability::ZERO) else {
            return 0.0;
        };
        let decay = divergence(share, probability.get());
        if decay <= 0.0 {
            return f64::INFINITY;
        }
        // Windows that are still filling up, then as many full ones as there are calls.
        let filling = (-least * decay).exp() / -(-decay).exp_m1();
        filling + calls.number * (-full * decay).exp()
    };
    rules.into_iter().map(rule).sum()
}

/// The Kullback–Leibler divergence of two coins; 0 if the share is to be expected anyway.
fn divergence(share: f64, probability: f64) -> f64 {
    if share <= probability {
        return 0.0;
    }
    let part = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    part(share, probability) + part(1.0 - share, 1.0 - probability)
}

/// The share of attempts refused in the long run.
fn refused(settings: &BreakerSettings, calls: &Calls) -> Probability {
    let open: Vec<_> = (0..32)
        .map(|doublings| open_s(settings, doublings))
        .collect();
    let in_a_row = settings.consecutive.unwrap_or(1);
    trips::refused(calls.failing, in_a_row, calls.rate, &open, settings.probes)
}

/// How long a breaker stays open on average after so many failed probes, in seconds.
pub(super) fn open_s(settings: &BreakerSettings, doublings: u32) -> f64 {
    longest_open_s(settings, doublings) * (1.0 - settings.jitter / 2.0)
}

/// The same at most.
pub(super) fn longest_open_s(settings: &BreakerSettings, doublings: u32) -> f64 {
    let factor = 2_u32.checked_pow(doublings.min(15)).unwrap_or(u32::MAX);
    let open = settings.open.saturating_mul(factor);
    open.min(settings.max_open).as_secs_f64()
}

/// How long a breaker may still be open after a phase in which it may have opened, in
/// seconds and at most: a probe that was under way fails, it opens for the last time, and
/// somebody has to come. Each breaker below it may refuse its probe once. `again` tells
/// whether it may have been open before.
pub(super) fn longest_left_s(chain: &Chain<'_>, place: usize, again: bool) -> f64 {
    let Some(breaker) = chain.policy().breaker else {
        return 0.0;
    };
    let settings = breaker.settings();
    let length = chain.phase.expected_duration().as_secs_f64();
    let (mut doublings, mut spent) = (0, 0.0);
    while doublings < 15 {
        spent += longest_open_s(settings, doublings) * (1.0 - settings.jitter);
        if spent > length {
            break;
        }
        doublings += 1;
    }
    let most = settings.max_open.as_secs_f64();
    let open = if again {
        most
    } else {
        longest_open_s(settings, doublings)
    };
    let deeper = chain.visits[place].depth.saturating_sub(1) as f64;
    probe_s(chain, place) + open + deeper * (probe_s(chain, place) + most)
}

/// How long it takes until somebody comes to probe, and the probe to fail, at most.
fn probe_s(chain: &Chain<'_>, place: usize) -> f64 {
    let fails_after = chain.limit(place).as_secs_f64();
    let is_silent = chain.fates.iter().flat_map(|fate| &fate.endings);
    let fails_after = if is_silent.into_iter().any(|ending| ending.silent) {
        fails_after
    } else {
        told_after_s(chain, place).min(fails_after)
    };
    fails_after + LATE / chain.phase.load.rate
}

/// A breaker still open from before, in a phase whose own faults may fail its probes: each
/// such round keeps it open for longer.
pub(super) fn prolonged(chain: &Chain<'_>, flows: &[Flow], open: StillOpen) -> StillOpen {
    let Some(breaker) = chain.policy().breaker else {
        return open;
    };
    let (settings, flow) = (breaker.settings(), &flows[open.place]);
    if flow.attempts <= 0.0 || is_down(flow) || open.at_most_s <= 0.0 {
        return open;
    }
    let recovers = (flow.ok_attempts / flow.attempts).powf(f64::from(settings.probes));
    let fails = 1.0 - recovers;
    let rounds = if fails > NEVER {
        (NEVER.ln() / fails.ln()).ceil()
    } else {
        0.0
    };
    let round = settings.max_open.as_secs_f64() + probe_s(chain, open.place);
    StillOpen {
        at_most_s: open.at_most_s + rounds * round,
        ..open
    }
}
