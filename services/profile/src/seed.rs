//! Profiles to try things with.

use crate::store::{Store, StoreError};
use types::profile::{Profile, View};

/// How many are kept in one transaction.
const CHUNK: u32 = 1000;
const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

/// Creates the profiles of `user-1` to `user-N`, where missing.
pub(crate) async fn profiles(store: &dyn Store, users: u32) -> Result<(), StoreError> {
    for first in (1..=users).step_by(CHUNK as usize) {
        let last = users.min(first + CHUNK - 1);
        let views: Vec<_> = (first..=last).map(view).collect();
        store.create_missing(&views).await?;
    }
    Ok(())
}

/// The page shows the records `user-K-1` to `user-K-3`.
fn view(number: u32) -> View {
    let user = format!("user-{number}");
    let keys = (1..=3).map(|place| format!("{user}-{place}")).collect();
    View {
        profile: Profile {
            display_name: format!("User {number}"),
            language: LANGUAGES[number as usize % LANGUAGES.len()].to_owned(),
            user,
        },
        collection: "pages".to_owned(),
        keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;
    use stores::StoreUrl;

    #[tokio::test]
    async fn seeding_again_adds_what_is_missing_and_leaves_the_rest() {
        let store = SqliteStore::open(&StoreUrl::MEMORY).await.unwrap();
        profiles(&store, 2).await.unwrap();
        let mut first = store.view("user-1").await.unwrap().unwrap();
        assert_eq!(first.keys, ["user-1-1", "user-1-2", "user-1-3"]);
        first.profile.display_name = "Changed".to_owned();
        store.put(&first.profile).await.unwrap();
        profiles(&store, CHUNK + 1).await.unwrap();
        assert_eq!(store.view("user-1").await.unwrap(), Some(first));
        assert_eq!(store.view("user-1001").await.unwrap(), Some(view(1001)));
        assert_eq!(store.view("user-1002").await.unwrap(), None);
    }
}
