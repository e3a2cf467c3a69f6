//! What spreading calls and limiting them costs: ours, beside tower's and another.
//!
//! `cargo bench -p resilience --bench balance` measures, in one run, calls of a service that
//! answers at once,
//! - spread over two replicas, and over eight,
//! - through a limit that is never reached,
//! - on one thread and on two, which share balancer or limit,
//! - in nanoseconds, by the wall clock and by the time on the processor, and in allocations.
//!
//! | module | what it is |
//! |---|---|
//! | `subjects` | what is measured: ours, others, and no layer at all |
//! | `targets` | what it should cost |
//! | `rounds` | the measuring, interleaved; shared with the other benchmarks, as are |
//! | `table` | the results, with ratios, and |
//! | `allocations` | an allocator that counts |
//!
//! An argument, as in `-- "a limit"`, leaves out the groups that are called otherwise. What is
//! measured decides nothing: a missed target is said. Under `cargo test --benches` the run is
//! short and tells whether the benchmark works, no more.

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
