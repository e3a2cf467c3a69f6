//! What is asked of Jaeger, and what becomes of answers that are none.

use axum::{
    Router,
    body::Body,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    task::spawn_blocking,
    time::{Duration, Instant, advance, sleep},
};
use traces::{Jaeger, JaegerError, Span, TraceId, decode, jaeger::ANSWER_LIMIT};

const TRACE: &str = "5b8aa5a2d2c872e8321cf37308d69df2";

/// The answer of Jaeger 1.76 (v2) to a span that was sent to it.
const ANSWER: &str = r#"{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"auth"}}]},"scopeSpans":[{"scope":{},"spans":[{"traceId":"5b8aa5a2d2c872e8321cf37308d69df2","spanId":"051581bf3cb55c13","name":"GET /","kind":2,"startTimeUnixNano":"1795312541744000000","endTimeUnixNano":"1795312541745000000","attributes":[{"key":"b","value":{"boolValue":true}},{"key":"x.int","value":{"intValue":"42"}}],"events":[{"timeUnixNano":"1795312541744000001","name":"ev","attributes":[{"key":"k","value":{"stringValue":"v"}}]}],"status":{"code":2}}]}]},{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"auth"}}]},"scopeSpans":[{"scope":{}}]}]}}"#;

fn id() -> TraceId {
    TRACE.parse().unwrap()
}

/// Somebody who answers everything with `answer`.
async fn answering(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Jaeger {
    serving(Router::new().fallback(async move || answer())).await
}

async fn serving(app: Router) -> Jaeger {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    Jaeger::at(&url.parse().unwrap()).unwrap()
}

/// Does `work` in a time that passes in steps, each of which gives the sockets 25 ms of real time.
///
/// By itself a paused clock jumps to the next timer as soon as nobody has anything to do, and what
/// the kernel has still to carry counts for nothing: a request that is on its way could have its
/// ten seconds gone.
async fn in_steps<T>(step: Duration, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = pass(step) => match never {},
    }
}

async fn pass(step: Duration) -> Infallible {
    loop {
        // The clock does not jump while a thread is at work; the sockets are looked at after each
        // piece, however busy the machine is.
        for _ in 0..5 {
            let piece = spawn_blocking(|| thread::park_timeout(Duration::from_millis(5)));
            piece.await.unwrap();
        }
        // A timer fires at the next whole millisecond.
        advance(step + Duration::from_millis(1)).await;
    }
}

/// A pause between two rounds.
const PAUSE: Duration = Duration::from_millis(500);

/// So many traces of which nothing is known.
fn unknown(count: u128) -> BTreeMap<TraceId, Vec<Span>> {
    let id = |n| (TraceId::new(n).unwrap(), Vec::new());
    (1..=count).map(id).collect()
}

/// What is said of `answer`: it always names the URL.
async fn said(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> String {
    let jaeger = answering(answer).await;
    let error = jaeger.trace(id()).await.unwrap_err().to_string();
    let url = format!("{}api/v3/traces/{TRACE}: ", jaeger.url());
    error
        .strip_prefix(&url)
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned()
}

#[tokio::test]
async fn the_spans_of_a_trace_are_read_and_of_an_unknown_one_there_are_none() {
    let jaeger = answering(|| ANSWER.into_response()).await;
    let spans = decode(&jaeger.trace(id()).await.unwrap().unwrap()).spans;
    assert_eq!((spans.len(), &*spans[0].service), (1, "auth"));
    assert_eq!((spans[0].trace, spans[0].error), (id(), true));
    let unknown = || (StatusCode::NOT_FOUND, r#"{"error":{"httpCode":404}}"#).into_response();
    assert!(
        answering(unknown)
            .await
            .trace(id())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn services_are_listed_also_of_a_jaeger_that_has_none_yet() {
    for (answer, services) in [
        (
            r#"{"services":["auth","gateway"]}"#,
            &["auth", "gateway"][..],
        ),
        (r#"{"services":null}"#, &[]),
        ("{}", &[]),
    ] {
        let jaeger = answering(move || answer.into_response()).await;
        assert_eq!(jaeger.services().await.unwrap(), services);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_named_with_its_url_and_with_what_was_expected() {
    let page = || {
        (
            [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
            "<html>",
        )
            .into_response()
    };
    assert!(said(page).await.contains("a web page; expected: JSON"));
    let broken = || (StatusCode::SERVICE_UNAVAILABLE, "no\nstorage").into_response();
    assert_eq!(
        said(broken).await,
        "answered with 503 Service Unavailable (no storage); expected: 200, or 404 for what is not there"
    );
    let away = || (StatusCode::FOUND, [(header::LOCATION, "http://other/")]).into_response();
    assert!(
        said(away)
            .await
            .starts_with("refers to http://other/; expected")
    );
    for (body, why) in [
        ("nonsense", "something else than OTLP/JSON spans: expected"),
        ("{}", "neither `result` nor `error`"),
        (r#"{"error":{"message":"no storage"}}"#, "no storage"),
        (&ANSWER[..300], "EOF"),
    ] {
        let said = said(move || body.into_response()).await;
        assert!(said.contains(why), "{said}");
    }
    let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(10_000));
    let said = said(move || long.clone().into_response()).await;
    assert!(said.len() < 300, "{said}");
}

#[tokio::test]
async fn an_answer_without_end_is_left_where_the_limit_is() {
    let part = Bytes::from(vec![b' '; 1 << 20]);
    let sent: &'static AtomicUsize = Box::leak(Box::default());
    let endless = move || {
        let (part, state) = (part.clone(), ());
        let stream = futures_util::stream::unfold(state, move |()| {
            let part = part.clone();
            async move {
                sent.fetch_add(part.len(), Relaxed);
                Some((Ok::<_, std::io::Error>(part), ()))
            }
        });
        Body::from_stream(stream).into_response()
    };
    assert_eq!(said(endless).await, "answered with more than 16 MiB");
    // What is on its way is buffered by the sockets.
    assert!(sent.load(Relaxed) < 4 * ANSWER_LIMIT);
}

#[tokio::test]
async fn an_answer_that_breaks_off_and_nobody_at_all_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let begin = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"result\":";
        stream.write_all(begin).await.unwrap();
    });
    let jaeger = Jaeger::at(&url.parse().unwrap()).unwrap();
    let error = jaeger.trace(id()).await.unwrap_err();
    assert!(matches!(error, JaegerError::BrokenOff { .. }), "{error}");

    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let jaeger = Jaeger::at(&url.parse().unwrap()).unwrap();
    let error = jaeger.trace(id()).await.unwrap_err();
    assert!(matches!(error, JaegerError::Silent { .. }), "{error}");
    assert!(error.to_string().contains("can't be reached"), "{error}");
}

#[test]
fn an_address_that_cannot_be_jaegers_is_refused_with_what_is_allowed() {
    for url in [
        "https://jaeger",
        "ftp://jaeger",
        "http://jaeger/?q=1",
        "http://jaeger/#x",
    ] {
        let error = Jaeger::at(&url.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("allowed: the HTTP port"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_never_comes_is_not_waited_for_without_end() {
    let jaeger = answering(|| StatusCode::NOT_FOUND.into_response()).await;
    let traces = BTreeMap::from([(id(), Vec::new())]);
    let mut taken = 0;
    let gathered = jaeger.gather(traces, |_| (), |_| taken += 1);
    let gathered = in_steps(PAUSE, gathered).await.unwrap();
    assert_eq!((gathered.whole, gathered.broken), (0, 1));
    assert_eq!(taken, 1, "whatever there is, which is nothing");
}

#[tokio::test(start_paused = true)]
async fn spans_that_come_late_are_waited_for() {
    let asked: &'static AtomicUsize = Box::leak(Box::default());
    let late = || match asked.fetch_add(1, Relaxed) {
        ..5 => StatusCode::NOT_FOUND.into_response(),
        _ => ANSWER.into_response(),
    };
    let jaeger = answering(late).await;
    let traces = BTreeMap::from([(id(), Vec::new())]);
    let mut taken = Vec::new();
    let take = |spans: &_| taken.extend(decode(spans).spans);
    let gathered = jaeger.gather(traces, |_| (), take);
    let gathered = in_steps(PAUSE, gathered).await.unwrap();
    assert_eq!((gathered.whole, gathered.broken, taken.len()), (1, 0, 1));
    assert_eq!(asked.load(Relaxed), 6);
}

#[tokio::test(start_paused = true)]
async fn a_jaeger_that_goes_on_failing_is_an_error_and_no_result() {
    let jaeger = answering(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    let traces = BTreeMap::from([(id(), Vec::new())]);
    let gathered = jaeger.gather(traces, |_| (), |_| ());
    let error = in_steps(PAUSE, gathered).await.unwrap_err();
    assert!(error.to_string().contains("500"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_cannot_be_fetched_costs_no_other() {
    let bad = TraceId::new(2).unwrap().to_string();
    let answer = async move |uri: Uri| {
        if uri.path().ends_with(&bad) {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        ANSWER.into_response()
    };
    let jaeger = serving(Router::new().fallback(answer)).await;
    let (mut taken, told) = (0, AtomicUsize::new(0));
    let tell = |whole| told.store(whole, Relaxed);
    let gathered = jaeger.gather(unknown(3), tell, |_| taken += 1);
    let gathered = in_steps(PAUSE, gathered).await.unwrap();
    assert_eq!((gathered.whole, gathered.broken, taken), (2, 1, 2));
    assert_eq!(told.load(Relaxed), 2);
    let error = gathered.error.unwrap().to_string();
    assert!(error.contains("500"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_jaeger_that_hangs_is_given_up_within_a_minute_however_many_traces_there_are() {
    let jaeger = serving(Router::new().fallback(pending::<()>)).await;
    let begin = Instant::now();
    let gathered = jaeger.gather(unknown(10_000), |_| (), |_| ());
    let error = in_steps(PAUSE, gathered).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 10 s"), "{error}");
    assert!(begin.elapsed() < Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn of_a_jaeger_that_is_slow_is_taken_what_it_gives_in_six_minutes() {
    const TIME: Duration = Duration::from_secs(5);
    let slow = async || {
        sleep(TIME).await;
        ANSWER
    };
    let jaeger = serving(Router::new().fallback(slow)).await;
    let begin = Instant::now();
    let told = AtomicUsize::new(0);
    let tell = |_| _ = told.fetch_add(1, Relaxed);
    let gathered = jaeger.gather(unknown(1_000), tell, |_| ());
    let gathered = in_steps(TIME, gathered).await.unwrap();
    // Eight at a time, each for five seconds, twice for three minutes: 576 at most.
    assert!((540..=576).contains(&gathered.whole), "{}", gathered.whole);
    assert_eq!(gathered.broken, 1_000 - gathered.whole);
    assert_eq!(told.load(Relaxed), gathered.whole, "told after each");
    assert!(begin.elapsed() < Duration::from_mins(7));
}
