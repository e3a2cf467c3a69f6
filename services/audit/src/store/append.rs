//! Events, appended: what is recorded already is looked up once for all of them, and what is
//! new becomes part of the chain.

use super::{Appended, Row, Statements, event};
use crate::chain::Head;
use std::collections::HashMap;
use types::audit::{Event, NewEvent};

/// Appends `events`, except for the commit.
pub(super) async fn append(
    log: &mut impl Statements,
    events: &[NewEvent],
    now_ms: u64,
) -> Result<Vec<Appended>, sqlx::Error> {
    let head = log.locked_head().await?;
    let keys: Vec<_> = events.iter().map(|event| &*event.key).collect();
    let known = log.known(&keys).await?;
    let batch = Batch::new(head, known, events, now_ms);
    if !batch.rows.is_empty() {
        log.insert(&batch.rows).await?;
        log.move_head(&batch.head).await?;
    }
    Ok(batch.answers)
}

/// What a batch of events does to the log.
struct Batch {
    /// Those that are new, in their order.
    rows: Vec<Row>,
    /// Where the log comes to with them.
    head: Head,
    /// An answer to each event.
    answers: Vec<Appended>,
}

impl Batch {
    fn new(head: Head, known: Vec<Row>, events: &[NewEvent], now_ms: u64) -> Self {
        let known = known.into_iter().map(event);
        let mut known: HashMap<String, Event> =
            known.map(|event| (event.key.clone(), event)).collect();
        let mut batch = Self {
            rows: Vec::new(),
            head,
            answers: Vec::with_capacity(events.len()),
        };
        for new in events {
            let recorded = known
                .entry(new.key.clone())
                .or_insert_with(|| batch.chain(new, now_ms));
            batch.answers.push(answer(recorded, new));
        }
        batch
    }

    /// Makes `new` the next event of the log.
    fn chain(&mut self, new: &NewEvent, now_ms: u64) -> Event {
        self.head = self.head.next(new, now_ms);
        let row = row(&self.head, new, now_ms);
        self.rows.push(row.clone());
        event(row)
    }
}

/// The event that has the key of `new`, if it is the same one.
fn answer(recorded: &Event, new: &NewEvent) -> Appended {
    if recorded.actor == new.actor && recorded.action == new.action {
        Appended::Recorded(recorded.clone())
    } else {
        Appended::KeyReused
    }
}

/// The event `new`, with which the log has come to `head`.
pub(super) fn row(head: &Head, new: &NewEvent, now_ms: u64) -> Row {
    let NewEvent { key, actor, action } = new.clone();
    let (sequence, now_ms) = (head.sequence.cast_signed(), now_ms.cast_signed());
    (sequence, now_ms, key, actor, action, head.hash.to_vec())
}
