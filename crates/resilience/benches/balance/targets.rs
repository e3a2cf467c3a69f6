//! What a balancer should cost, and whether ours does.

use crate::{
    rounds::Cost,
    subjects::{OURS, TOWERS, TWO},
    table::find,
};

/// How many times as much tower's should cost, on one thread.
const TARGET_TIMES: f64 = 5.0;

/// Says which targets are met.
pub fn print(costs: &[Cost]) {
    let (Some(ours), Some(towers)) = (find(costs, TWO, OURS), find(costs, TWO, TOWERS)) else {
        return;
    };
    // One thread waits for nobody: its time on the processor is what the call costs.
    let times = towers.cpu[0] / ours.cpu[0];
    let what = format!("tower's balancer at least {TARGET_TIMES} times as much");
    target(&format!("{what} ({times:.1})"), times >= TARGET_TIMES);
    // The generator of random numbers is allocated once for each thread.
    target("no allocation", ours.allocations < 0.01);
}

fn target(what: &str, met: bool) {
    println!("target {what}: {}", if met { "met" } else { "missed" });
}
