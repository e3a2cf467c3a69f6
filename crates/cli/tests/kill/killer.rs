//! Who ends the others.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{collections::BTreeMap, thread, time::Duration};
use testkit::{
    chain::{Chain, SERVICES},
    wait_until,
};

/// Where those that write can be made to die.
pub const POINTS: [(&str, &str); 5] = [
    ("audit", "before-commit"),
    ("audit", "after-commit"),
    ("database", "before-commit"),
    ("database", "after-commit"),
    ("database", "after-delivery"),
];
/// How soon a service that is told to die comes there, in passages; and how long it may take.
const SOON: std::ops::RangeInclusive<u32> = 1..=4;
const AT_LAST: Duration = Duration::from_mins(2);
/// The longest pause between two kills, in milliseconds.
const PAUSE: u64 = 80;

/// How often whom, and where.
pub type Killed = BTreeMap<String, usize>;

/// Kills so many times, and starts again what was killed.
pub fn run(chain: &Chain, kills: usize, seed: u64) -> Killed {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut points = POINTS.iter().cycle();
    let mut killed = Killed::new();
    while killed.values().sum::<usize>() < kills {
        pause(&mut rng);
        let victim = match rng.random_range(0..100) {
            0..25 => {
                let nth = rng.random_range(SOON);
                points
                    .next()
                    .map(|(name, point)| die_at(chain, name, point, nth))
            }
            25..29 if chain.cluster().is_some() => server(chain),
            29..45 if chain.cluster().is_some() => backend(chain, rng.random()),
            _ => any(chain, &mut rng),
        };
        if let Some(victim) = victim {
            *killed.entry(victim).or_default() += 1;
        }
    }
    for name in SERVICES {
        chain.start_again(name);
    }
    killed
}

/// One that writes dies where it is told to, which it is at its start.
fn die_at(chain: &Chain, name: &str, point: &str, nth: u32) -> String {
    chain.try_start(name, &[format!("--crash-at={point}:{nth}")]);
    let died = wait_until(AT_LAST, || chain.service(name).has_ended().unwrap());
    assert!(died, "{name} never came to {point}: {}", chain.log(name));
    chain.start_again(name);
    format!("{name} {point}")
}

/// The whole server dies, and recovers.
fn server(chain: &Chain) -> Option<String> {
    let cluster = chain.cluster()?;
    cluster.kill_server();
    cluster.start_server();
    Some("PostgreSQL".to_owned())
}

/// A process of the server that serves one connection dies; the server ends all others.
fn backend(chain: &Chain, choice: u32) -> Option<String> {
    let choice = usize::try_from(choice).ok()?;
    let died = chain.cluster()?.kill_backend(choice);
    died.then(|| "a connection of PostgreSQL".to_owned())
}

/// Any service dies at any moment, and stays down for a moment.
fn any(chain: &Chain, rng: &mut StdRng) -> Option<String> {
    let name = SERVICES.choose(rng)?;
    chain.service(name).kill().unwrap();
    pause(rng);
    chain.start_again(name);
    Some((*name).to_owned())
}

#[allow(
    clippy::disallowed_methods,
    reason = "real processes need real time, in a thread of its own"
)]
fn pause(rng: &mut impl Rng) {
    thread::sleep(Duration::from_millis(rng.random_range(0..PAUSE)));
}
