//! When one fault of one replica acts: a pure function of seed, service, replica and fault;
//! of one that a group shares, of seed, group and fault.
//!
//! The injector follows it, the lab keeps it, the report draws it and the simulator replays
//! it; so they can't disagree.

use crate::{
    Fault, draw,
    when::{Law, Renewal, When, Window},
};
use std::{sync::Arc, time::Duration};

/// The windows in which `fault` acts at `replica` of `service`, from time zero on.
pub fn schedule(seed: u64, service: &str, replica: &str, fault: &Fault) -> Schedule {
    let source = match &fault.when {
        When::Always => Source::Stated(vec![ALWAYS].into_iter()),
        When::Windows(windows) => Source::Stated(windows.clone().into_iter()),
        When::Renewal(renewal) => {
            let [service, replica] = fault.drawn_for(service, replica);
            let times = Times {
                seed,
                words: [service.into(), replica.into(), fault.id.clone()],
                renewal: *renewal,
            };
            Source::Renewing(Renewing::new(times, 0))
        }
    };
    Schedule(source)
}

const ALWAYS: Window = Window {
    at: Duration::ZERO,
    length: Duration::MAX,
};

/// The windows in which a fault acts, in the order of time and apart from each other. Those
/// of a [`Renewal`] never end.
#[derive(Debug, Clone)]
pub struct Schedule(Source);

#[derive(Debug, Clone)]
enum Source {
    Stated(std::vec::IntoIter<Window>),
    Renewing(Renewing),
}

impl Iterator for Schedule {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        match &mut self.0 {
            Source::Stated(windows) => windows.next(),
            Source::Renewing(renewing) => Some(renewing.next_window()),
        }
    }
}

impl Schedule {
    /// Forgets the windows long before `instant`, if there are any, without going through them:
    /// the moment from which on it goes on then.
    pub(crate) fn skip_to(&mut self, instant: Duration) -> Option<Duration> {
        match &mut self.0 {
            Source::Stated(_) => None,
            Source::Renewing(renewing) => renewing.skip_to(instant),
        }
    }

    /// Those of its windows that begin before the end of a run.
    pub fn within(self, run: Duration) -> impl Iterator<Item = Window> {
        self.take_while(move |window| window.at < run)
    }
}

/// After so many cycles a process begins anew: a distant moment is reached without drawing
/// everything before it. As it begins in its steady state, this shows nowhere but in the one
/// outage that may be cut.
const CYCLES: u32 = 10_000;
/// An epoch is no shorter, so that all of them can be counted.
const SHORTEST: Duration = Duration::from_secs(1);
/// The draws of an epoch have numbers of so many bits.
const DRAWS: u32 = 32;

/// A renewal process on its way.
#[derive(Debug, Clone)]
struct Renewing {
    times: Times,
    /// How often it began anew.
    epoch: u64,
    /// When it does the next time.
    end: Duration,
    /// The number of the next draw.
    drawn: u64,
    /// The begin of the next up or down time.
    now: Duration,
    /// The rest of the outage at the begin of the epoch, if there is one.
    first: Option<Duration>,
}

impl Renewing {
    fn new(times: Times, epoch: u64) -> Self {
        let drawn = times.first_draw(epoch);
        let (is_down, rest) = times.at_begin(drawn);
        let begin = times.begin(epoch);
        Self {
            epoch,
            end: times.begin(epoch.saturating_add(1)),
            drawn: drawn + 2,
            now: begin.saturating_add(if is_down { Duration::ZERO } else { rest }),
            first: is_down.then_some(rest),
            times,
        }
    }

    fn begin_anew(&mut self) {
        *self = Self::new(self.times.clone(), self.epoch.saturating_add(1));
    }

    fn skip_to(&mut self, instant: Duration) -> Option<Duration> {
        let epoch = self.times.epoch_of(instant);
        if epoch <= self.epoch {
            return None;
        }
        *self = Self::new(self.times.clone(), epoch);
        Some(self.times.begin(epoch))
    }

    fn next_window(&mut self) -> Window {
        while self.is_over(self.now) {
            self.begin_anew();
        }
        let at = self.now;
        let length = self.outage();
        let mut window = Window { at, length };
        // An outage goes on where the next epoch begins with one.
        while self.is_over(window.end()) {
            window.length = self.end.saturating_sub(at);
            self.begin_anew();
            if self.first.is_none() {
                return window;
            }
            window.length = window.length.saturating_add(self.outage());
        }
        let up = self.time(self.times.renewal.up);
        self.now = window.end().saturating_add(up);
        window
    }

    /// Whether the epoch is over at `instant`; the last one never is.
    fn is_over(&self, instant: Duration) -> bool {
        instant >= self.end && self.end < Duration::MAX
    }

    fn outage(&mut self) -> Duration {
        let rest = self.first.take();
        rest.unwrap_or_else(|| self.time(self.times.renewal.down))
    }

    fn time(&mut self, mean: Duration) -> Duration {
        let time = self.times.nth(self.drawn, mean);
        self.drawn += 1;
        time
    }
}

/// Where the times of a renewal process come from.
#[derive(Debug, Clone)]
struct Times {
    seed: u64,
    words: [Arc<str>; 3],
    renewal: Renewal,
}

impl Times {
    /// Whether it is down when an epoch begins, whose draws begin with `first`, and for how
    /// long that goes on: an exponential time has no memory, and a fixed one may be anywhere.
    fn at_begin(&self, first: u64) -> (bool, Duration) {
        let Renewal { up, down, law } = self.renewal;
        let is_down = self.draw(first) < self.renewal.share();
        let mean = if is_down { down } else { up };
        let rest = match law {
            Law::Exponential => self.nth(first + 1, mean),
            Law::Fixed => least(mean.mul_f64(1.0 - self.draw(first + 1))),
        };
        (is_down, rest)
    }

    /// The number of an epoch's first draw. Fixed times go on as ever: an epoch is a whole
    /// number of their cycles.
    const fn first_draw(&self, epoch: u64) -> u64 {
        match self.renewal.law {
            Law::Exponential => epoch << DRAWS,
            Law::Fixed => 0,
        }
    }

    /// How long an epoch is, in nanoseconds.
    fn epoch(&self) -> u128 {
        let cycle = least(self.renewal.up).saturating_add(least(self.renewal.down));
        let enough = SHORTEST.as_nanos().div_ceil(cycle.as_nanos());
        cycle.as_nanos() * enough.max(CYCLES.into())
    }

    fn epoch_of(&self, instant: Duration) -> u64 {
        u64::try_from(instant.as_nanos() / self.epoch()).unwrap_or(u64::MAX)
    }

    fn begin(&self, epoch: u64) -> Duration {
        let nanos = self.epoch().saturating_mul(epoch.into());
        Duration::from_nanos_u128(nanos.min(Duration::MAX.as_nanos()))
    }

    fn nth(&self, nth: u64, mean: Duration) -> Duration {
        match self.renewal.law {
            Law::Fixed => least(mean),
            Law::Exponential => {
                let seconds = -(1.0 - self.draw(nth)).ln() * mean.as_secs_f64();
                least(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
            }
        }
    }

    fn draw(&self, nth: u64) -> f64 {
        let [service, replica, fault] = &self.words;
        draw::nth(self.seed, [service, replica, fault], nth)
    }
}

/// No time is nothing, or time might stand still.
fn least(time: Duration) -> Duration {
    time.max(Duration::from_nanos(1))
}

#[cfg(test)]
mod tests;
