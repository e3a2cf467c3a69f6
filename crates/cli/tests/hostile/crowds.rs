//! Very many connections, and very much in them: memory stays bounded, and others are served.

use super::{chain, chain_with, log_in, me, wire::Wire};
use std::fs;
use testkit::chain::Chain;

const MIB: usize = 1 << 20;
/// Connections that do nothing, or not enough.
const IDLE: usize = 600;
/// Requests with a large body that stops before its end.
const STALLED: usize = 150;
/// Requests that are complete, and too large for their sender.
const CROWD: usize = 100;
/// What the gateway may grow by for buffers, in MiB.
const BUFFERS: usize = 48;
/// And with the room for large bodies.
const GROWTH: usize = 64 + BUFFERS;

/// The most memory that the gateway has had so far, in MiB.
fn peak(chain: &Chain) -> usize {
    let pid = chain.service("gateway").pid().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_sends_much_and_ends_nothing_keeps_nobody_else_out() {
    // One end of each connection is a file of this process.
    chassis::raise_file_limit();
    let chain = chain();
    let token = log_in(&chain).await;
    let address = chain.service("gateway").public();
    let before = peak(&chain);
    let mut crowd: Vec<_> = (0..IDLE).map(|_| Wire::open(address)).collect();
    for wire in crowd.iter_mut().step_by(2) {
        wire.send(b"GET /v1/me HTTP/1.1\r\nhost: t\r\n");
    }
    let head = format!(
        "POST /v1/login HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {MIB}\r\n\r\n"
    );
    let part = vec![b' '; MIB - 1];
    for _ in 0..STALLED {
        let mut wire = Wire::open(address);
        wire.send(head.as_bytes()).send(&part);
        crowd.push(wire);
        assert_eq!(me(&chain, &token).await.0, 200);
    }
    let grown = peak(&chain) - before;
    assert!(grown <= GROWTH, "{grown} MiB more than before");
    drop(crowd);
    assert_eq!(me(&chain, &token).await.0, 200);
}

/// Parsed, each of these takes a hundred times the room of its text.
fn wide() -> Vec<u8> {
    let items = vec!["{\"\":0}"; MIB / 8 - 16].join(",");
    let body = format!("{{\"key\":\"user-1-1\",\"value\":[{items}]}}");
    let head = format!(
        "PUT /v1/me HTTP/1.1\r\nhost: t\r\nauthorization: Bearer a.b.c\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_whose_token_is_not_known_to_be_good_gets_room_for_a_body() {
    let chain = chain_with(|name, service| match name {
        "auth" => service.env(
            "NINES_FAULTS",
            r#"{"seed":1,"faults":[{"id":"silent","kind":"hang","probability":1}]}"#,
        ),
        _ => service,
    });
    let address = chain.service("gateway").public();
    let (before, wide) = (peak(&chain), wide());
    // What does not fit into the pipe is never taken.
    let senders: Vec<_> = (0..CROWD)
        .map(|_| {
            let wide = wide.clone();
            std::thread::spawn(move || Wire::open(address).send(&wide).status())
        })
        .collect();
    for sender in senders {
        // Auth says nothing, and time runs out.
        assert!(matches!(sender.join().unwrap(), Some(504) | None));
    }
    let grown = peak(&chain) - before;
    assert!(grown <= BUFFERS, "{grown} MiB more than before");
}
