//! Whether every event is as it was recorded, and none is missing.
//!
//! The log may be long, and is walked a page at a time. Between two pages nothing is held:
//! neither a connection, for which those who append would wait, nor a picture of the database,
//! because of which it could not tidy up. What comes is appended behind the walk's back and
//! walked like the rest; only the end is one picture, with the head that belongs to it.

use super::{Row, Statements};
use crate::chain::{Hash, Head};
use types::audit::{NewEvent, Verification};

/// How many events are in memory at once.
const PAGE: u32 = 1000;

/// Goes on by a page. Whether there is more of the log, and all is good so far.
pub(super) async fn go_on(log: &mut impl Statements, walk: &mut Walk) -> Result<bool, sqlx::Error> {
    let page = log.after(walk.after(), PAGE).await?;
    let is_full = page.len() == PAGE as usize;
    Ok(page.into_iter().all(|row| walk.follow(row)) && is_full)
}

/// Walks to the end, within one transaction, and compares where that is with the head that is
/// kept, and with the event that somebody has noted.
pub(super) async fn end(
    log: &mut impl Statements,
    mut walk: Walk,
) -> Result<Verification, sqlx::Error> {
    let kept = match log.head().await {
        Ok(kept) => Some(kept),
        // What is kept there is no head.
        Err(sqlx::Error::Decode(_)) => None,
        Err(error) => return Err(error),
    };
    loop {
        let page = log.after(walk.after(), PAGE).await?;
        if page.is_empty() {
            return Ok(walk.end(kept.as_ref()));
        }
        if !page.into_iter().all(|row| walk.follow(row)) {
            return Ok(walk.broken());
        }
    }
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

    /// The sequence that comes before what is still to be walked; nothing is before the first.
    fn after(&self) -> i64 {
        match self.good.sequence {
            0 => i64::MIN,
            sequence => sequence.cast_signed(),
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

    /// After the last row: whether the log ends where `kept` says, if anything is.
    pub(super) fn end(&self, kept: Option<&Head>) -> Verification {
        if Some(&self.good) != kept || self.noted.is_some() {
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
