//! CPU and memory of a process, as the kernel counts them.

use std::fs;

/// User and system time of the process `pid` so far, in microseconds, in steps of 10,000.
///
/// From `/proc/PID/stat`, fields 14 and 15, in clock ticks (proc(5)). Linux counts 100 of
/// them a second for user space on every architecture. Threads that have ended count as well.
pub fn cpu_us(pid: u32) -> Option<f64> {
    const US_PER_TICK: f64 = 10_000.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) * US_PER_TICK)
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
