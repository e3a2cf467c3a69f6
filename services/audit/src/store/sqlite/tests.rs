//! What the log promises, tried on real databases.

use super::*;
use sqlx::AssertSqlSafe;

const EVENTS: u64 = 12;

fn new(number: u64) -> NewEvent {
    NewEvent {
        key: format!("key-{number}"),
        actor: format!("user-{}", number % 3),
        action: "page.read".to_owned(),
    }
}

async fn store(events: u64) -> SqliteStore {
    let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
    for number in 1..=events {
        store.append(&[new(number)], 1000 + number).await.unwrap();
    }
    store
}

async fn change(store: &SqliteStore, sql: String) {
    let mut transaction = store.0.write().await.unwrap();
    let done = query(AssertSqlSafe(sql)).execute(&mut *transaction).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
    transaction.commit().await.unwrap();
}

/// Where the log is broken once `sql` is done to it.
async fn broken_by(sql: String) -> Option<u64> {
    let store = store(EVENTS).await;
    change(&store, sql).await;
    let found = store.verify().await.unwrap();
    assert_eq!(found.intact, found.broken_at.is_none());
    found.broken_at
}

#[tokio::test]
async fn a_log_is_intact_from_the_start_and_names_its_head() {
    let empty = store(0).await.verify().await.unwrap();
    assert_eq!((empty.events, empty.intact), (0, true));
    let store = store(EVENTS).await;
    let last = store.events(EVENTS - 1, 10).await.unwrap().remove(0);
    let found = store.verify().await.unwrap();
    assert_eq!(found.head.as_ref(), Some(&last.hash));
    assert_eq!(
        (found.events, found.intact, found.broken_at),
        (EVENTS, true, None)
    );
}

#[tokio::test]
async fn tampering_with_any_part_of_any_row_is_found_there() {
    let changes = [
        "UPDATE events SET recorded_at_ms = recorded_at_ms + 1",
        "UPDATE events SET recorded_at_ms = -recorded_at_ms",
        "UPDATE events SET key = key || 'x'",
        "UPDATE events SET actor = 'mallory'",
        "UPDATE events SET action = ''",
        "UPDATE events SET actor = actor || action, action = ''",
        "UPDATE events SET hash = zeroblob(32)",
        "UPDATE events SET hash = x'00'",
        "UPDATE events SET sequence = sequence + 100",
        "DELETE FROM events",
    ];
    for sequence in 1..=EVENTS {
        for change in changes {
            let sql = format!("{change} WHERE sequence = {sequence}");
            assert_eq!(broken_by(sql.clone()).await, Some(sequence), "{sql}");
        }
    }
}

#[tokio::test]
async fn rows_put_before_or_behind_the_others_are_found() {
    for (sequence, broken_at) in [(-5, 1), (0, 1), (13, 13), (99, 13)] {
        let values = format!("({sequence}, 1, 'forged', 'mallory', 'page.read', zeroblob(32))");
        let sql = format!("INSERT INTO events VALUES {values}");
        assert_eq!(broken_by(sql).await, Some(broken_at), "{sequence}");
    }
}

#[tokio::test]
async fn a_log_written_anew_from_some_row_on_does_not_lead_to_the_head() {
    let store = store(3).await;
    let forged = NewEvent {
        actor: "mallory".to_owned(),
        ..new(3)
    };
    let second = store.events(1, 1).await.unwrap().remove(0);
    change(&store, "DELETE FROM events WHERE sequence = 3".to_owned()).await;
    let hash = (0..32).map(|at| u8::from_str_radix(&second.hash[2 * at..2 * at + 2], 16).unwrap());
    let hash: Vec<_> = hash.collect();
    let head = Head {
        sequence: 2,
        hash: hash.try_into().unwrap(),
    };
    let mut transaction = store.0.write().await.unwrap();
    let row = row(&head.next(&forged, 5), &forged, 5);
    assert!(insert(&mut transaction, &row).await.unwrap());
    transaction.commit().await.unwrap();
    let found = store.verify().await.unwrap();
    assert_eq!((found.intact, found.broken_at), (false, Some(4)));
}

#[tokio::test]
async fn the_same_event_is_recorded_once_also_within_one_batch() {
    let store = store(0).await;
    let other = NewEvent {
        action: "page.write".to_owned(),
        ..new(1)
    };
    let batch = [new(1), new(2), new(1), other];
    let answers = store.append(&batch, 5).await.unwrap();
    assert_eq!(answers[2], answers[0]);
    assert_eq!(answers[3], Appended::KeyReused);
    assert_eq!(store.append(&[new(1)], 9).await.unwrap(), answers[..1]);
    let events = store.events(0, 10).await.unwrap();
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2]);
    assert!(store.verify().await.unwrap().intact);
}

#[tokio::test]
async fn a_page_of_the_log_begins_after_the_sequence_given() {
    let store = store(EVENTS).await;
    let page = async |after, limit| {
        let events = store.events(after, limit).await.unwrap();
        events
            .iter()
            .map(|event| event.sequence)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, [1, 2]);
    assert_eq!(page(10, 5).await, [11, 12]);
    assert!(page(EVENTS, 5).await.is_empty());
    assert!(page(u64::MAX, 5).await.is_empty());
}
