//! The results as a table, group by group.

use crate::rounds::Cost;

/// Prints them all; ratios are against the subject called `ours` in each group.
pub fn print(costs: &[Cost], ours: &str) {
    let mut group = "";
    for cost in costs {
        if cost.group != group {
            group = cost.group;
            heading(group);
        }
        if let Some(ours) = find(costs, group, ours) {
            row(cost, ours);
        }
    }
    println!();
}

fn heading(group: &str) {
    println!();
    println!("{group}: ns per call, medians; × is against ours");
    println!(
        "{:28}{:>24}{:>30}{:>14}",
        "", "one thread", "two threads", "allocations"
    );
    println!(
        "{:28}{:>9}{:>8}{:>7}{:>11}{:>9}{:>10}{:>14}",
        "", "wall", "CPU", "×", "wall", "CPU", "×", "per call"
    );
}

fn row(cost: &Cost, ours: &Cost) {
    let Cost { wall, cpu, .. } = cost;
    println!(
        "{:28}{:>9.1}{:>8.1}{:>7.2}{:>11.1}{:>9.1}{:>10.2}{:>14.2}",
        cost.name,
        wall[0],
        cpu[0],
        wall[0] / ours.wall[0],
        wall[1],
        cpu[1],
        wall[1] / ours.wall[1],
        cost.allocations,
    );
}

/// The subject `name` of `group`.
pub fn find<'a>(costs: &'a [Cost], group: &str, name: &str) -> Option<&'a Cost> {
    let mut found = costs.iter();
    found.find(|cost| cost.group == group && cost.name == name)
}
