//! Whether every event is as it was recorded, and none is missing.

use super::{Row, Statements};
use crate::chain::{Hash, Head};
use types::audit::{NewEvent, Verification};

/// How many events are in memory at once.
const PAGE: u32 = 1000;

/// Walks the log from its start, and compares where that leads with the head that is kept,
/// and with the event that somebody has noted.
pub(super) async fn log(
    log: &mut impl Statements,
    noted: Option<Hash>,
) -> Result<Verification, sqlx::Error> {
    let kept = log.head().await?;
    let mut walk = Walk::new(noted);
    let mut after = i64::MIN;
    loop {
        let page = log.after(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.0;
        for row in page {
            if !walk.follow(row) {
                return Ok(walk.broken());
            }
        }
    }
    Ok(walk.end(&kept))
}

/// A walk along the chain, as far as it is good.
pub(super) struct Walk {
    good: Head,
    /// What was noted, until the walk comes through it.
    noted: Option<Hash>,
}

impl Walk {
    pub(super) fn new(noted: Option<Hash>) -> Self {
        Self {
            good: Head::START,
            noted,
        }
    }

    /// Goes on to `row`, if it is the one that follows.
    pub(super) fn follow(&mut self, row: Row) -> bool {
        let (sequence, recorded_at_ms, key, actor, action, hash) = row;
        let event = NewEvent { key, actor, action };
        let next = self.good.next(&event, recorded_at_ms.cast_unsigned());
        let follows = next.sequence.cast_signed() == sequence && next.hash[..] == hash;
        if follows {
            self.good = next;
            self.noted.take_if(|noted| *noted == next.hash);
        }
        follows
    }

    /// After the last row: whether the log ends where `kept` says.
    pub(super) fn end(&self, kept: &Head) -> Verification {
        if self.good != *kept || self.noted.is_some() {
            return self.broken();
        }
        Verification {
            events: self.good.sequence,
            intact: true,
            head: Some(self.good.hex()),
            broken_at: None,
        }
    }

    /// What comes after the good part is not as it was recorded.
    pub(super) fn broken(&self) -> Verification {
        Verification {
            events: self.good.sequence,
            intact: false,
            head: None,
            broken_at: Some(self.good.sequence + 1),
        }
    }
}

#[cfg(test)]
mod tests;
