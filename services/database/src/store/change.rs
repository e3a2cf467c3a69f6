//! A change of a record, step by step: the same on every engine.

use super::{Change, Changed, Place, StoreError};
use crate::once::fingerprint;
use async_trait::async_trait;
use types::database::action;

/// What is kept of a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Current {
    /// The last version it had; 0 if it never had one.
    pub version: u64,
    /// Whether a record is there; not so after a deletion.
    pub exists: bool,
}

/// The answer that a change got, and what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub fingerprint: Vec<u8>,
    pub changed: Changed,
}

/// The statements that a change consists of, within one transaction of an engine.
#[async_trait]
pub(super) trait Transaction: Send {
    /// The answer kept under an idempotency key. From here on nobody else changes anything
    /// under the same key, until the transaction ends.
    async fn answer(&mut self, key: &str, now_ms: u64) -> Result<Option<Answer>, sqlx::Error>;
    /// What is there. From here on nobody else changes it, until the transaction ends.
    async fn current(&mut self, place: &Place) -> Result<Current, sqlx::Error>;
    /// Writes the version and the content; none where the record is deleted.
    async fn write(
        &mut self,
        place: &Place,
        version: u64,
        value: Option<String>,
    ) -> Result<(), sqlx::Error>;
    /// Keeps an answer, and lets go of some that are too old.
    async fn keep(&mut self, key: &str, answer: &Answer, now_ms: u64) -> Result<(), sqlx::Error>;
    /// Puts an event into the outbox.
    async fn announce(&mut self, event: &Announced<'_>) -> Result<(), sqlx::Error>;
}

/// An event for the audit log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced<'a> {
    pub place: &'a Place,
    pub version: u64,
    pub actor: &'a str,
    pub action: &'static str,
    pub request_id: &'a str,
}

/// Makes `change`, except for the commit.
///
/// The idempotency key comes before the preconditions: a client that repeats a write knows
/// only the version from before it. A change that does not happen is not kept under its key:
/// nothing was done that must not be done twice, and later it may be what is expected.
pub(super) async fn make(
    transaction: &mut impl Transaction,
    change: &Change,
) -> Result<Changed, StoreError> {
    let Some(key) = &change.once else {
        return apply(transaction, change).await;
    };
    let fingerprint = fingerprint(change);
    match transaction.answer(key, change.at_ms).await? {
        Some(earlier) if earlier.fingerprint == fingerprint => Ok(earlier.changed),
        Some(_) => Err(StoreError::KeyReused),
        None => {
            let changed = apply(transaction, change).await?;
            let answer = Answer {
                fingerprint,
                changed,
            };
            transaction.keep(key, &answer, change.at_ms).await?;
            Ok(changed)
        }
    }
}

async fn apply(transaction: &mut impl Transaction, change: &Change) -> Result<Changed, StoreError> {
    let current = transaction.current(&change.place).await?;
    let visible = current.exists.then_some(current.version);
    change.preconditions.check(visible)?;
    if change.value.is_none() && !current.exists {
        return Err(StoreError::Missing);
    }
    let version = current.version + 1;
    let value = change.value.as_ref().map(ToString::to_string);
    transaction.write(&change.place, version, value).await?;
    announce(transaction, change, version).await?;
    Ok(Changed {
        version,
        created: !current.exists,
    })
}

async fn announce(
    transaction: &mut impl Transaction,
    change: &Change,
    version: u64,
) -> Result<(), sqlx::Error> {
    let Some(author) = &change.event else {
        return Ok(());
    };
    let is_put = change.value.is_some();
    let event = Announced {
        place: &change.place,
        version,
        actor: &author.actor,
        action: if is_put { action::PUT } else { action::DELETE },
        request_id: &author.request_id,
    };
    transaction.announce(&event).await
}

impl From<(i64, bool)> for Current {
    fn from((version, exists): (i64, bool)) -> Self {
        Self {
            version: version.cast_unsigned(),
            exists,
        }
    }
}

impl From<(Vec<u8>, i64, bool)> for Answer {
    fn from((fingerprint, version, created): (Vec<u8>, i64, bool)) -> Self {
        Self {
            fingerprint,
            changed: Changed {
                version: version.cast_unsigned(),
                created,
            },
        }
    }
}
