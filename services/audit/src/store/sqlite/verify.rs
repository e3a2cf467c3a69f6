//! Whether every event is as it was recorded, and none is missing.

use super::{Row, read_head, rows};
use crate::chain::Head;
use sqlx::SqliteConnection;
use types::audit::{NewEvent, Verification};

/// How many events are in memory at once.
const PAGE: u32 = 1000;

/// Walks the log from its start, and compares where that leads with the head that is kept.
pub(super) async fn log(connection: &mut SqliteConnection) -> Result<Verification, sqlx::Error> {
    let kept = read_head(connection).await?;
    let mut head = Head::START;
    let mut after = i64::MIN;
    loop {
        let page = rows(connection, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.0;
        for row in page {
            match follow(&head, row) {
                Some(next) => head = next,
                None => return Ok(broken_after(&head)),
            }
        }
    }
    Ok(if head == kept {
        intact(&head)
    } else {
        broken_after(&head)
    })
}

/// Where the log comes to with this row, if it is the one that follows.
fn follow(head: &Head, row: Row) -> Option<Head> {
    let (sequence, recorded_at_ms, key, actor, action, hash) = row;
    let event = NewEvent { key, actor, action };
    let next = head.next(&event, recorded_at_ms.cast_unsigned());
    let same = next.sequence.cast_signed() == sequence && next.hash[..] == hash;
    same.then_some(next)
}

fn intact(head: &Head) -> Verification {
    Verification {
        events: head.sequence,
        intact: true,
        head: Some(head.hex()),
        broken_at: None,
    }
}

fn broken_after(good: &Head) -> Verification {
    Verification {
        events: good.sequence,
        intact: false,
        head: None,
        broken_at: Some(good.sequence + 1),
    }
}
