//! When one fault of one replica acts: a pure function of seed, service, replica and fault.
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
            let times = Times {
                seed,
                words: [service.into(), replica.into(), fault.id.clone()],
                renewal: *renewal,
            };
            Source::Renewing(Renewing::new(times))
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
    /// Those of its windows that begin before the end of a run.
    pub fn within(self, run: Duration) -> impl Iterator<Item = Window> {
        self.take_while(move |window| window.at < run)
    }
}

/// A renewal process on its way.
#[derive(Debug, Clone)]
struct Renewing {
    times: Times,
    /// How many times were drawn.
    drawn: u64,
    /// The begin of the next up or down time.
    now: Duration,
    /// The rest of the outage at time zero, if there is one.
    first: Option<Duration>,
}

impl Renewing {
    fn new(times: Times) -> Self {
        let (is_down, rest) = times.at_zero();
        Self {
            times,
            drawn: 2,
            now: if is_down { Duration::ZERO } else { rest },
            first: is_down.then_some(rest),
        }
    }

    fn next_window(&mut self) -> Window {
        let (at, length) = (self.now, self.first.take());
        let length = length.unwrap_or_else(|| self.time(self.times.renewal.down));
        let window = Window { at, length };
        let up = self.time(self.times.renewal.up);
        self.now = window.end().saturating_add(up);
        window
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
    /// Whether it is down at time zero, and for how long that goes on: an exponential time
    /// has no memory, and a fixed one may be anywhere.
    fn at_zero(&self) -> (bool, Duration) {
        let Renewal { up, down, law } = self.renewal;
        let is_down = self.draw(0) < self.renewal.share();
        let mean = if is_down { down } else { up };
        let rest = match law {
            Law::Exponential => self.nth(1, mean),
            Law::Fixed => least(mean.mul_f64(1.0 - self.draw(1))),
        };
        (is_down, rest)
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
