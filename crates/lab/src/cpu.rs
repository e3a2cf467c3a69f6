//! Processor time of a process and of the host, as the kernel counts it.

use std::fs;

/// Clock ticks in a second: Linux counts this many for user space on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of the process `pid` so far, in seconds; none if it has ended.
///
/// From `/proc/PID/stat`, fields 14 and 15, in clock ticks (proc(5)).
pub(crate) fn seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Processor time of the whole host since it started, in clock ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    busy: u64,
    all: u64,
}

impl Host {
    /// What the host has used so far, from the first line of `/proc/stat`; none elsewhere.
    pub(crate) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let fields = stat
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace();
        // user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user's already.
        let ticks: Vec<u64> = fields
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all = ticks.iter().sum();
        Some(Self {
            busy: all - idle,
            all,
        })
    }

    /// The share of processor time that was in use from `earlier` to now, from 0 to 1.
    pub(crate) fn busy_since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        self.busy.saturating_sub(earlier.busy) as f64 / all as f64
    }

    /// Processor time that was not in use from `earlier` to now, in seconds.
    pub(crate) fn idle_since(self, earlier: Self) -> f64 {
        let idle = |host: Self| host.all.saturating_sub(host.busy);
        idle(self).saturating_sub(idle(earlier)) as f64 / TICKS_PER_SECOND
    }
}
