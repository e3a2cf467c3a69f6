//! The predictions against a simulation that knows nothing of their formulas: it plays
//! requests one by one, as the services would.

use availability::call_tree::{self, Heard, Visit};
use availability::{Probability, retry::RetryOn};
use scenario::{parse, predict};
use std::collections::BTreeMap;

/// A small generator of random numbers with a fixed seed (Vigna's `SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Ok,
    /// Failed in the callee itself.
    Local,
    /// Failed further down.
    Below,
    /// Nobody answers; who hears it.
    Silent(Heard),
}

/// Plays requests and counts attempts.
struct Play<'a> {
    dice: Dice,
    retry_on: RetryOn,
    /// The probability of each service to be down for a whole request.
    sticky: &'a BTreeMap<usize, f64>,
    down: BTreeMap<usize, bool>,
    attempts: Vec<u64>,
}

impl Play<'_> {
    fn request(&mut self, root: &Visit) -> bool {
        self.down = self
            .sticky
            .iter()
            .map(|(place, p)| (*place, self.dice.roll() < *p))
            .collect();
        self.call(root, 0, 0) == End::Ok
    }

    fn call(&mut self, visit: &Visit, place: usize, depth: usize) -> End {
        let mut left = visit.retries;
        loop {
            if self.dice.roll() < visit.refused.get() {
                return End::Below;
            }
            let end = self.attempt(visit, place, depth);
            let again = match end {
                End::Local => true,
                End::Below => self.retry_on == RetryOn::All,
                End::Ok | End::Silent(_) => false,
            };
            if !again || left == 0 || self.dice.roll() >= visit.granted.get() {
                return match end {
                    // For whoever is above it came from below.
                    End::Local => End::Below,
                    end => end,
                };
            }
            left -= 1;
        }
    }

    fn attempt(&mut self, visit: &Visit, place: usize, depth: usize) -> End {
        self.attempts[place] += 1;
        match self.work(visit, place, depth) {
            End::Silent(Heard::At(at)) if at == depth => End::Local,
            end => end,
        }
    }

    fn work(&mut self, visit: &Visit, place: usize, depth: usize) -> End {
        if self.down.get(&place) == Some(&true) || self.dice.roll() < visit.failure.get() {
            return End::Local;
        }
        if self.dice.roll() < visit.silence.get() {
            return End::Silent(visit.heard_by);
        }
        let mut next = place + 1;
        for callee in &visit.calls {
            let end = self.call(callee, next, depth + 1);
            if end != End::Ok {
                return end;
            }
            next += size(callee);
        }
        End::Ok
    }
}

fn size(visit: &Visit) -> usize {
    1 + visit.calls.iter().map(size).sum::<usize>()
}

fn visit(failure: f64, silence: f64, retries: u32, calls: Vec<Visit>) -> Visit {
    let p = |value| Probability::new(value).unwrap();
    Visit {
        failure: p(failure),
        silence: p(silence),
        heard_by: Heard::At(1),
        retries,
        granted: Probability::ONE,
        refused: Probability::ZERO,
        is_soft: false,
        is_parallel: false,
        calls,
    }
}

const REQUESTS: u32 = 200_000;
/// Five standard errors: with fixed seeds, and even with others wrong once in a million.
const SIGMAS: f64 = 5.0;

fn play(
    root: &Visit,
    retry_on: RetryOn,
    sticky: &BTreeMap<usize, f64>,
    seed: u64,
) -> (f64, Vec<f64>) {
    let mut play = Play {
        dice: Dice(seed),
        retry_on,
        sticky,
        down: BTreeMap::new(),
        attempts: vec![0; size(root)],
    };
    let ok = (0..REQUESTS).filter(|_| play.request(root)).count();
    let per_request = |n: u64| n as f64 / f64::from(REQUESTS);
    (
        per_request(ok as u64),
        play.attempts.into_iter().map(per_request).collect(),
    )
}

#[track_caller]
fn agree(predicted: f64, played: f64, spread: f64, what: &str) {
    let error = SIGMAS * spread / f64::from(REQUESTS).sqrt();
    let near = (predicted - played).abs() <= error + 1e-12;
    assert!(
        near,
        "{what}: predicted {predicted}, played {played} ± {error}"
    );
}

#[test]
fn any_tree_of_calls_behaves_as_forecast() {
    let deep = || visit(0.1, 0.05, 2, vec![visit(0.3, 0.1, 1, vec![])]);
    let mut shy = deep();
    shy.granted = Probability::new(0.4).unwrap();
    shy.refused = Probability::new(0.2).unwrap();
    let mut unheard = deep();
    unheard.calls[0].heard_by = Heard::Nobody;
    let trees = [
        visit(0.1, 0.0, 2, vec![deep(), visit(0.2, 0.1, 1, vec![])]),
        visit(0.05, 0.1, 1, vec![visit(0.1, 0.0, 2, vec![deep()]), shy]),
        visit(0.0, 0.0, 1, vec![unheard]),
    ];
    for (seed, tree) in (1..).zip(&trees) {
        for retry_on in [RetryOn::Local, RetryOn::All] {
            let (ok, attempts) = play(tree, retry_on, &BTreeMap::new(), seed);
            let forecast = call_tree::forecast(tree, retry_on);
            let predicted = forecast[0].call.get();
            let spread = (predicted * (1.0 - predicted)).sqrt();
            agree(predicted, ok, spread, &format!("{seed} {retry_on:?}"));
            for (place, (visit, played)) in forecast.iter().zip(attempts).enumerate() {
                agree(
                    visit.attempts,
                    played,
                    3.0,
                    &format!("{seed} {retry_on:?} {place}"),
                );
            }
        }
    }
}

#[test]
fn services_that_are_down_for_a_whole_request_behave_as_predicted() {
    for (propagated, retry_on) in [(false, RetryOn::Local), (true, RetryOn::All)] {
        let text = format!(
            "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n[chain]\nrelays = 4\n\
             [faults.often]\nkind = \"error\"\nprobability = 0.1\n\
             [faults.down]\nkind = \"reset\"\nprobability = 0.2\nscope = \"request\"\non = [\"relay-2\", \"relay-4\"]\n\
             [policy.retry]\nretries = 2\nclient = true\npropagated = {propagated}\n"
        );
        let prediction = predict(&parse("test.toml", &text).unwrap());
        let chain = (0..4).fold(Vec::new(), |below, _| vec![visit(0.1, 0.0, 2, below)]);
        let sticky = BTreeMap::from([(1, 0.2), (3, 0.2)]);
        let (ok, attempts) = play(&chain[0], retry_on, &sticky, 7);
        let predicted = prediction.availability.get();
        let spread = (predicted * (1.0 - predicted)).sqrt();
        agree(predicted, ok, spread, "availability");
        for (hop, played) in prediction.hops.iter().zip(attempts) {
            // Down services are tried up to 27 times: a wide spread.
            agree(hop.load, played, 12.0, &hop.service);
        }
    }
}
