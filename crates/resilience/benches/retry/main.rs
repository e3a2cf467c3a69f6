//! What a retry layer costs: our policy on tower's engine, beside tower's own parts.
//!
//! `cargo bench -p resilience --bench retry` measures, in one run, calls whose first attempt
//! succeeds, and calls whose second one does, on one thread and on two, in nanoseconds and
//! allocations. Time is paused: pauses cost what it takes to arrange them, and no waiting.
//!
//! | module | what it is |
//! |---|---|
//! | `subjects` | what is measured: ours, tower's own, and no layer at all |
//! | `rounds`, `allocations`, `table` | the measuring, shared with the other benchmark |
//!
//! What is measured decides nothing. Under `cargo test --benches` the run is short and tells
//! whether the benchmark works, no more.

#[path = "../measure/allocations.rs"]
mod allocations;
#[path = "../measure/rounds.rs"]
mod rounds;
mod subjects;
#[path = "../measure/table.rs"]
mod table;

use rounds::Size;

fn main() {
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let results = rounds::measure(&subjects::all(), &Size::new(quick));
    table::print(&results, subjects::OURS);
}
