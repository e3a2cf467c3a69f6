//! What a circuit breaker costs: ours, beside the published ones.
//!
//! `cargo bench -p resilience --bench circuit_breaker` measures, in one run, calls of a
//! service that answers at once,
//! - closed, open and half-open,
//! - on one thread and on two, which share the breaker,
//! - in nanoseconds, by the wall clock and by the time on the processor, and in allocations.
//!
//! | module | what it is |
//! |---|---|
//! | `subjects` | what is measured: ours, three others, and a layer that does nothing |
//! | `targets` | what it should cost |
//! | `rounds` | the measuring, interleaved; shared with the other benchmark, as are |
//! | `table` | the results, with ratios, and |
//! | `allocations` | an allocator that counts |
//!
//! An argument, as in `-- open`, leaves out the groups that are called otherwise.
//!
//! What is measured decides nothing: a missed target is said. Under `cargo test --benches`
//! the run is short and tells whether the benchmark works, no more.

#[path = "../measure/allocations.rs"]
mod allocations;
#[path = "../measure/rounds.rs"]
mod rounds;
mod subjects;
#[path = "../measure/table.rs"]
mod table;
mod targets;

use rounds::Size;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, groups): (Vec<_>, Vec<_>) = arguments.iter().partition(|it| it.starts_with('-'));
    let size = Size::new(!flags.iter().any(|flag| *flag == "--bench"));
    let mut subjects = subjects::all();
    subjects.retain(|subject| groups.is_empty() || groups.iter().any(|it| *it == subject.group));
    let results = rounds::measure(&subjects, &size);
    table::print(&results, subjects::OURS);
    targets::print(&results);
}
