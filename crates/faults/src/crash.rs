//! Points at which a process can be made to die: those where a crash is hardest to survive.
//!
//! A kill at a random moment hits them once in thousands of times. `--crash-at after-commit:3`
//! hits one for certain: the process kills itself (SIGKILL, so that nothing is cleaned up)
//! when it comes there for the third time.

use rustix::process::{Signal, getpid, kill_process};
use std::{
    fmt,
    num::NonZeroU32,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Where a process can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// A write is done but for its commit: nobody may ever see it.
    BeforeCommit,
    /// A write is committed, and its sender does not know.
    AfterCommit,
    /// An event of the outbox was delivered, and is not forgotten yet.
    AfterDelivery,
}

impl CrashPoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BeforeCommit, Self::AfterCommit, Self::AfterDelivery];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::AfterDelivery => "after-delivery",
        }
    }
}

/// A point, and how often the process comes there until it dies: `after-commit:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashAt {
    point: CrashPoint,
    nth: NonZeroU32,
}

/// A text that names no crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "allowed: before-commit, after-commit or after-delivery, a colon, and a number from 1, for example after-commit:3"
)]
pub struct NotACrash;

impl FromStr for CrashAt {
    type Err = NotACrash;

    fn from_str(text: &str) -> Result<Self, NotACrash> {
        let (name, nth) = text.split_once(':').ok_or(NotACrash)?;
        let named = |point: &CrashPoint| point.as_str() == name;
        let point = CrashPoint::ALL.into_iter().find(named).ok_or(NotACrash)?;
        let nth = nth.parse().map_err(|_| NotACrash)?;
        Ok(Self { point, nth })
    }
}

impl fmt::Display for CrashAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.point.as_str(), self.nth)
    }
}

/// How often each point is still passed before the process dies there; 0: it never does.
/// It concerns the process, like the signal that ends it.
static LEFT: [AtomicU32; CrashPoint::ALL.len()] = [const { AtomicU32::new(0) }; 3];

impl CrashAt {
    /// From now on, this process dies there.
    pub fn arm(self) {
        LEFT[self.point as usize].store(self.nth.get(), Relaxed);
    }
}

/// Ends the process here, if it was told to; else it costs one load.
pub fn crash_point(point: CrashPoint) {
    let left = &LEFT[point as usize];
    if left.load(Relaxed) != 0 && left.fetch_sub(1, Relaxed) == 1 {
        // A process may always send a signal to itself.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_a_point_and_a_number() {
        for point in CrashPoint::ALL {
            let text = format!("{}:3", point.as_str());
            assert_eq!(text.parse::<CrashAt>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "after-commit",
            "after-commit:0",
            "after-commit:-1",
            "later:1",
        ] {
            assert_eq!(bad.parse::<CrashAt>(), Err(NotACrash), "{bad}");
        }
    }

    #[test]
    fn a_point_that_is_not_armed_is_passed() {
        for point in CrashPoint::ALL {
            crash_point(point);
        }
    }
}
