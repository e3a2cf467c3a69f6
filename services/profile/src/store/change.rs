//! A change of what is kept of a user: the same on every engine.

use super::{Change, Kept, StoreError, Written};
use crate::page;
use async_trait::async_trait;
use chassis::conditional::Preconditions;
use types::profile::{Page, Profile, PutProfile, View};

/// The statements that a change consists of, within one transaction of an engine.
#[async_trait]
pub(super) trait Transaction: Send {
    /// What is kept of `user`. From here on nobody else changes it, until the transaction ends.
    async fn current(&mut self, user: &str) -> Result<Option<Kept>, sqlx::Error>;
    /// Keeps this instead.
    async fn write(&mut self, kept: &Kept) -> Result<(), sqlx::Error>;
}

/// Makes `change`, except for the commit.
pub(super) async fn make(
    transaction: &mut impl Transaction,
    user: &str,
    change: &Change,
    expected: &Preconditions,
) -> Result<Written, StoreError> {
    let current = transaction.current(user).await?;
    let version = current.as_ref().map(|kept| kept.version);
    expected.check(version)?;
    let view = next(user, current.map(|kept| kept.view), change);
    let kept = Kept {
        view: view.ok_or(StoreError::Missing)?,
        version: version.unwrap_or_default() + 1,
    };
    transaction.write(&kept).await?;
    Ok(Written {
        kept,
        created: version.is_none(),
    })
}

/// What is there after `change`; a page without a profile is nothing.
fn next(user: &str, current: Option<View>, change: &Change) -> Option<View> {
    match change {
        Change::Profile(PutProfile {
            display_name,
            language,
        }) => {
            let Page { collection, keys } = current.map_or_else(|| page::first(user), page::of);
            let profile = Profile {
                user: user.to_owned(),
                display_name: display_name.clone(),
                language: language.clone(),
            };
            Some(View {
                profile,
                collection,
                keys,
            })
        }
        Change::Page(Page { collection, keys }) => current.map(|view| View {
            profile: view.profile,
            collection: collection.clone(),
            keys: keys.clone(),
        }),
    }
}
