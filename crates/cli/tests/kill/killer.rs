//! Who ends the others.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{collections::BTreeMap, thread, time::Duration};
use testkit::chain::{Chain, SERVICES};

/// Those that write, and can be told to die while they do.
const WRITERS: [(&str, &[&str]); 2] = [
    ("audit", &["before-commit", "after-commit"]),
    (
        "database",
        &["before-commit", "after-commit", "after-delivery"],
    ),
];
/// How soon a service that is told to die comes there, in passages.
const SOON: std::ops::RangeInclusive<u32> = 1..=8;
/// The longest pause between two kills, in milliseconds.
const PAUSE: u64 = 80;

/// Kills so many times, and starts again what was killed. How often whom, and where.
pub fn run(chain: &Chain, kills: usize, seed: u64) -> BTreeMap<String, usize> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut told: BTreeMap<&str, &str> = BTreeMap::new();
    let mut killed = BTreeMap::new();
    let mut left = kills;
    while left > 0 {
        pause(&mut rng);
        let victims = buried(chain, &mut told).into_iter();
        let victims: Vec<_> = victims
            .chain(kill(chain, &mut rng, &mut told))
            .take(left)
            .collect();
        left -= victims.len();
        for victim in victims {
            *killed.entry(victim).or_default() += 1;
        }
    }
    revive(chain);
    killed
}

/// Those that died where they were told to since the last look; they are started again.
fn buried(chain: &Chain, told: &mut BTreeMap<&'static str, &'static str>) -> Vec<String> {
    let has_ended = |name: &&str| chain.service(name).has_ended().unwrap();
    let ended: Vec<_> = told
        .keys()
        .copied()
        .filter(|name| has_ended(&name))
        .collect();
    let bury = |name| {
        chain.start_again(name);
        let point = told.remove(name).unwrap_or_default();
        format!("{name} {point}")
    };
    ended.into_iter().map(bury).collect()
}

/// One kill at a random moment, and its traces removed.
fn kill(
    chain: &Chain,
    rng: &mut StdRng,
    told: &mut BTreeMap<&'static str, &'static str>,
) -> Option<String> {
    if let Some(cluster) = chain.cluster() {
        match rng.random_range(0..100) {
            0..4 => {
                cluster.kill_server();
                cluster.start_server();
                return Some("postgres server".to_owned());
            }
            4..20 => {
                let choice = rng.random_range(0..1000);
                return cluster
                    .kill_backend(choice)
                    .then(|| "postgres backend".to_owned());
            }
            _ => {}
        }
    }
    let name = SERVICES.choose(rng)?;
    chain.service(name).kill().unwrap();
    told.remove(name);
    pause(rng);
    start(chain, rng, name, told);
    Some((*name).to_owned())
}

/// Starts it again; one that writes is told to die soon, every other time.
fn start(
    chain: &Chain,
    rng: &mut StdRng,
    name: &'static str,
    told: &mut BTreeMap<&'static str, &'static str>,
) {
    let points = WRITERS.iter().find(|(writer, _)| *writer == name);
    let point = points.and_then(|(_, points)| points.choose(rng));
    let Some(point) = point.filter(|_| rng.random_bool(0.5)) else {
        return chain.start_again(name);
    };
    told.insert(name, point);
    let nth = rng.random_range(SOON);
    chain.try_start(name, &[format!("--crash-at={point}:{nth}")]);
}

/// Everything runs, and nobody is told to die any more.
fn revive(chain: &Chain) {
    for name in SERVICES {
        chain.start_again(name);
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "real processes need real time, in a thread of its own"
)]
fn pause(rng: &mut impl Rng) {
    thread::sleep(Duration::from_millis(rng.random_range(0..PAUSE)));
}
