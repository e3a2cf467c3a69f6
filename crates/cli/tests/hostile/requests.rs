//! Requests that are too large, too slow, or none at all.

use super::{
    chain, log_in, me,
    wire::{Wire, ask},
};
use std::{net::SocketAddr, thread};
use testkit::chain::Chain;

const MIB: usize = 1 << 20;

fn gateway(chain: &Chain) -> SocketAddr {
    chain.service("gateway").public()
}

/// A login whose head says what `headers` say, and whose body is this.
fn login(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /v1/login HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn login_with(body: &[u8]) -> Vec<u8> {
    login(&format!("content-length: {}\r\n", body.len()), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused_and_everybody_else_is_served() {
    let chain = chain();
    let token = log_in(&chain).await;
    let before = chain.service("gateway").pid();
    for bytes in [
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"\xff\xfe\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\nhost: t\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: t\r\nbad header\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: t\r\nx: a\0b\r\n\r\n".to_vec(),
        b"GET /\x7f HTTP/1.1\r\nhost: t\r\n\r\n".to_vec(),
        // The start of a conversation in HTTP/2, and of one in TLS.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        // Two lengths: one of them would let a second request be smuggled in.
        login("content-length: 4\r\ncontent-length: 5\r\n", b"{}{}{}"),
        login("content-length: -1\r\n", b"{}"),
        login("transfer-encoding: chunked, gzip\r\n", b"0\r\n\r\n"),
        login("transfer-encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
    ] {
        let status = ask(gateway(&chain), &bytes);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{shown:?}: {status:?}"
        );
    }
    assert_eq!(me(&chain, &token).await.0, 200);
    assert_eq!(chain.service("gateway").pid(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_or_a_body_that_is_too_large_is_refused_before_it_is_read() {
    let chain = chain();
    let long = "x".repeat(MIB);
    for head in [
        format!("GET /v1/me HTTP/1.1\r\nhost: t\r\nx: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nhost: t\r\n\r\n"),
        format!("GET /v1/me HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {long}\r\n\r\n"),
        format!(
            "GET /v1/me HTTP/1.1\r\nhost: t\r\n{}\r\n",
            "a: b\r\n".repeat(200)
        ),
    ] {
        let status = ask(gateway(&chain), head.as_bytes());
        assert!(matches!(status, Some(414 | 431) | None), "{status:?}");
    }
    let body = vec![b' '; 2 * MIB];
    assert_eq!(ask(gateway(&chain), &login_with(&body)), Some(413));
    let chunk = [
        format!("{:x}\r\n", body.len()).as_bytes(),
        &body,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let chunked = login("transfer-encoding: chunked\r\n", &chunk);
    assert_eq!(ask(gateway(&chain), &chunked), Some(413));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_slowly_is_cut_off_and_told_so() {
    let chain = chain();
    let address = gateway(&chain);
    let slow_head = thread::spawn(move || Wire::open(address).send(b"GET /v1/me HTT").status());
    let silent = thread::spawn(move || Wire::open(address).status());
    let slow_body = thread::spawn(move || ask(address, &login("content-length: 50\r\n", b"{")));
    // Nothing was asked, or nothing that can be answered.
    assert!(matches!(slow_head.join().unwrap(), None | Some(408)));
    assert!(matches!(silent.join().unwrap(), None | Some(408)));
    assert_eq!(slow_body.join().unwrap(), Some(408));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_means_harm_is_refused() {
    let chain = chain();
    let deep = "[".repeat(200_000);
    let wide = format!("[{}1]", "1,".repeat(200_000));
    let number = format!(
        "{{\"username\":1{},\"password\":\"x\"}}",
        "0".repeat(100_000)
    );
    for body in [
        deep.as_bytes(),
        wide.as_bytes(),
        number.as_bytes(),
        b"{\"username\":\"\xff\",\"password\":\"x\"}",
        b"{\"username\":\"\\ud800\",\"password\":\"x\"}",
        b"{\"username\":\"a\",\"username\":\"b\",\"password\":\"x\"}",
        b"{\"username\":\"a\",\"password\":\"x\",\"role\":\"admin\"}",
        b"\"\"",
        b"",
    ] {
        let status = ask(gateway(&chain), &login_with(body));
        assert!(matches!(status, Some(400 | 422)), "{status:?}");
    }
    let unknown = br#"{"username":"a' OR '1'='1","password":"x"}"#;
    assert_eq!(ask(gateway(&chain), &login_with(unknown)), Some(401));
}
