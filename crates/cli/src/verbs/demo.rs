//! `nines demo`: the main job.

use super::run;
use crate::{
    args::Lab,
    exit::{Done, Failure},
    scenarios,
};
use scenario::Overrides;

/// What the demo shows, in this order.
const SHOWN: [&str; 7] = [
    "a1-four-in-series",
    "a2-a-fifth-service",
    "a5-relay-chain",
    "r1-dead-database",
    "r2-retries",
    "r3-amplification",
    "r4-hanging-database",
];

/// Runs the demo, from `seed` if one is given.
pub fn demo(seed: Option<String>, lab: &Lab) -> Result<Done, Failure> {
    let names: Vec<String> = SHOWN.map(str::to_owned).into();
    let overrides = Overrides {
        seed,
        ..Overrides::default()
    };
    let scenarios = scenarios::load_with(&names, &overrides)?;
    run::experiments(scenarios, "demo", None, lab)
}
