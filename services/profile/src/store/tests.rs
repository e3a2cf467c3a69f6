//! What the store promises, on every engine.

use super::*;
use axum::extract::FromRequestParts;
use futures_util::future::{join_all, try_join_all};
use http::{HeaderName, Request, header};
use testkit::{Database, on_every_engine};
use types::profile::Profile;

on_every_engine!(
    a_view_has_its_keys_in_the_order_of_the_page,
    what_exists_is_not_created_again_and_a_profile_keeps_its_page,
    of_many_who_have_read_the_same_version_one_writes,
    of_many_who_create_the_same_profile_one_does,
    writes_at_the_same_time_all_count,
    what_is_kept_is_there_after_a_restart,
);

async fn open_at(database: &Database) -> Arc<dyn Store> {
    open(&database.url.parse().unwrap()).await.unwrap()
}

fn view(name: &str, keys: &[&str]) -> View {
    View {
        profile: Profile {
            user: "ada".to_owned(),
            display_name: name.to_owned(),
            language: "en-GB".to_owned(),
        },
        collection: "other".to_owned(),
        keys: keys.iter().map(ToString::to_string).collect(),
    }
}

fn named(name: &str) -> Change {
    Change::Profile(PutProfile {
        display_name: name.to_owned(),
        language: "en-GB".to_owned(),
    })
}

fn page(keys: &[&str]) -> Change {
    let View {
        collection, keys, ..
    } = view("", keys);
    Change::Page(Page { collection, keys })
}

async fn only_if(header: HeaderName, value: &str) -> Preconditions {
    let request = Request::builder().header(header, value).body(()).unwrap();
    let mut parts = request.into_parts().0;
    Preconditions::from_request_parts(&mut parts, &())
        .await
        .unwrap()
}

async fn a_view_has_its_keys_in_the_order_of_the_page(database: Database) {
    let store = open_at(&database).await;
    let first = view("Ada", &["c", "a", "b"]);
    store
        .create_missing(std::slice::from_ref(&first))
        .await
        .unwrap();
    let kept = store.find("ada").await.unwrap().unwrap();
    assert_eq!((kept.view, kept.version), (first, 1));
    let always = Preconditions::default();
    for keys in [&["b", "z", "a"][..], &[]] {
        store.change("ada", &page(keys), &always).await.unwrap();
        let kept = store.find("ada").await.unwrap().unwrap();
        assert_eq!(kept.view, view("Ada", keys));
    }
    assert_eq!(store.find("bob").await.unwrap(), None);
    let refused = store.change("bob", &page(&[]), &always).await;
    assert!(matches!(refused, Err(StoreError::Missing)), "{refused:?}");
}

async fn what_exists_is_not_created_again_and_a_profile_keeps_its_page(database: Database) {
    let store = open_at(&database).await;
    store.create_missing(&[view("Ada", &["a"])]).await.unwrap();
    store.create_missing(&[view("Eve", &["b"])]).await.unwrap();
    assert_eq!(
        store.find("ada").await.unwrap().unwrap().view,
        view("Ada", &["a"])
    );
    let always = Preconditions::default();
    let written = store
        .change("ada", &named("Countess"), &always)
        .await
        .unwrap();
    assert_eq!((written.kept.version, written.created), (2, false));
    assert_eq!(written.kept.view, view("Countess", &["a"]));
    assert_eq!(store.find("ada").await.unwrap(), Some(written.kept));
}

async fn of_many_who_have_read_the_same_version_one_writes(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    one.create_missing(&[view("Ada", &[])]).await.unwrap();
    let first = only_if(header::IF_MATCH, "\"1\"").await;
    let (profile, page) = (named("Countess"), page(&["b"]));
    let changes = (0..16).map(|n| {
        let change = if n % 4 < 2 { &profile } else { &page };
        [&one, &two][n % 2].change("ada", change, &first)
    });
    let answers = join_all(changes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(two.find("ada").await.unwrap().unwrap().version, 2);
}

async fn of_many_who_create_the_same_profile_one_does(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    let new = only_if(header::IF_NONE_MATCH, "*").await;
    let change = named("Ada");
    let changes = (0..16).map(|n| [&one, &two][n % 2].change("ada", &change, &new));
    let answers = join_all(changes).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let kept = two.find("ada").await.unwrap().unwrap();
    assert_eq!((kept.version, &*kept.view.collection), (1, "pages"));
    assert_eq!(kept.view.keys, ["ada-1", "ada-2", "ada-3"]);
}

async fn writes_at_the_same_time_all_count(database: Database) {
    let (one, two) = (open_at(&database).await, open_at(&database).await);
    let (change, always) = (named("Ada"), Preconditions::default());
    let changes = (0..32).map(|n| [&one, &two][n % 2].change("ada", &change, &always));
    let answers = try_join_all(changes).await.unwrap();
    let mut versions: Vec<_> = answers.iter().map(|written| written.kept.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=32).collect::<Vec<_>>());
    assert_eq!(answers.iter().filter(|written| written.created).count(), 1);
}

async fn what_is_kept_is_there_after_a_restart(database: Database) {
    let store = open_at(&database).await;
    let always = Preconditions::default();
    store.change("ada", &named("Ada"), &always).await.unwrap();
    let written = store
        .change("ada", &page(&["b", "a"]), &always)
        .await
        .unwrap();
    store.close().await;
    let later = open_at(&database).await;
    assert_eq!(later.find("ada").await.unwrap(), Some(written.kept));
}
