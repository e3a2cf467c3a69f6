//! What a request costs a relay: time on a core, or time that passes.

use rustix::time::{ClockId, clock_gettime};
use std::{hint::spin_loop, str::FromStr, time::Duration};
use tokio::{task::yield_now, time::sleep};

const ALLOWED: &str =
    "allowed: cpu or wait, a colon, and a duration, for example cpu:2ms or wait:20ms";
/// Work on a core lets others go on this often: a time-out or a new connection must not wait
/// for the end of a long piece.
const SLICE: Duration = Duration::from_micros(500);

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// So much time on a core, whoever else wants it.
    Cpu(Duration),
    /// So much time that passes, as for a disk or another's answer.
    Wait(Duration),
}

impl Work {
    /// Does it.
    pub(crate) async fn run(self) {
        match self {
            Self::Wait(duration) => sleep(duration).await,
            Self::Cpu(duration) => compute(duration).await,
        }
    }
}

async fn compute(duration: Duration) {
    let mut left = duration;
    while !left.is_zero() {
        let slice = left.min(SLICE);
        let until = thread_time() + slice;
        while thread_time() < until {
            spin_loop();
        }
        left -= slice;
        yield_now().await;
    }
}

/// The time this thread has spent on a core.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    seconds + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, duration) = text.split_once(':').ok_or_else(|| ALLOWED.to_owned())?;
        let duration = chassis::options::positive(duration)?;
        match kind {
            "cpu" => Ok(Self::Cpu(duration)),
            "wait" => Ok(Self::Wait(duration)),
            _ => Err(ALLOWED.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[test]
    fn work_is_a_kind_and_a_duration() {
        let ms = Duration::from_millis;
        assert_eq!("cpu:2ms".parse(), Ok(Work::Cpu(ms(2))));
        assert_eq!("wait:1s".parse(), Ok(Work::Wait(ms(1000))));
        for bad in ["", "cpu", "cpu:", "cpu:0ms", "disk:1ms", "wait:soon"] {
            let error = bad.parse::<Work>().unwrap_err();
            assert!(
                error.contains("allowed: ") || error.contains("above zero"),
                "{bad}: {error}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_takes_its_time_and_no_core() {
        let (begin, before) = (Instant::now(), thread_time());
        Work::Wait(Duration::from_mins(1)).run().await;
        assert_eq!(begin.elapsed(), Duration::from_mins(1));
        assert!(thread_time().saturating_sub(before) < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn computing_takes_that_much_of_a_core() {
        let before = thread_time();
        Work::Cpu(Duration::from_millis(3)).run().await;
        assert!(thread_time().saturating_sub(before) >= Duration::from_millis(3));
    }
}
