//! Profiles to try things with.

use crate::{
    page,
    store::{Store, StoreError},
};
use types::profile::{Page, Profile, View};

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

/// The page is the one that every new user gets.
fn view(number: u32) -> View {
    let user = format!("user-{number}");
    let Page { collection, keys } = page::first(&user);
    View {
        profile: Profile {
            display_name: format!("User {number}"),
            language: LANGUAGES[number as usize % LANGUAGES.len()].to_owned(),
            user,
        },
        collection,
        keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Change};
    use chassis::conditional::Preconditions;
    use testkit::{Database, on_every_engine};
    use types::profile::PutProfile;

    on_every_engine!(seeding_again_adds_what_is_missing_and_leaves_the_rest);

    async fn seeding_again_adds_what_is_missing_and_leaves_the_rest(database: Database) {
        let store = store::open(&database.url.parse().unwrap()).await.unwrap();
        profiles(&*store, 2).await.unwrap();
        let changed = Change::Profile(PutProfile {
            display_name: "Changed".to_owned(),
            language: "en".to_owned(),
        });
        let written = store
            .change("user-1", &changed, &Preconditions::default())
            .await
            .unwrap();
        assert_eq!(written.kept.view.keys, ["user-1-1", "user-1-2", "user-1-3"]);
        profiles(&*store, CHUNK + 1).await.unwrap();
        assert_eq!(store.find("user-1").await.unwrap(), Some(written.kept));
        let last = store.find("user-1001").await.unwrap().unwrap();
        assert_eq!((last.view, last.version), (view(1001), 1));
        assert_eq!(store.find("user-1002").await.unwrap(), None);
    }
}
