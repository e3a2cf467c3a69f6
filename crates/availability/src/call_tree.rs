//! Any tree of calls, with retries on every edge.
//!
//! A service calls others in turn, needs all of them but soft ones, and stops at the first
//! needed one that fails; or it calls them all at once. What it answers without a soft one
//! is not of full quality. Its own fault strikes before it calls anybody. Each caller tries
//! a failed call again; a chain ([`retry::nested`](crate::retry::nested)) and a sequence
//! ([`retry::orchestrated`](crate::retry::orchestrated)) are special cases.
//!
//! One attempt at a visit ends in one of four ways: it succeeds (probability s), it fails so
//! that its caller tries again (r), it fails for good (t), or silence takes it: nobody
//! answers, and a caller further up stops waiting for all of it (h). A call of at most 1 + m
//! attempts then makes n̄ = 1 + r + … + rᵐ of them, and by Wald's identity (Wald 1944, *On
//! Cumulative Sums of Random Variables*) succeeds with probability s·n̄. A budget that lets
//! only the share γ of wanted retries through puts γr in place of r; a breaker that refuses
//! the share φ of attempts leaves (1 − φ) of each. What a visit loses
//! for the user follows from the top down: a failure is lost if no one above tries again
//! with success, and it is blamed on the visit where the last attempt's failure arose.

use crate::{
    probability::{Probability, nearest},
    retry::RetryOn,
};

/// One visit of a service on the way of a request, and the visits that follow from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The probability that an attempt fails by the visit's own doing, and says so.
    pub failure: Probability,
    /// The probability that it neither fails nor answers.
    pub silence: Probability,
    /// Who stops waiting for that silence.
    pub heard_by: Heard,
    /// How often its caller tries a failed call again.
    pub retries: u32,
    /// The share of wanted retries that are made: 1 without a budget.
    pub granted: Probability,
    /// The share of attempts that never get here, because the caller's breaker is open: 0
    /// without a breaker. They are not tried again.
    pub refused: Probability,
    /// Whether its caller answers without it too.
    pub is_soft: bool,
    /// Whether it makes its calls at once, and not in turn: then each is made, whatever
    /// becomes of the others.
    pub is_parallel: bool,
    /// Whom it calls.
    pub calls: Vec<Visit>,
}

/// Who stops waiting for a silent visit, so that an attempt ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The caller of the visit at this depth: its attempt has timed out, which to this
    /// caller is a failure of its own callee. 0 is the visit at the root.
    At(usize),
    /// Nobody but the user: the request is lost.
    Nobody,
}

/// What is expected of one visit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VisitForecast {
    /// How many callers stand above it.
    pub depth: usize,
    /// The success of one attempt that gets here, with everything below it.
    pub attempt: Probability,
    /// The success of one call, after its retries.
    pub call: Probability,
    /// The same with nothing missing: no soft call below has failed.
    pub full: Probability,
    /// The probability that an attempt that gets here fails so that its caller would try again.
    pub retried: Probability,
    /// Expected attempts per call, without those that a breaker refuses.
    pub attempts_per_call: f64,
    /// Expected calls for each request.
    pub calls: f64,
    /// Expected attempts for each request that get here: the load.
    pub attempts: f64,
    /// Expected attempts for each request that a breaker refuses.
    pub refused: f64,
    /// Expected attempts for each request that get past the visit's own fault.
    pub passed: f64,
    /// Expected attempts for each request that end in the visit's own silence.
    pub silences: f64,
    /// Expected attempts for each request that its caller ended because of a silence here
    /// or further down.
    pub cut: f64,
    /// The share of requests that are lost because of this visit's own failure or silence.
    pub lost: Probability,
}

/// What is expected of every visit, in the order of the calls: each before those it makes.
pub fn forecast(root: &Visit, retry_on: RetryOn) -> Vec<VisitForecast> {
    let mut ends = Vec::new();
    rise(root, 0, retry_on, &mut ends);
    let mut descent = Descent {
        retry_on,
        ends: &ends,
        levels: Vec::new(),
        forecasts: Vec::with_capacity(ends.len()),
    };
    descent.call(root, 1.0, 1.0);
    descent.forecasts
}

/// How an attempt and a call at one visit end.
#[derive(Debug, Clone, Default)]
struct Ends {
    /// How many visits follow from it, itself included.
    size: usize,
    /// An attempt succeeds.
    success: f64,
    /// An attempt fails and is tried again.
    retried: f64,
    /// The part of those that silence made.
    cut: f64,
    /// Expected attempts per call that get here.
    attempts: f64,
    /// Expected attempts per call that a breaker refuses.
    refused: f64,
    /// A call succeeds.
    call: f64,
    /// A call succeeds, and nothing is missing.
    full: f64,
    /// Silence takes a call, by who hears it.
    silences: Silences,
}

impl Ends {
    /// A call fails, and its caller learns it.
    fn failed(&self) -> f64 {
        (1.0 - self.call - self.silences.total()).max(0.0)
    }

    /// The caller goes on after a call.
    fn goes_on(&self, is_soft: bool) -> f64 {
        if is_soft {
            self.call + self.failed()
        } else {
            self.call
        }
    }
}

/// Shares that end in silence, by who hears it.
#[derive(Debug, Clone, Default)]
struct Silences(Vec<(Heard, f64)>);

impl Silences {
    fn add(&mut self, heard_by: Heard, share: f64) {
        match self.0.iter_mut().find(|(by, _)| *by == heard_by) {
            Some((_, sum)) => *sum += share,
            None => self.0.push((heard_by, share)),
        }
    }

    fn take(&mut self, heard_by: Heard) -> f64 {
        let place = self.0.iter().position(|(by, _)| *by == heard_by);
        place.map_or(0.0, |place| self.0.swap_remove(place).1)
    }

    fn total(&self) -> f64 {
        self.0.iter().map(|(_, share)| share).sum()
    }
}

/// From the leaves up: the ends of every visit, in the order of the calls.
fn rise(visit: &Visit, depth: usize, retry_on: RetryOn, all: &mut Vec<Ends>) {
    let place = all.len();
    all.push(Ends::default());
    let (failure, silence) = own_ends(visit);
    let (mut reach, mut full) = (passing(visit), passing(visit));
    let (mut silences, mut from_below) = (Silences::default(), 0.0);
    silences.add(visit.heard_by, silence);
    for callee in &visit.calls {
        let next = all.len();
        rise(callee, depth + 1, retry_on, all);
        let ends = &all[next];
        if !callee.is_soft {
            from_below += reach * ends.failed();
        }
        let passed_up = ends.silences.0.iter();
        passed_up.for_each(|(by, share)| silences.add(*by, reach * share));
        reach *= ends.goes_on(callee.is_soft);
        full *= ends.full;
    }
    let cut = silences.take(Heard::At(depth));
    let retried = match retry_on {
        RetryOn::All => failure + cut + from_below,
        RetryOn::Local => failure + cut,
    };
    let tries = geometric(again(visit, retried), visit.retries);
    let attempts = tries * visit.refused.complement().get();
    silences
        .0
        .iter_mut()
        .for_each(|(_, share)| *share *= attempts);
    all[place] = Ends {
        size: all.len() - place,
        success: reach,
        retried,
        cut,
        attempts,
        refused: tries * visit.refused.get(),
        call: reach * attempts,
        full: full * attempts,
        silences,
    };
}

/// The shares of attempts that the visit itself lets fail, and leaves without an answer.
fn own_ends(visit: &Visit) -> (f64, f64) {
    let failure = visit.failure.get();
    (failure, (1.0 - failure) * visit.silence.get())
}

/// The share of attempts that get past the visit's own faults.
fn passing(visit: &Visit) -> f64 {
    visit.failure.complement().get() * visit.silence.complement().get()
}

/// The probability that an attempt is followed by another, if there may be one.
fn again(visit: &Visit, retried: f64) -> f64 {
    visit.refused.complement().get() * visit.granted.get() * retried
}

/// 1 + r + … + rᵐ.
fn geometric(ratio: f64, most: u32) -> f64 {
    (0..most).fold(1.0, |sum, _| 1.0 + ratio * sum)
}

/// From the root down: what reaches each visit, and what it loses.
struct Descent<'a> {
    retry_on: RetryOn,
    ends: &'a [Ends],
    /// The visits from the root to the current one.
    levels: Vec<Level>,
    forecasts: Vec<VisitForecast>,
}

/// A visit above the current one, or that one itself.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// The probability that the user loses the request if a call here fails.
    lost_if_failed: f64,
    /// The probability that an attempt of the caller is still good when it comes to this
    /// call, in the order in which failures are blamed.
    reach: f64,
    /// Expected attempts per call: how often a failure for good has its chance.
    attempts: f64,
    /// Expected attempts per call that are the last: how often a failure that would be
    /// tried again ends the call.
    last: f64,
}

impl Descent<'_> {
    /// A visit that is called `calls` times for each request, with `reach` by each attempt
    /// of its caller.
    fn call(&mut self, visit: &Visit, calls: f64, reach: f64) {
        let depth = self.levels.len();
        let place = self.forecasts.len();
        let ends = &self.ends[place];
        let lost_if_failed = match self.levels.last() {
            Some(_) if visit.is_soft => 0.0,
            Some(above) => above.reach_of_loss(reach, self.retry_on == RetryOn::All),
            None => 1.0,
        };
        let level = Level {
            lost_if_failed,
            reach,
            attempts: ends.attempts,
            last: last_attempts(visit, ends),
        };
        self.levels.push(level);
        let attempts = calls * ends.attempts;
        let (failure, silence) = own_ends(visit);
        let told = failure * level.last + ends.refused;
        let lost = told * lost_if_failed + silence * self.lost_if_silent(visit);
        self.forecasts.push(VisitForecast {
            depth,
            attempt: nearest(ends.success),
            call: nearest(ends.call),
            full: nearest(ends.full),
            retried: nearest(ends.retried),
            attempts_per_call: ends.attempts,
            calls,
            attempts,
            refused: calls * ends.refused,
            passed: attempts * passing(visit),
            silences: attempts * silence,
            cut: attempts * ends.cut,
            lost: nearest(lost),
        });
        let (mut next, mut reach) = (place + 1, passing(visit));
        for callee in &visit.calls {
            let made = if visit.is_parallel {
                passing(visit)
            } else {
                reach
            };
            self.call(callee, attempts * made, reach);
            reach *= self.ends[next].goes_on(callee.is_soft);
            next += self.ends[next].size;
        }
        self.levels.pop();
    }

    /// The probability that the user loses the request if an attempt at the current visit
    /// gets no answer.
    fn lost_if_silent(&self, visit: &Visit) -> f64 {
        let mut weight = 1.0;
        for (depth, level) in self.levels.iter().enumerate().rev() {
            if visit.heard_by == Heard::At(depth) {
                return weight * level.lost_if_failed * level.chances(true);
            }
            weight *= level.attempts * level.reach;
        }
        weight
    }
}

impl Level {
    /// How often a failure of an attempt ends the call.
    const fn chances(&self, retried: bool) -> f64 {
        if retried { self.last } else { self.attempts }
    }

    /// The probability that the request is lost if a call made by an attempt here fails,
    /// times that it is made.
    const fn reach_of_loss(&self, reach: f64, retried: bool) -> f64 {
        self.lost_if_failed * reach * self.chances(retried)
    }
}

/// Expected attempts per call after which no other would be made, were they to fail: all
/// those for which the budget has nothing left, and the last that the policy allows.
fn last_attempts(visit: &Visit, ends: &Ends) -> f64 {
    let again = again(visit, ends.retried);
    let (all, before) = match visit.retries.checked_sub(1) {
        Some(fewer) => (geometric(again, visit.retries), geometric(again, fewer)),
        None => (1.0, 0.0),
    };
    let admitted = visit.refused.complement().get();
    admitted * (all - before * visit.granted.get())
}
