//! Records to try things with.

use crate::store::{Place, Seed, Store, StoreError};
use serde_json::json;

/// How many users' records are kept in one transaction.
const CHUNK: u32 = 1000;

/// Creates the records of the pages of `user-1` to `user-N`, where missing.
pub(crate) async fn records(store: &dyn Store, users: u32) -> Result<(), StoreError> {
    for first in (1..=users).step_by(CHUNK as usize) {
        let last = users.min(first + CHUNK - 1);
        let seeds: Vec<_> = (first..=last).flat_map(page).collect();
        store.create_missing(&seeds).await?;
    }
    Ok(())
}

/// The records `user-K-1` to `user-K-3`.
fn page(user: u32) -> impl Iterator<Item = Seed> {
    (1..=3).map(move |place| Seed {
        place: Place {
            collection: "pages".to_owned(),
            key: format!("user-{user}-{place}"),
        },
        value:
            json!({ "title": format!("Note {place}"), "text": format!("Kept for user {user}.") })
                .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, tests::put};
    use testkit::{Database, on_every_engine};

    on_every_engine!(seeding_again_adds_what_is_missing_and_leaves_the_rest);

    async fn seeding_again_adds_what_is_missing_and_leaves_the_rest(database: Database) {
        let store = store::open(&database.url.parse().unwrap()).await.unwrap();
        records(&*store, 1).await.unwrap();
        let Place { collection, key } = page(1).next().unwrap().place;
        let changed = put(&collection, &key, json!("changed"));
        store.change(&changed).await.unwrap();
        records(&*store, CHUNK + 1).await.unwrap();
        let keys = ["user-1-1", "user-1-2", "user-1001-3", "user-1002-1"];
        let found = store.records("pages", &keys).await.unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(
            (found[0].version, &found[0].value),
            (2, &json!("changed").into())
        );
        assert_eq!(found[1].version, 1);
    }
}
