//! What a breaker should cost, and whether ours does.

use crate::{
    rounds::Cost,
    subjects::{BY_COUNT, CLOSED, OURS},
    table::find,
};

/// The most that a call may cost, clock included, in nanoseconds.
const TARGET_NS: f64 = 60.0;
/// How many times as much tower-resilience should cost, on one thread and on two.
const TARGET_TIMES: [f64; 2] = [3.5, 20.0];

/// Says which targets are met.
pub fn print(costs: &[Cost]) {
    let (Some(ours), Some(theirs)) = (find(costs, CLOSED, OURS), find(costs, CLOSED, BY_COUNT))
    else {
        return;
    };
    targets(ours, theirs);
}

fn targets(ours: &Cost, theirs: &Cost) {
    // One thread waits for nobody: its time on the processor is what the call costs, and what
    // else runs on the machine does not disturb it. Two may wait for each other.
    let one = ours.cpu[0];
    target(&format!("at most {TARGET_NS} ns"), one <= TARGET_NS);
    let times = [theirs.cpu[0] / one, theirs.wall[1] / ours.wall[1]];
    for (threads, (times, target_times)) in times.iter().zip(TARGET_TIMES).enumerate() {
        let what = format!(
            "tower-resilience at least {target_times} times as much on {} thread(s)",
            threads + 1
        );
        target(&what, *times >= target_times);
    }
    target("no allocation", ours.allocations == 0.0);
}

fn target(what: &str, met: bool) {
    println!("target {what}: {}", if met { "met" } else { "missed" });
}
