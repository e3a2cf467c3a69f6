//! Who may do what: the one place that says so.
//!
//! |              | their own | another's | an auditor, another's | an admin, another's |
//! |--------------|-----------|-----------|-----------------------|---------------------|
//! | read a page  | yes       | no        | no                    | yes                 |
//! | write a page | yes       | no        | no                    | no                  |
//! | read events  | no        | no        | yes                   | yes                 |
//!
//! Whoever may not is told so before anything is looked up: the answer does not say whether
//! what they asked for exists.

use crate::{bearer::Bearer, chain::Chain};
use axum::extract::FromRequestParts;
use chassis::{Refusal, RequestContext};
use http::request::Parts;
use std::sync::Arc;
use types::auth::Role;

/// A user, as auth knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Their identifier.
    pub id: String,
    /// What they may do beyond what everybody may.
    pub roles: Vec<Role>,
}

/// Finds out whose token the request carries. A body is read only after that: nobody whose
/// token is not good gets room for one.
impl FromRequestParts<Arc<Chain>> for User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, chain: &Arc<Chain>) -> Result<Self, Refusal> {
        let Bearer(token) = Bearer::from_request_parts(parts, chain).await?;
        let Ok(context) = RequestContext::from_request_parts(parts, chain).await;
        let user = chain.who(&context, token).await?;
        user.ok_or_else(|| Refusal::unauthorized("the token is not good, or no longer"))
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish<'a> {
    /// Read the page of this user.
    ReadPage(&'a str),
    /// Write to the page of this user.
    WritePage(&'a str),
    /// Read what was recorded of everybody.
    ReadEvents,
}

impl User {
    /// Refuses what the user may not do.
    pub(crate) fn check(&self, wish: Wish<'_>) -> Result<(), Refusal> {
        if self.may(wish) {
            return Ok(());
        }
        Err(Refusal::forbidden(match wish {
            Wish::ReadPage(_) => "user: not yours; allowed: your own, or the role admin",
            Wish::WritePage(_) => "user: not yours; allowed: your own",
            Wish::ReadEvents => "allowed: the roles auditor and admin",
        }))
    }

    fn may(&self, wish: Wish<'_>) -> bool {
        let has = |role| self.roles.contains(&role);
        match wish {
            Wish::ReadPage(owner) => self.id == owner || has(Role::Admin),
            Wish::WritePage(owner) => self.id == owner,
            Wish::ReadEvents => has(Role::Auditor) || has(Role::Admin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(roles: &[Role]) -> User {
        User {
            id: "me".to_owned(),
            roles: [&[Role::User], roles].concat(),
        }
    }

    #[test]
    fn the_table_holds_cell_by_cell() {
        let plain: &[Role] = &[];
        let wishes = |owner| {
            [
                Wish::ReadPage(owner),
                Wish::WritePage(owner),
                Wish::ReadEvents,
            ]
        };
        for (roles, owner, expected) in [
            (plain, "me", [true, true, false]),
            (plain, "other", [false, false, false]),
            (&[Role::Auditor], "me", [true, true, true]),
            (&[Role::Auditor], "other", [false, false, true]),
            (&[Role::Admin], "me", [true, true, true]),
            (&[Role::Admin], "other", [true, false, true]),
        ] {
            let found = wishes(owner).map(|wish| user(roles).check(wish).is_ok());
            assert_eq!(found, expected, "{roles:?} on {owner}");
        }
    }

    #[test]
    fn a_role_that_auth_does_not_name_gives_nothing() {
        let nobody = User {
            id: "me".to_owned(),
            roles: Vec::new(),
        };
        assert!(nobody.check(Wish::ReadEvents).is_err());
        assert!(nobody.check(Wish::ReadPage("other")).is_err());
    }
}
