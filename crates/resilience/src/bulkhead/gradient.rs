//! The core of an adaptive limit: a pure function of what calls take.

use super::{LimitSettings, policy::LOWEST};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Looks for the number of calls at once that keeps the callee busy, and no busier.
///
/// As long as the callee has room, a call takes the time it takes; beyond that it waits for
/// the others, and takes so much longer. The quotient of the two times, the gradient, is the
/// share of the limit that is used, and so limit × gradient is what the callee can bear
/// (Little's law). The next limit is that and √limit on top: a short queue, without which it
/// could never grow. This is the gradient of Netflix's concurrency-limits (Landau, Thurston,
/// Bozarth, "Performance under load", 2018), with three differences:
///
/// - What a call takes *without* a queue is measured and not guessed from the fastest call
///   ever seen, which varying calls are never as fast as: every so many windows the limit is
///   halved for one, so that the queue is empty.
/// - Where `min` is below 4, a callee that bears few calls is allowed no queue.
/// - It looks at windows, in which all calls were sent under the same limit, and moves once
///   for each: at every answer it would act again before the last act shows.
#[derive(Debug)]
pub(super) struct Gradient {
    min: f64,
    max: f64,
    limit: f64,
    /// What a call takes without a queue, in seconds; none before the first window.
    unloaded: Option<f64>,
    window: Window,
    /// Windows until the next probe, and between the probes after it.
    until_probe: u32,
    between_probes: u32,
    /// Windows in a row that took twice as long as without a queue, or longer.
    slow: u32,
    /// Whether the last window was fast.
    fast: bool,
}

/// Calls that were sent under the same limit.
#[derive(Debug, Default)]
struct Window {
    probes: bool,
    began: Duration,
    calls: u32,
    /// What they took, all together.
    seconds: f64,
    /// The same, where a call that was too much counts as slow even if it was refused fast.
    felt: f64,
    peak: u32,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) started: Duration,
    pub(super) now: Duration,
    /// How many were under way, this one included.
    pub(super) in_flight: u32,
    /// Whether it was too much for the callee: it came too late, or was refused.
    pub(super) overload: bool,
}

/// Where the search begins, as Netflix has it.
const FIRST: f64 = 20.0;
/// The same where the limit may fall below 4: from 20 it would take a callee of one place, whose
/// calls are slow, hundreds of them to get there.
const FIRST_OF_TINY: f64 = 4.0;
/// So many calls tell what a call takes, at least: where times vary as the exponential
/// distribution does, to within a fifth.
const LEAST_CALLS: u32 = 30;
/// The most windows between two probes: one in fifty at half the limit costs 1 %. At first
/// they come after 1, 2, 4 …, because the first guess may come from a full queue.
const MOST_BETWEEN: u32 = 50;
/// No window cuts the limit by more than half.
const STEEPEST: f64 = 0.5;
/// A callee that bears fewer calls at once gets no queue, if `min` allows that.
const FEW: f64 = 3.0;
/// The gradient below which calls take clearly longer than without a queue.
const CLEARLY_SLOWER: f64 = 0.75;
/// After so many cuts by half without an effect it is not the queue: the callee has become
/// slower.
const SLOW: u32 = 5;
/// Windows that take less than this share of the time without a queue: either chance, or the
/// callee has become faster, as it seems if there are two of them in a row.
const FAST: f64 = 0.7;

/// Whether a limit may fall so low that no call can wait.
fn is_tiny(min: f64) -> bool {
    min < f64::from(LOWEST)
}

impl Gradient {
    pub(super) fn new(settings: &LimitSettings) -> Self {
        let (min, max) = (f64::from(settings.lowest()), f64::from(settings.max));
        let first = if is_tiny(min) { FIRST_OF_TINY } else { FIRST };
        Self {
            min,
            max,
            limit: first.clamp(min, max),
            unloaded: None,
            window: Window::default(),
            until_probe: 1,
            between_probes: 1,
            slow: 0,
            fast: false,
        }
    }

    /// The limit now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between two u32"
    )]
    pub(super) fn limit(&self) -> u32 {
        if self.window.probes {
            return self.probe().ceil() as u32;
        }
        self.limit as u32
    }

    /// The limit of a probe: half, and with few calls the least, or their queue is never empty.
    fn probe(&self) -> f64 {
        if self.limit <= 2.0 * f64::from(LOWEST) {
            self.min
        } else {
            (self.limit / 2.0).max(self.min)
        }
    }

    /// A call has ended. Those sent before the window began say nothing about it.
    pub(super) fn ended(&mut self, sample: Sample) {
        if sample.started < self.window.began {
            return;
        }
        let floor = self.unloaded.filter(|_| sample.overload);
        let floor = floor.map_or(0.0, |unloaded| unloaded / STEEPEST);
        let took = sample.now.saturating_sub(sample.started).as_secs_f64();
        self.window.calls += 1;
        self.window.seconds += took;
        self.window.felt += took.max(floor);
        self.window.peak = self.window.peak.max(sample.in_flight);
        if self.window.calls >= LEAST_CALLS.max(self.limit()) {
            self.turn(sample.now);
        }
    }

    /// A window is over, and the next begins.
    fn turn(&mut self, now: Duration) {
        let window = std::mem::take(&mut self.window);
        let calls = f64::from(window.calls.max(1));
        let took = (window.seconds / calls).max(1e-9);
        if window.probes {
            self.unloaded = Some(self.confirm(took));
        } else {
            self.step(took, window.felt / calls, window.peak);
        }
        self.window.began = now;
        self.window.probes = self.is_time_to_probe(window.probes);
    }

    /// What a probe says, and the one before it unless much has changed.
    fn confirm(&self, took: f64) -> f64 {
        let before = self.unloaded.unwrap_or(took);
        let is_alike = (before / 2.0..before * 2.0).contains(&took);
        if is_alike {
            f64::midpoint(before, took)
        } else {
            took
        }
    }

    fn step(&mut self, took: f64, felt: f64, peak: u32) {
        let unloaded = *self.unloaded.get_or_insert(took);
        let gradient = (unloaded / felt.max(took)).clamp(STEEPEST, 1.0);
        self.slow = if gradient > STEEPEST {
            0
        } else {
            self.slow + 1
        };
        if self.slow >= SLOW && is_tiny(self.min) {
            // Or the queue has never been empty, which only a probe can tell.
            self.slow = 0;
            self.until_probe = 1;
        } else if self.slow >= SLOW {
            self.unloaded = Some(took);
        }
        let fast = took < unloaded * FAST;
        let before = std::mem::replace(&mut self.fast, fast);
        if fast && before {
            self.until_probe = 1;
        }
        let next = self.limit * gradient + self.queue(gradient);
        // A limit that nobody has come near has not been tried.
        if next < self.limit || f64::from(peak) * 2.0 >= self.limit {
            self.limit = next.clamp(self.min, self.max);
        }
    }

    /// The calls that may wait. With √limit of them the limit never falls below 4, where half of
    /// it and its root are the limit again. So where it may fall further, a callee that bears few
    /// calls gets no queue as long as they take clearly longer than one alone.
    fn queue(&self, gradient: f64) -> f64 {
        if is_tiny(self.min) && self.limit * gradient < FEW && gradient < CLEARLY_SLOWER {
            return 0.0;
        }
        self.limit.sqrt()
    }

    /// Counts down to the next probe; a probe is followed by other windows.
    fn is_time_to_probe(&mut self, just_did: bool) -> bool {
        if just_did {
            return false;
        }
        self.until_probe = self.until_probe.saturating_sub(1);
        let is_time = self.until_probe == 0;
        if is_time {
            self.until_probe = self.between_probes;
            self.between_probes = (self.between_probes * 2).min(MOST_BETWEEN);
        }
        is_time
    }
}
