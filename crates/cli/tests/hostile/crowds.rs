//! Very many connections, and very much in them: memory stays bounded, and others are served.

use super::{chain, log_in, me, wire::Wire};
use std::fs;
use testkit::chain::Chain;

const MIB: usize = 1 << 20;
/// Connections that do nothing, or not enough.
const IDLE: usize = 600;
/// Requests with a large body that stops before its end.
const STALLED: usize = 150;
/// What the gateway may grow by, in MiB: the room for large bodies, 64, and some for buffers.
const GROWTH: usize = 64 + 48;

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
