//! What a store promises, on every engine: the same tests for SQLite and PostgreSQL.

use super::*;
use crate::key::Key;
use futures_util::future::{join_all, try_join_all};
use std::collections::BTreeSet;
use testkit::{Database, on_every_engine};

on_every_engine!(
    an_account_is_created_once_and_never_overwritten,
    of_two_registrations_at_once_one_creates_the_account,
    a_hash_is_replaced_only_where_it_is_still_the_one_that_was_read,
    roles_are_given_once_and_only_to_somebody,
    replicas_that_join_at_once_share_one_first_key,
    of_two_rotations_at_once_one_adds_a_key,
    a_key_is_kept_with_the_longest_lifetime_of_any_replica,
    a_key_removed_is_gone_and_its_place_is_not_given_again,
    the_longest_lease_of_any_replica_is_the_time_to_wait,
    a_token_is_revoked_once_and_forgotten_when_it_has_expired,
    whoever_reads_on_misses_no_revocation,
    what_was_acknowledged_is_there_after_a_restart,
);

/// Another replica's store.
async fn another(database: &Database) -> Arc<dyn Store> {
    open(&database.url.parse().unwrap()).await.unwrap()
}

fn account(name: &str, hash: &str) -> Account {
    Account::new(name.to_owned(), hash.to_owned())
}

fn terms(lease_ms: u64, lifetime_s: u64) -> Terms {
    Terms {
        lease: Duration::from_millis(lease_ms),
        lifetime_s,
    }
}

fn new_key(after_place: i64) -> NewKey {
    NewKey {
        pkcs8: Key::generate().unwrap(),
        created_at_ms: 1000,
        after_place,
    }
}

fn token(number: u16) -> TokenId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    bytes.into()
}

async fn an_account_is_created_once_and_never_overwritten(database: Database) {
    let store = another(&database).await;
    store.create_missing(&[account("a", "1")]).await.unwrap();
    let again = [account("a", "2"), account("b", "2")];
    store.create_missing(&again).await.unwrap();
    assert!(store.account("a").await.unwrap() == Some(account("a", "1")));
    assert!(store.account("b").await.unwrap() == Some(account("b", "2")));
    assert!(store.account("c").await.unwrap().is_none());
}

async fn of_two_registrations_at_once_one_creates_the_account(database: Database) {
    let (one, two) = (another(&database).await, another(&database).await);
    for number in 0..20 {
        let name = format!("user-{number}");
        let (first, second) = (account(&name, "1"), account(&name, "2"));
        let (first_created, second_created) =
            tokio::join!(one.register(&first), two.register(&second));
        let (first_created, second_created) = (first_created.unwrap(), second_created.unwrap());
        assert_ne!(first_created, second_created);
        let kept = one.account(&name).await.unwrap().unwrap();
        assert!(kept == if first_created { first } else { second });
    }
}

async fn a_hash_is_replaced_only_where_it_is_still_the_one_that_was_read(database: Database) {
    let store = another(&database).await;
    store.create_missing(&[account("a", "1")]).await.unwrap();
    for (old, new, expected) in [("0", "2", "1"), ("1", "2", "2"), ("1", "3", "2")] {
        store.replace_hash("a", old, new).await.unwrap();
        let kept = store.account("a").await.unwrap().unwrap();
        assert_eq!(kept.password_hash, expected);
    }
}

async fn roles_are_given_once_and_only_to_somebody(database: Database) {
    let store = another(&database).await;
    store.create_missing(&[account("a", "1")]).await.unwrap();
    for role in [Role::Auditor, Role::Admin, Role::Admin] {
        assert!(store.grant("a", role).await.unwrap());
    }
    assert!(!store.grant("b", Role::Admin).await.unwrap());
    let roles = store.account("a").await.unwrap().unwrap().roles;
    assert_eq!(roles, [Role::User, Role::Admin, Role::Auditor]);
}

async fn replicas_that_join_at_once_share_one_first_key(database: Database) {
    let stores = join_all((0..8).map(|_| another(&database))).await;
    let joined = stores
        .iter()
        .map(|store| store.join(terms(500, 3600), new_key(0)));
    try_join_all(joined).await.unwrap();
    for store in stores {
        assert_eq!(store.keys().await.unwrap().len(), 1);
    }
}

async fn of_two_rotations_at_once_one_adds_a_key(database: Database) {
    let (one, two) = (another(&database).await, another(&database).await);
    one.join(terms(500, 60), new_key(0)).await.unwrap();
    for newest in 1..20 {
        let first = one.add_key(new_key(newest), 60);
        let second = two.add_key(new_key(newest), 60);
        let (first, second) = tokio::join!(first, second);
        assert_ne!(first.unwrap(), second.unwrap());
    }
    let keys = two.keys().await.unwrap();
    assert!(keys.iter().map(|key| key.place).eq(1..=20));
}

async fn a_key_is_kept_with_the_longest_lifetime_of_any_replica(database: Database) {
    let store = another(&database).await;
    let lifetimes = async || {
        let keys = store.keys().await.unwrap();
        keys.iter().map(|key| key.lifetime_s).collect::<Vec<_>>()
    };
    store.join(terms(500, 60), new_key(0)).await.unwrap();
    assert_eq!(lifetimes().await, [60]);
    store.join(terms(500, 3600), new_key(0)).await.unwrap();
    store.join(terms(500, 60), new_key(0)).await.unwrap();
    assert_eq!(lifetimes().await, [3600]);
    assert!(store.add_key(new_key(1), 60).await.unwrap());
    assert_eq!(lifetimes().await, [3600, 3600]);
}

async fn a_key_removed_is_gone_and_its_place_is_not_given_again(database: Database) {
    let store = another(&database).await;
    store.join(terms(500, 60), new_key(0)).await.unwrap();
    assert!(store.add_key(new_key(1), 60).await.unwrap());
    store.remove_keys(&[1, 7]).await.unwrap();
    assert!(store.add_key(new_key(2), 60).await.unwrap());
    let keys = store.keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| key.place).collect::<Vec<_>>(), [2, 3]);
}

async fn the_longest_lease_of_any_replica_is_the_time_to_wait(database: Database) {
    let store = another(&database).await;
    for (number, (lease, longest)) in [(500, 500), (2000, 2000), (100, 2000)]
        .into_iter()
        .enumerate()
    {
        store.join(terms(lease, 60), new_key(0)).await.unwrap();
        let number = u16::try_from(number).unwrap();
        let wait = store.revoke(token(number), 9).await.unwrap();
        assert_eq!(wait, Duration::from_millis(longest));
    }
}

async fn a_token_is_revoked_once_and_forgotten_when_it_has_expired(database: Database) {
    let store = another(&database).await;
    for (number, expires_at) in [(1, 100), (2, 200), (1, 100)] {
        store.revoke(token(number), expires_at).await.unwrap();
    }
    let revoked = |sequence, number, expires_at_s| Revocation {
        sequence,
        token: token(number),
        expires_at_s,
    };
    let all = store.revocations_after(0).await.unwrap();
    assert_eq!(all, [revoked(1, 1, 100), revoked(2, 2, 200)]);
    assert_eq!(store.revocations_after(1).await.unwrap(), all[1..]);
    store.forget_revocations(99).await.unwrap();
    assert_eq!(store.revocations_after(0).await.unwrap(), all);
    store.forget_revocations(100).await.unwrap();
    assert_eq!(store.revocations_after(0).await.unwrap(), all[1..]);
}

/// Many revoke at once on two replicas, and a third reads on and on, from where it was.
async fn whoever_reads_on_misses_no_revocation(database: Database) {
    const EACH: u16 = 40;
    const WRITERS: u16 = 8;
    let reader = another(&database).await;
    let stores = [another(&database).await, another(&database).await];
    let writing = (0..WRITERS).map(|writer| {
        let store = stores[usize::from(writer % 2)].clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                revoke(&*store, token(writer * EACH + number)).await;
            }
        })
    });
    let writing: Vec<_> = writing.collect();
    let mut seen = BTreeSet::new();
    let mut last = 0;
    loop {
        let done = writing.iter().all(tokio::task::JoinHandle::is_finished);
        for revocation in reader.revocations_after(last).await.unwrap() {
            last = revocation.sequence;
            assert!(seen.insert(*revocation.token.as_bytes().first_chunk::<2>().unwrap()));
        }
        if done {
            break;
        }
    }
    try_join_all(writing).await.unwrap();
    assert_eq!(seen.len(), usize::from(EACH * WRITERS));
}

/// Revokes a token, and asks again as long as the store says that it is busy, as a client does: on
/// a machine whose disk is slow, all these writers wait longer than a request may.
async fn revoke(store: &dyn Store, token: TokenId) {
    loop {
        match store.revoke(token, 9).await {
            Err(StoreError::Failed(error)) if Failure::of(&error) == Failure::Busy => {}
            done => {
                done.unwrap();
                break;
            }
        }
    }
}

async fn what_was_acknowledged_is_there_after_a_restart(database: Database) {
    let store = another(&database).await;
    store.join(terms(500, 60), new_key(0)).await.unwrap();
    assert!(store.register(&account("a", "1")).await.unwrap());
    assert!(store.grant("a", Role::Admin).await.unwrap());
    store.revoke(token(1), 9).await.unwrap();
    let key = store.keys().await.unwrap().remove(0).pkcs8;
    store.close().await;
    let store = another(&database).await;
    let kept = store.account("a").await.unwrap().unwrap();
    assert_eq!(kept.roles, [Role::User, Role::Admin]);
    assert_eq!(store.revocations_after(0).await.unwrap().len(), 1);
    assert!(store.keys().await.unwrap().remove(0).pkcs8 == key);
}
