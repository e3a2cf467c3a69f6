//! What a user's page consists of: records, which are kept elsewhere.

use types::profile::{Page, View};

/// How many records a first page has.
const RECORDS: u32 = 3;

/// The page of a user who never chose another: `user-1`, `user-2`, `user-3` in `pages`. The
/// records need not be there yet.
pub(crate) fn first(user: &str) -> Page {
    Page {
        collection: "pages".to_owned(),
        keys: (1..=RECORDS)
            .map(|place| format!("{user}-{place}"))
            .collect(),
    }
}

/// The page of a user of whom `view` is kept.
pub(crate) fn of(view: View) -> Page {
    Page {
        collection: view.collection,
        keys: view.keys,
    }
}
