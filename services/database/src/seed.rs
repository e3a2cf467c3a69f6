//! Records to try things with.

use crate::store::{Store, StoreError, Write};
use serde_json::json;

/// How many users' records are kept in one transaction.
const CHUNK: u32 = 1000;

/// Creates the records of the pages of `user-1` to `user-N`, where missing.
pub(crate) async fn records(store: &dyn Store, users: u32) -> Result<(), StoreError> {
    for first in (1..=users).step_by(CHUNK as usize) {
        let last = users.min(first + CHUNK - 1);
        let writes: Vec<_> = (first..=last).flat_map(page).collect();
        store.create_missing(&writes).await?;
    }
    Ok(())
}

/// The records `user-K-1` to `user-K-3`.
fn page(user: u32) -> impl Iterator<Item = Write> {
    (1..=3).map(move |place| Write {
        collection: "pages".to_owned(),
        key: format!("user-{user}-{place}"),
        value: json!({ "title": format!("Note {place}"), "text": format!("Kept for user {user}.") }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;
    use stores::StoreUrl;

    #[tokio::test]
    async fn seeding_again_adds_what_is_missing_and_leaves_the_rest() {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        records(&store, 1).await.unwrap();
        let changed = Write {
            value: json!("changed"),
            ..page(1).next().unwrap()
        };
        store.put(changed, None).await.unwrap();
        records(&store, CHUNK + 1).await.unwrap();
        let keys = ["user-1-1", "user-1-2", "user-1001-3", "user-1002-1"];
        let found = store.records("pages", &keys).await.unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].version, &found[0].value), (2, &json!("changed")));
        assert_eq!(found[1].version, 1);
    }
}
