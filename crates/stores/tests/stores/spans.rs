//! Statements as spans of the request for which they are executed.

use super::store;
use opentelemetry::{
    Context,
    trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use sqlx::{Executor, query, query_scalar};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use stores::{Postgres, Sqlite, StoreUrl};
use telemetry::request;
use testkit::postgres::cluster;

const STEPS: &[&str] = &["CREATE TABLE a (x INT)"];
/// What is bound to a statement, and may be in no span.
const SECRET: i32 = 735_311;

/// Keeps the spans that ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A request, and the spans below its own.
struct Request {
    context: Context,
    ended: Ended,
}

impl Request {
    fn new(sampler: Sampler) -> Self {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder().with_sampler(sampler);
        let provider = provider.with_span_processor(ended.clone()).build();
        let tracer = provider.tracer("test");
        let span = SpanBuilder::from_name("GET /").with_kind(SpanKind::Server);
        Self {
            context: request::start(&tracer, span, &Context::new()),
            ended,
        }
    }

    fn sampled() -> Self {
        Self::new(Sampler::AlwaysOn)
    }

    /// The names of the statements so far, all of which are children of the request's span.
    fn names(&self) -> Vec<String> {
        let span = self.context.span();
        for statement in &*self.ended.0.lock().unwrap() {
            assert_eq!(statement.parent_span_id, span.span_context().span_id());
            assert_eq!(statement.span_kind, SpanKind::Client);
        }
        let spans = self.ended.0.lock().unwrap();
        spans.iter().map(|span| span.name.to_string()).collect()
    }

    fn last(&self) -> SpanData {
        self.ended.0.lock().unwrap().last().unwrap().clone()
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let mut found = span.attributes.iter();
    let found = found.find(|pair| pair.key.as_str() == name)?;
    Some(found.value.to_string())
}

async fn sqlite() -> Sqlite {
    match "sqlite::memory:".parse() {
        Ok(StoreUrl::Sqlite(url)) => Sqlite::open(&url, STEPS).await.unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn postgres() -> Option<Postgres> {
    Some(store(cluster()?, 2, STEPS).await)
}

/// Writes and reads, within a transaction and without one.
macro_rules! write_and_read {
    ($store:expr, $readers:expr) => {
        async {
            let mut write = $store.write().await.unwrap();
            let insert = query("INSERT INTO a VALUES ($1)").bind(SECRET);
            insert.execute(&mut *write).await.unwrap();
            write.commit().await.unwrap();
            let select = query_scalar("SELECT x FROM a WHERE x = $1").bind(SECRET);
            let found: Vec<i32> = select.fetch_all($readers).await.unwrap();
            let none = query("SELECT x FROM a WHERE x = 0").fetch_optional($readers);
            assert_eq!((found, none.await.unwrap().is_none()), (vec![SECRET], true));
        }
    };
}

const WRITE_AND_READ: [&str; 5] = ["BEGIN", "INSERT a", "COMMIT", "SELECT a", "SELECT a"];

fn assert_described(request: &Request, system: &str) {
    assert_eq!(request.names(), WRITE_AND_READ);
    let spans = request.ended.0.lock().unwrap();
    for span in &*spans {
        let said = |name| attribute(span, name);
        assert_eq!(said("db.system.name").as_deref(), Some(system));
        assert_eq!(said("db.query.summary").as_deref(), Some(&*span.name));
        let (operation, table) = span.name.split_once(' ').unwrap_or((&span.name, ""));
        assert_eq!(said("db.operation.name").as_deref(), Some(operation));
        assert_eq!(said("db.collection.name").unwrap_or_default(), table);
        assert_eq!(said("nines.outcome").as_deref(), Some("ok"));
        assert_eq!((said("error.type"), &span.status), (None, &Status::Unset));
    }
    let all = format!("{spans:?}");
    assert!(
        !all.contains(&SECRET.to_string()) && !all.contains("VALUES"),
        "{all}"
    );
}

#[tokio::test]
async fn each_statement_of_a_request_is_a_span_of_it_without_the_values_bound_to_it() {
    let (request, store) = (Request::sampled(), sqlite().await);
    let work = write_and_read!(store, store.readers());
    work.with_context(request.context.clone()).await;
    assert_described(&request, "sqlite");
    let Some(store) = postgres().await else {
        return;
    };
    let request = Request::sampled();
    let work = write_and_read!(store, store.pool());
    work.with_context(request.context.clone()).await;
    assert_described(&request, "postgresql");
}

#[tokio::test]
async fn there_is_no_span_outside_of_a_sampled_request() {
    let (request, store) = (Request::new(Sampler::AlwaysOff), sqlite().await);
    let work = write_and_read!(store, store.readers());
    work.with_context(request.context.clone()).await;
    assert!(request.names().is_empty());
    let (request, store) = (Request::sampled(), sqlite().await);
    write_and_read!(store, store.readers()).await;
    assert!(request.names().is_empty());
}

fn assert_failed(request: &Request, name: &str, code: Option<&str>, error: &str) {
    let span = request.last();
    assert_eq!(span.name, name);
    let said = |name| attribute(&span, name);
    assert_eq!(said("db.response.status_code").as_deref(), code);
    assert_eq!(said("error.type").as_deref(), Some(error));
    assert_eq!(said("nines.outcome").as_deref(), Some("failed"));
    assert_eq!(span.status, Status::error(error.to_owned()));
}

#[tokio::test]
async fn a_statement_that_fails_says_with_which_code() {
    const SQL: &str = "SELECT x FROM a WHERE nothing = 1";
    let (request, store) = (Request::sampled(), sqlite().await);
    for _ in 0..2 {
        let all = async { store.readers().fetch_all(SQL).await };
        let all = all.with_context(request.context.clone()).await;
        all.unwrap_err();
        assert_failed(&request, "SELECT a", Some("1"), "1");
    }
    let Some(store) = postgres().await else {
        return;
    };
    let request = Request::sampled();
    let one = async { store.pool().fetch_optional(SQL).await };
    let one = one.with_context(request.context.clone()).await;
    one.unwrap_err();
    assert_failed(&request, "SELECT a", Some("42703"), "42703");
    let in_transaction = async {
        let mut write = store.write().await.unwrap();
        write.execute(SQL).await.unwrap_err();
    };
    in_transaction.with_context(request.context.clone()).await;
    assert_failed(&request, "SELECT a", Some("42703"), "42703");
}

#[tokio::test]
async fn a_statement_that_is_given_up_says_so() {
    let Some(store) = postgres().await else {
        return;
    };
    let request = Request::sampled();
    let sleep = async { store.pool().execute("SELECT pg_sleep(60)").await };
    let sleep = sleep.with_context(request.context.clone());
    let given_up = tokio::time::timeout(Duration::from_millis(10), sleep).await;
    assert!(given_up.is_err());
    assert_failed(&request, "SELECT", None, "cancelled");
}
