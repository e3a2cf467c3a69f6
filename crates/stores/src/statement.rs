//! A span for each statement that is executed for a request.
//!
//! The spans are those of the semantic conventions for databases
//! (<https://opentelemetry.io/docs/specs/semconv/db/database-spans/>), named by what a statement
//! does and to which table. The values that are bound to it are in none of them, and neither is
//! its text. Outside of a sampled request there are no spans: statements of background work, and
//! the `ROLLBACK` of a transaction that was given up, belong to no request.

use crate::Failure;
use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use opentelemetry::{
    KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, Status},
};
use opentelemetry_sdk::trace::Span;
use opentelemetry_semantic_conventions::attribute as semconv;
use sqlx::{
    Database, Either, Error, Execute, Executor, Postgres, SqlStr, Sqlite, error::DatabaseError,
};
use std::future::Future;
use telemetry::AnchoredClock;
use types::{Outcome, attribute};

/// A database whose statements are spans.
pub(crate) trait Engine: Database {
    /// Its `db.system.name`.
    const SYSTEM: &'static str;
}

impl Engine for Sqlite {
    const SYSTEM: &'static str = "sqlite";
}

impl Engine for Postgres {
    const SYSTEM: &'static str = "postgresql";
}

/// Does `work`, which executes `sql`, within a span of its own.
pub(crate) async fn traced<DB: Engine, T>(
    sql: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let span = StatementSpan::start::<DB>(sql);
    let result = work.await;
    if let Some(span) = span {
        span.end(result.as_ref().err());
    }
    result
}

/// The span of a statement under way. Dropped before its end, the statement was given up.
struct StatementSpan {
    span: Span,
    clock: AnchoredClock,
    ended: bool,
}

impl StatementSpan {
    fn start<DB: Engine>(sql: &str) -> Option<Self> {
        let (span, clock) = telemetry::request::start_span(|| describe(DB::SYSTEM, sql))?;
        Some(Self {
            span,
            clock,
            ended: false,
        })
    }

    fn end(mut self, error: Option<&Error>) {
        match error {
            None => self.set_outcome(Outcome::Ok),
            Some(error) => {
                let code = error.as_database_error().and_then(DatabaseError::code);
                if let Some(code) = &code {
                    let code = KeyValue::new(semconv::DB_RESPONSE_STATUS_CODE, code.to_string());
                    self.span.set_attribute(code);
                }
                let kind = Failure::of(error).as_str();
                self.fail(code.map_or_else(|| kind.to_owned(), Into::into));
            }
        }
        self.ended = true;
    }

    fn fail(&mut self, error: String) {
        self.set_outcome(Outcome::Failed);
        self.span.set_status(Status::error(error.clone()));
        self.span
            .set_attribute(KeyValue::new(semconv::ERROR_TYPE, error));
    }

    fn set_outcome(&mut self, outcome: Outcome) {
        let outcome = KeyValue::new(attribute::OUTCOME, outcome.as_str());
        self.span.set_attribute(outcome);
    }
}

impl Drop for StatementSpan {
    fn drop(&mut self) {
        if !self.ended {
            self.fail("cancelled".to_owned());
        }
        self.span.end_with_timestamp(self.clock.now());
    }
}

fn describe(system: &'static str, sql: &str) -> SpanBuilder {
    let Summary { operation, table } = Summary::of(sql);
    let mut attributes = Vec::with_capacity(8);
    attributes.extend([
        KeyValue::new(semconv::DB_SYSTEM_NAME, system),
        KeyValue::new(semconv::DB_OPERATION_NAME, operation.clone()),
    ]);
    let summary = match table {
        Some(table) => {
            let table = table.to_owned();
            attributes.push(KeyValue::new(semconv::DB_COLLECTION_NAME, table.clone()));
            format!("{operation} {table}")
        }
        None => operation,
    };
    attributes.push(KeyValue::new(semconv::DB_QUERY_SUMMARY, summary.clone()));
    SpanBuilder::from_name(summary)
        .with_kind(SpanKind::Client)
        .with_attributes(attributes)
}

/// What a statement does, and to which table.
struct Summary<'a> {
    /// Its first word, in capitals.
    operation: String,
    table: Option<&'a str>,
}

impl<'a> Summary<'a> {
    fn of(sql: &'a str) -> Self {
        let mut words = sql.split_whitespace();
        let operation = words.next().unwrap_or_default().to_ascii_uppercase();
        let table = match &*operation {
            "SELECT" | "DELETE" => after(words, &["FROM", "JOIN"]).find_map(table),
            "INSERT" => after(words, &["INTO"]).find_map(name),
            "UPDATE" => words.next().and_then(name),
            _ => None,
        };
        Self { operation, table }
    }
}

/// The words that stand after one of `keywords`.
fn after<'a>(
    words: impl Iterator<Item = &'a str> + Clone,
    keywords: &[&str],
) -> impl Iterator<Item = &'a str> {
    let is_keyword = |word: &str| keywords.iter().any(|key| key.eq_ignore_ascii_case(word));
    let pairs = words.clone().zip(words.skip(1));
    pairs.filter_map(move |(word, next)| is_keyword(word).then_some(next))
}

/// The name at the start of a word; none of a statement in parentheses.
fn name(word: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let name = word.split(|c| !is_part(c)).next();
    name.filter(|name| !name.is_empty())
}

/// The table that a word names; none if it is called like a function.
fn table(word: &str) -> Option<&str> {
    name(word).filter(|name| !word[name.len()..].starts_with('('))
}

/// Executes statements by `E`, each within a span.
#[derive(Debug)]
pub(crate) struct Traced<E>(pub E);

/// A statement that was looked into: its text and the values bound to it.
type Opened<DB> = (SqlStr, Option<<DB as Database>::Arguments>);

/// Takes a statement apart to read its text, which cannot be read in any other way.
fn open<'q, DB: Database>(mut query: impl Execute<'q, DB>) -> Result<Opened<DB>, Error> {
    let arguments = query.take_arguments().map_err(Error::Encode)?;
    Ok((query.sql(), arguments))
}

impl<'c, E> Executor<'c> for Traced<E>
where
    E: Executor<'c>,
    E::Database: Engine,
{
    type Database = E::Database;

    fn fetch_many<'e, 'q: 'e, Q>(
        self,
        query: Q,
    ) -> BoxStream<'e, Result<Step<Self::Database>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Self::Database>,
    {
        match open(query) {
            Ok(query) => {
                let span = StatementSpan::start::<Self::Database>(query.0.as_str());
                watched(self.0.fetch_many(query), span)
            }
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, Q>(
        self,
        query: Q,
    ) -> BoxFuture<'e, Result<Option<<Self::Database as Database>::Row>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Self::Database>,
    {
        match open(query) {
            Ok(query) => {
                let sql = query.0.clone();
                let work = self.0.fetch_optional(query);
                async move { traced::<Self::Database, _>(sql.as_str(), work).await }.boxed()
            }
            Err(error) => future::ready(Err(error)).boxed(),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Self::Database as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Self::Database as Database>::Statement, Error>>
    where
        'c: 'e,
    {
        self.0.prepare_with(sql, parameters)
    }
}

/// What comes of a statement: how many rows it changed, or a row.
pub(crate) type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// Ends `span` with the last of `steps`.
fn watched<'e, T: Send + 'e>(
    steps: BoxStream<'e, Result<T, Error>>,
    span: Option<StatementSpan>,
) -> BoxStream<'e, Result<T, Error>> {
    let Some(span) = span else { return steps };
    stream::unfold(Some((steps, span)), |state| async move {
        let (mut steps, span) = state?;
        match steps.next().await {
            Some(Err(error)) => {
                span.end(Some(&error));
                Some((Err(error), None))
            }
            Some(step) => Some((step, Some((steps, span)))),
            None => {
                span.end(None);
                None
            }
        }
    })
    .boxed()
}

/// Makes `$outer` an executor for `$database` of statements that are spans; `$inner` executes
/// them.
macro_rules! traced_executor {
    ($life:lifetime, $outer:ty, $database:ty, |$this:ident| $inner:expr) => {
        impl<$life> sqlx::Executor<$life> for $outer {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, Q>(
                self,
                query: Q,
            ) -> futures_util::stream::BoxStream<
                'e,
                Result<$crate::statement::Step<$database>, sqlx::Error>,
            >
            where
                $life: 'e,
                Q: 'q + sqlx::Execute<'q, $database>,
            {
                let $this = self;
                $crate::statement::Traced($inner).fetch_many(query)
            }

            fn fetch_optional<'e, 'q: 'e, Q>(
                self,
                query: Q,
            ) -> futures_util::future::BoxFuture<
                'e,
                Result<Option<<$database as sqlx::Database>::Row>, sqlx::Error>,
            >
            where
                $life: 'e,
                Q: 'q + sqlx::Execute<'q, $database>,
            {
                let $this = self;
                $crate::statement::Traced($inner).fetch_optional(query)
            }

            fn prepare_with<'e>(
                self,
                sql: sqlx::SqlStr,
                parameters: &'e [<$database as sqlx::Database>::TypeInfo],
            ) -> futures_util::future::BoxFuture<
                'e,
                Result<<$database as sqlx::Database>::Statement, sqlx::Error>,
            >
            where
                $life: 'e,
            {
                let $this = self;
                $crate::statement::Traced($inner).prepare_with(sql, parameters)
            }
        }
    };
}

pub(crate) use traced_executor;

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(sql: &str) -> String {
        let Summary { operation, table } = Summary::of(sql);
        format!("{operation} {}", table.unwrap_or("-"))
    }

    #[test]
    fn a_statement_is_summed_up_by_what_it_does_and_its_first_table() {
        for (sql, expected) in [
            ("SELECT sequence, hash FROM head FOR UPDATE", "SELECT head"),
            ("\n  select a\n  from b;", "SELECT b"),
            (
                "SELECT r.key FROM unnest($2::text[]) AS wanted JOIN records AS r ON true",
                "SELECT records",
            ),
            (
                "SELECT x FROM (SELECT y FROM inner_one)",
                "SELECT inner_one",
            ),
            ("SELECT pg_advisory_xact_lock($1)", "SELECT -"),
            ("INSERT INTO keys (a) SELECT b FROM others", "INSERT keys"),
            ("INSERT INTO queue(key) VALUES (?)", "INSERT queue"),
            (
                "UPDATE agreement SET a = a + 1 RETURNING a",
                "UPDATE agreement",
            ),
            ("DELETE FROM outbox WHERE id IN (SELECT 1)", "DELETE outbox"),
            ("BEGIN IMMEDIATE", "BEGIN -"),
            ("COMMIT", "COMMIT -"),
            ("", " -"),
        ] {
            assert_eq!(summary(sql), expected, "{sql}");
        }
    }
}
