//! Roles given at the start: `--grant ann=admin`.

use crate::store::{Store, StoreError};
use std::{fmt, str::FromStr};
use types::auth::Role;

/// A role for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    username: String,
    role: Role,
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed: NAME=ROLE, for example ann=auditor";
        let (username, role) = text.split_once('=').ok_or(allowed)?;
        let role = role
            .parse()
            .map_err(|error| format!("{role:?} is {error}"))?;
        let username = username.to_owned();
        Ok(Self { username, role })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.username, self.role)
    }
}

/// Why a role could not be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(
        "there is no account {0:?}; allowed: one that was registered, or that --seed-users creates"
    )]
    Nobody(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives the role. Given again, it changes nothing.
pub(crate) async fn carry_out(store: &dyn Store, grant: &Grant) -> Result<(), GrantError> {
    // Everybody has the first one without being given it.
    let role = Some(grant.role).filter(|role| *role != Role::User);
    let exists = match role {
        Some(role) => store.grant(&grant.username, role).await?,
        None => store.account(&grant.username).await?.is_some(),
    };
    if exists {
        Ok(())
    } else {
        Err(GrantError::Nobody(grant.username.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Account};
    use stores::StoreUrl;

    #[tokio::test]
    async fn a_role_is_given_once_to_somebody_who_is_there() {
        let store = store::open(&StoreUrl::MEMORY).await.unwrap();
        let ann = Account::new("ann".to_owned(), "hash".to_owned());
        store.create_missing(&[ann]).await.unwrap();
        for grant in ["ann=auditor", "ann=auditor", "ann=user"] {
            carry_out(&*store, &grant.parse().unwrap()).await.unwrap();
        }
        let roles = store.account("ann").await.unwrap().unwrap().roles;
        assert_eq!(roles, [Role::User, Role::Auditor]);
        for grant in ["bob=admin", "bob=user"] {
            let error = carry_out(&*store, &grant.parse().unwrap())
                .await
                .unwrap_err();
            assert!(error.to_string().contains("no account \"bob\""), "{error}");
        }
    }

    #[test]
    fn a_grant_is_a_name_and_a_role() {
        assert_eq!(
            "ann=admin".parse::<Grant>().unwrap().to_string(),
            "ann=admin"
        );
        for bad in ["ann", "ann=root", "ann=", ""] {
            let error = bad.parse::<Grant>().unwrap_err();
            assert!(error.contains("allowed:"), "{bad}: {error}");
        }
    }
}
