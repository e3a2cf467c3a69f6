//! Accounts to try things with.

use crate::{
    password::{PasswordError, Passwords},
    store::{Account, Store, StoreError},
};
use futures_util::{StreamExt, TryStreamExt, stream};

/// How many are kept in one transaction.
const CHUNK: u32 = 64;

/// Why the accounts could not be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

/// Creates `user-1` to `user-N` with the passwords `password-1` to `password-N`, where missing.
pub(crate) async fn accounts(
    store: &dyn Store,
    passwords: &Passwords,
    users: u32,
) -> Result<(), SeedError> {
    for first in (1..=users).step_by(CHUNK as usize) {
        let last = users.min(first + CHUNK - 1);
        let missing = missing(store, first..=last).await?;
        if missing.is_empty() {
            continue;
        }
        let new = missing.into_iter().map(|number| account(passwords, number));
        let new = stream::iter(new).buffered(passwords.at_once().get());
        let new: Vec<_> = new.try_collect().await?;
        store.create_missing(&new).await?;
    }
    Ok(())
}

/// Those numbers whose users do not exist yet: a hash is made only where it is needed.
async fn missing(
    store: &dyn Store,
    numbers: impl Iterator<Item = u32>,
) -> Result<Vec<u32>, StoreError> {
    let mut missing = Vec::new();
    for number in numbers {
        if store.account(&format!("user-{number}")).await?.is_none() {
            missing.push(number);
        }
    }
    Ok(missing)
}

async fn account(passwords: &Passwords, number: u32) -> Result<Account, PasswordError> {
    let hash = passwords.hash(format!("password-{number}")).await?;
    Ok(Account::new(format!("user-{number}"), hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        password::tests::{cheap, work},
        store,
    };
    use stores::StoreUrl;

    #[tokio::test]
    async fn seeding_again_adds_what_is_missing_and_leaves_the_rest() {
        let store = store::open(&StoreUrl::MEMORY).await.unwrap();
        let passwords = cheap().await;
        accounts(&*store, &passwords, 2).await.unwrap();
        let first = store.account("user-1").await.unwrap().unwrap();
        accounts(&*store, &passwords, CHUNK + 2).await.unwrap();
        assert!(store.account("user-1").await.unwrap() == Some(first));
        let last = store.account("user-66").await.unwrap().unwrap();
        let good = passwords.check("password-66".to_owned(), Some(last.password_hash));
        assert!(good.await.unwrap());
        assert!(store.account("user-67").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn nothing_is_hashed_for_users_who_are_there() {
        let store = store::open(&StoreUrl::MEMORY).await.unwrap();
        let passwords = cheap().await;
        accounts(&*store, &passwords, 3).await.unwrap();
        let before = work(&passwords).await;
        accounts(&*store, &passwords, 3).await.unwrap();
        assert_eq!(work(&passwords).await, before);
    }
}
