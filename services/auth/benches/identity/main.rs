//! What it costs to know who somebody is, in the service's own code, without HTTP.
//!
//! `cargo bench -p auth` measures, in one run, the time on the processor of
//! - a login, which is a password hash,
//! - making a token,
//! - checking a token that was not seen before, which is a signature check,
//! - checking one that was, which is neither that nor a question to the store,
//!
//! each beside the least that it could cost.
//!
//! | module | what it is |
//! |---|---|
//! | `subjects` | what is measured |
//! | `rounds` | the measuring, interleaved, on one thread |
//!
//! What is measured decides nothing: a missed target is said. Under `cargo test --benches`
//! the run is short and tells whether the benchmark works, no more.

mod rounds;
mod subjects;

use rounds::Cost;

/// The most that a token seen before may cost, in microseconds.
const TARGET_US: f64 = 5.0;

fn main() {
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let costs = rounds::measure(subjects::all(), quick);
    print(&costs);
    let seen = costs.iter().find(|cost| cost.name == subjects::SEEN);
    let met = seen.is_some_and(|cost| cost.us < TARGET_US);
    let word = if met { "met" } else { "missed" };
    println!("target {} below {TARGET_US} µs: {word}", subjects::SEEN);
}

/// Prints them all; ratios are against the floor, the first of each group.
fn print(costs: &[Cost]) {
    println!(
        "{:44}{:>14}{:>10}",
        "time on the processor, medians", "µs", "× floor"
    );
    for group in costs.chunk_by(|one, two| one.group == two.group) {
        println!("{}", group[0].group);
        for cost in group {
            let times = cost.us / group[0].us;
            println!("  {:42}{:>14.3}{times:>10.2}", cost.name, cost.us);
        }
    }
}
