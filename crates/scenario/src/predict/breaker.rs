//! Whether breakers open although nobody is down, and what they then refuse.

use super::chain::{Chain, Flow, near};
use availability::{Probability, trips};
use resilience::circuit_breaker::BreakerSettings;

/// Expected trips in a phase below which a breaker is taken never to open.
const NEVER: f64 = 1e-3;

/// What breakers do in a phase in which no callee is down for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// They are not expected to open.
    Never,
    /// They open now and then, by failures in a row, and what that costs is known on average.
    Sometimes,
    /// They may open by a share of failures in a window of time, for which there is no
    /// closed form.
    Unknown,
}

/// Sets the shares refused, and says how good they are.
pub(super) fn settle(chain: &mut Chain<'_>, flows: &[Flow]) -> Opening {
    let Some(breaker) = chain.policy().breaker else {
        return Opening::Never;
    };
    let settings = *breaker.settings();
    let mut opening = Opening::Never;
    for (place, flow) in flows.iter().enumerate().skip(1) {
        if flow.attempts <= 0.0 || is_down(flow) {
            continue;
        }
        let failing = near(1.0 - flow.ok_attempts / flow.attempts);
        let slow = settings
            .slow_call
            .filter(|slow| chain.limit(place) >= *slow && flow.cut > 0.0)
            .map_or(Probability::ZERO, |_| near(flow.cut / flow.attempts));
        let calls = Calls {
            number: chain.phase.expected_requests() * flow.attempts,
            rate: chain.phase.load.rate * flow.attempts,
            failing,
            slow,
        };
        if by_window(&settings, &calls) > NEVER {
            return Opening::Unknown;
        }
        if in_a_row(&settings, &calls) > NEVER {
            opening = Opening::Sometimes;
            chain.refused[place] = refused(&settings, &calls);
        }
    }
    opening
}

/// Whether every attempt at this visit fails.
pub(super) fn is_down(flow: &Flow) -> bool {
    flow.attempts > 0.0 && flow.ok_attempts <= 1e-12 * flow.attempts
}

/// The calls that one breaker sees: attempts, that is.
struct Calls {
    number: f64,
    rate: f64,
    failing: Probability,
    slow: Probability,
}

/// Expected trips by failures in a row.
fn in_a_row(settings: &BreakerSettings, calls: &Calls) -> f64 {
    settings.consecutive.map_or(0.0, |in_a_row| {
        calls.number / trips::calls_to_failures_in_a_row(calls.failing, in_a_row)
    })
}

/// At most so many trips by shares of a window: the chance of each window's share, summed
/// over all windows of the phase, with Chernoff's bound e^(−n·KL).
fn by_window(settings: &BreakerSettings, calls: &Calls) -> f64 {
    let rules = [
        (settings.failure_rate, calls.failing),
        (settings.slow_rate, calls.slow),
    ];
    let least = f64::from(settings.min_calls);
    let full = (calls.rate * settings.window.as_secs_f64()).max(least);
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
