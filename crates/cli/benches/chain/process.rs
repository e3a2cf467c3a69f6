//! CPU and memory of a process, as the kernel counts them.

use std::fs;

/// User and system time of the process `pid` so far, in microseconds, in steps of 10,000.
///
/// From `/proc/PID/stat`, fields 14 and 15, in clock ticks (proc(5)). Linux counts 100 of
/// them a second for user space on every architecture. Threads that have ended count as well.
pub fn cpu_us(pid: u32) -> Option<f64> {
    ticks(pid, 2)
}

/// The sum of so many fields from the 14th on, in microseconds.
fn ticks(pid: u32, fields: usize) -> Option<f64> {
    const US_PER_TICK: f64 = 10_000.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields = rest.split_whitespace().skip(11).take(fields);
    let ticks: Option<Vec<f64>> = fields.map(|field| field.parse().ok()).collect();
    Some(ticks?.iter().sum::<f64>() * US_PER_TICK)
}

/// As [`cpu_us`], with all processes that it started: those that have ended are counted with
/// their parent, in fields 16 and 17.
pub fn family_cpu_us(pid: u32) -> Option<f64> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let children = children
        .split_whitespace()
        .filter_map(|child| cpu_us(child.parse().ok()?));
    Some(ticks(pid, 4)? + children.sum::<f64>())
}

/// Memory of the process `pid` that is in RAM now, in megabytes: its program and libraries,
/// as far as they are used, included.
pub fn resident_mb(pid: u32) -> Option<f64> {
    const MB_PER_KIB: f64 = 1024.0 / 1e6;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * MB_PER_KIB)
}
