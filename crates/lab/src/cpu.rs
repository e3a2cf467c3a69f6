//! Processor time of a process, as the kernel counts it.

use std::fs;

/// User and system time of the process `pid` so far, in seconds; none if it has ended.
///
/// From `/proc/PID/stat`, fields 14 and 15, in clock ticks (proc(5)). Linux counts 100 of
/// them a second for user space on every architecture.
pub(crate) fn seconds(pid: u32) -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}
