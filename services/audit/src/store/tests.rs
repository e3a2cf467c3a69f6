//! What the log promises, tried on real databases.

use super::{append::row, *};
use sqlx::{AssertSqlSafe, raw_sql};
use stores::Sqlite;
use testkit::{Database, on_every_engine, postgres::cluster};

on_every_engine!(
    an_honest_log_is_intact_and_ends_with_its_head,
    tampering_with_a_row_behind_the_back_of_the_service_is_found_there,
    events_that_come_during_a_walk_wait_for_a_page_of_it_at_most,
    events_are_not_changed_or_deleted_by_mistake,
    the_same_event_is_recorded_once_also_within_one_batch,
    the_same_event_sent_to_two_replicas_at_once_is_recorded_once,
    a_page_of_the_log_begins_after_the_sequence_given,
);

const EVENTS: u64 = 12;

fn new(number: u64) -> NewEvent {
    NewEvent {
        key: format!("key-{number}"),
        actor: format!("user-{}", number % 3),
        action: "page.read".to_owned(),
    }
}

async fn store(database: &Database, events: u64) -> Arc<dyn Store> {
    let store = open(&database.url.parse().unwrap()).await.unwrap();
    for number in 1..=events {
        store.append(&[new(number)], 1000 + number).await.unwrap();
    }
    store
}

/// Whether the database does `sql`, asked behind the back of the service.
async fn change(database: &Database, sql: &str) -> bool {
    match database.url.parse().unwrap() {
        StoreUrl::Sqlite(url) => {
            let store = Sqlite::open(&url, super::sqlite::MIGRATIONS).await.unwrap();
            let mut write = store.write().await.unwrap();
            let done = raw_sql(AssertSqlSafe(sql)).execute(&mut *write).await;
            write.commit().await.unwrap();
            store.close().await;
            done.is_ok()
        }
        StoreUrl::Postgres(_) => {
            let url = database.url.clone();
            let sql = sql.to_owned();
            let done = tokio::task::spawn_blocking(move || {
                std::panic::catch_unwind(|| cluster().unwrap().query(&url, &sql))
            });
            done.await.unwrap().is_ok()
        }
    }
}

/// What only somebody who means to would do.
async fn drop_triggers(database: &Database) {
    let sql = if database.url.starts_with("sqlite") {
        "DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_deleted"
    } else {
        "DROP TRIGGER events_are_not_changed ON events"
    };
    assert!(change(database, sql).await);
}

async fn an_honest_log_is_intact_and_ends_with_its_head(database: Database) {
    let store = store(&database, EVENTS).await;
    let last = store.events(EVENTS - 1, 10).await.unwrap().remove(0);
    let found = store.verify(None).await.unwrap();
    assert_eq!(found.head.as_ref(), Some(&last.hash));
    assert_eq!(
        (found.events, found.intact, found.broken_at),
        (EVENTS, true, None)
    );
    let noted = crate::chain::from_hex(&store.events(4, 1).await.unwrap()[0].hash);
    assert_eq!(store.verify(noted).await.unwrap(), found);
}

/// Each is undone before the next; what every single change comes to is tried elsewhere.
async fn tampering_with_a_row_behind_the_back_of_the_service_is_found_there(database: Database) {
    let store = store(&database, EVENTS).await;
    drop_triggers(&database).await;
    for (set, undo) in [
        (
            "recorded_at_ms = recorded_at_ms + 1",
            "recorded_at_ms = recorded_at_ms - 1",
        ),
        (
            "recorded_at_ms = -recorded_at_ms",
            "recorded_at_ms = -recorded_at_ms",
        ),
        ("key = key || 'x'", "key = 'key-5'"),
        ("actor = 'mallory'", "actor = 'user-2'"),
        ("action = ''", "action = 'page.read'"),
        ("sequence = 105", "sequence = 5"),
    ] {
        assert!(
            change(
                &database,
                &format!("UPDATE events SET {set} WHERE sequence = 5")
            )
            .await
        );
        let found = store.verify(None).await.unwrap();
        assert_eq!((found.intact, found.broken_at), (false, Some(5)), "{set}");
        assert!(
            change(
                &database,
                &format!("UPDATE events SET {undo} WHERE key LIKE 'key-5%'")
            )
            .await
        );
        assert!(store.verify(None).await.unwrap().intact, "{undo}");
    }
    for (sql, broken_at) in [
        ("DELETE FROM events WHERE sequence = 12", 12),
        ("UPDATE head SET sequence = 11", 12),
        ("DELETE FROM events WHERE sequence = 7", 7),
        (
            "INSERT INTO events SELECT 0, recorded_at_ms, 'early', actor, action, hash FROM events WHERE sequence = 1",
            1,
        ),
    ] {
        assert!(change(&database, sql).await);
        let found = store.verify(None).await.unwrap();
        assert_eq!(
            (found.intact, found.broken_at),
            (false, Some(broken_at)),
            "{sql}"
        );
    }
}

/// Only SQLite takes any bytes for text.
#[tokio::test]
async fn what_is_no_text_or_no_hash_is_found_and_the_rest_can_still_be_read() {
    let database = Database::sqlite().unwrap();
    let store = store(&database, EVENTS).await;
    drop_triggers(&database).await;
    for (sql, broken_at) in [
        ("UPDATE head SET hash = x'00'", EVENTS + 1),
        (
            "UPDATE events SET actor = CAST(x'ff' AS TEXT) WHERE sequence = 5",
            5,
        ),
        (
            "UPDATE events SET key = CAST(x'c328' AS TEXT) WHERE sequence = 3",
            3,
        ),
        ("UPDATE events SET hash = x'' WHERE sequence = 2", 2),
    ] {
        assert!(change(&database, sql).await);
        let found = store.verify(None).await.unwrap();
        assert_eq!(
            (found.intact, found.broken_at),
            (false, Some(broken_at)),
            "{sql}"
        );
        let all = store.events(0, 1000).await.unwrap();
        assert_eq!(all.len() as u64, EVENTS, "{sql}");
    }
}

async fn events_that_come_during_a_walk_wait_for_a_page_of_it_at_most(database: Database) {
    // Whoever walks and whoever appends take turns on the only connection.
    let url = if database.url.starts_with("sqlite") {
        database.url.clone()
    } else {
        format!("{}&connections=1", database.url)
    };
    let store = open(&url.parse().unwrap()).await.unwrap();
    let events: Vec<_> = (1..=3500).map(new).collect();
    store.append(&events, 1000).await.unwrap();
    let more = [new(4000)];
    let (found, appended) = tokio::join!(store.verify(None), store.append(&more, 1001));
    let (found, appended) = (found.unwrap(), appended.unwrap());
    assert!(matches!(&appended[0], Appended::Recorded(event) if event.sequence == 3501));
    assert!(found.intact);
    if url != database.url {
        assert_eq!(
            found.events, 3501,
            "it was appended before the walk had ended"
        );
    }
    assert_eq!(store.verify(None).await.unwrap().events, 3501);
}

async fn events_are_not_changed_or_deleted_by_mistake(database: Database) {
    let store = store(&database, 2).await;
    for sql in [
        "UPDATE events SET actor = 'mallory'",
        "UPDATE events SET actor = 'mallory' WHERE sequence = 2",
        "DELETE FROM events WHERE sequence = 2",
        "DELETE FROM events",
    ] {
        assert!(!change(&database, sql).await, "{sql}");
    }
    assert!(store.verify(None).await.unwrap().intact);
}

async fn the_same_event_is_recorded_once_also_within_one_batch(database: Database) {
    let store = store(&database, 0).await;
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
    assert!(store.verify(None).await.unwrap().intact);
}

async fn the_same_event_sent_to_two_replicas_at_once_is_recorded_once(database: Database) {
    let (one, two) = (store(&database, 0).await, store(&database, 0).await);
    for number in 0..20 {
        let batch = [new(2 * number), new(2 * number + 1)];
        let reversed = [batch[1].clone(), batch[0].clone()];
        let (first, second) = tokio::join!(one.append(&batch, 1), two.append(&reversed, 2));
        let (first, mut second) = (first.unwrap(), second.unwrap());
        second.reverse();
        assert_eq!(first, second);
    }
    let found = two.verify(None).await.unwrap();
    assert_eq!((found.events, found.intact), (40, true));
}

async fn a_page_of_the_log_begins_after_the_sequence_given(database: Database) {
    let store = store(&database, EVENTS).await;
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

/// An honest log in memory: its rows, and its head after each of them.
pub(super) fn honest(events: u64) -> (Vec<Row>, Vec<Head>) {
    let mut heads = vec![Head::START];
    let rows = (1..=events).map(|number| {
        let head = heads[heads.len() - 1].next(&new(number), 1000 + number);
        heads.push(head);
        row(&head, &new(number), 1000 + number)
    });
    (rows.collect(), heads)
}
