//! `nines demo`: the main job.

use crate::{
    args::Lab,
    exit::{Done, Failure},
    run, scenarios,
};

/// What the demo shows, in this order.
const SHOWN: [&str; 12] = [
    "a1-four-in-series",
    "a2-a-fifth-service",
    "a5-relay-chain",
    "r1-dead-database-naive",
    "r1-dead-database-deadline",
    "r2-retries-naive",
    "r2-retries-local",
    "r2-retries-all",
    "r3-amplification-none",
    "r3-amplification-budget",
    "r4-hanging-database-naive",
    "r4-hanging-database-breaker",
];

/// Runs the demo.
pub fn demo(lab: &Lab) -> Result<Done, Failure> {
    let names: Vec<String> = SHOWN.map(str::to_owned).into();
    run::experiments(scenarios::load(&names)?, lab)
}
