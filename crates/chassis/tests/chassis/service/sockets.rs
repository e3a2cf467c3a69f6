//! What a client sees on its own connection, and what is counted of it.

use super::{LARGE, Running};
use crate::support::always;
use faults::FaultSet;
use std::io::{self, ErrorKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn connect(desk: &Running) -> TcpStream {
    TcpStream::connect(desk.addresses.public).await.unwrap()
}

async fn send(client: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: desk\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// Reads until what came ends with `end`; fails if the connection does before.
async fn read_until(client: &mut TcpStream, end: &str) -> io::Result<String> {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        heard.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(heard).unwrap())
}

async fn with_faults(faults: &FaultSet) -> Running {
    let faults = serde_json::to_string(faults).unwrap();
    Running::start(&[&format!("--faults={faults}")]).await
}

#[tokio::test]
async fn a_panic_ends_neither_its_connection_nor_the_service() {
    let desk = Running::start(&[]).await;
    let mut client = connect(&desk).await;
    send(&mut client, "/panic").await;
    let answer = read_until(&mut client, "}").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    send(&mut client, "/ok").await;
    let answer = read_until(&mut client, "fine").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(
        (desk.ended("error").await, desk.ended("none").await),
        (1, 1)
    );
}

#[tokio::test]
async fn an_injected_reset_is_a_tcp_reset_without_a_byte_of_answer() {
    let desk = with_faults(&always("reset")).await;
    let mut client = connect(&desk).await;
    send(&mut client, "/ok").await;
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(desk.ended("reset").await, 1);
}

#[tokio::test]
async fn a_reset_tears_down_one_connection_and_no_other() {
    let desk = Running::start(&["--admin-token=t"]).await;
    let (mut kept, mut torn) = (connect(&desk).await, connect(&desk).await);
    send(&mut kept, "/ok").await;
    read_until(&mut kept, "fine").await.unwrap();
    let put = async |faults: &FaultSet| {
        let request = desk.admin("PUT", "/faults").bearer_auth("t");
        assert_eq!(request.json(faults).send().await.unwrap().status(), 200);
    };
    put(&always("reset")).await;
    send(&mut torn, "/ok").await;
    torn.read_u8().await.unwrap_err();
    put(&FaultSet::default()).await;
    send(&mut kept, "/ok").await;
    read_until(&mut kept, "fine").await.unwrap();
}

/// Asks for `path` and leaves while the service is at work on it.
async fn ask_and_leave(desk: &Running, path: &str) {
    let mut client = connect(desk).await;
    send(&mut client, path).await;
    desk.sees_one("http_server_active_requests", &[]).await;
    drop(client);
    let cancelled = [("outcome", "failed"), ("cause", "cancelled")];
    desk.sees_one("nines_requests_total", &cancelled).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_counted_as_cancelled() {
    ask_and_leave(&Running::start(&[]).await, "/hang").await;
}

#[tokio::test]
async fn a_client_that_leaves_an_injected_hang_is_counted_as_cancelled() {
    ask_and_leave(&with_faults(&always("hang")).await, "/ok").await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_answer_is_counted_as_cancelled() {
    let desk = Running::start(&[]).await;
    let mut client = connect(&desk).await;
    send(&mut client, "/large").await;
    read_until(&mut client, "\r\n\r\n").await.unwrap();
    assert_eq!(desk.ended("none").await, 0, "counted before it is sent");
    drop(client);
    let cancelled = [("outcome", "failed"), ("cause", "cancelled")];
    desk.sees_one("nines_requests_total", &cancelled).await;
    assert_eq!(desk.ended("none").await, 0);
}

#[tokio::test]
async fn a_client_that_reads_a_large_answer_to_its_end_is_counted_as_answered() {
    let desk = Running::start(&[]).await;
    let answer = desk.ask("/large").await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), LARGE);
    assert_eq!(desk.ended("none").await, 1);
    assert_eq!(desk.ended("cancelled").await, 0);
}

#[tokio::test]
async fn a_large_answer_to_head_is_counted_when_its_head_is_sent() {
    let desk = Running::start(&[]).await;
    let url = format!("http://{}/large", desk.addresses.public);
    let answer = desk.client.head(url).send().await.unwrap();
    assert_eq!(answer.headers()["content-length"], LARGE.to_string());
    assert_eq!(desk.ended("none").await, 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_the_middle_is_counted_as_a_reset() {
    let desk = Running::start(&[]).await;
    let mut client = connect(&desk).await;
    send(&mut client, "/broken").await;
    let mut answer = Vec::new();
    // The system says, or not, that the end came too early.
    let _ = client.read_to_end(&mut answer).await;
    assert!(!answer.ends_with(b"0\r\n\r\n"), "it is not complete");
    assert_eq!(desk.ended("reset").await, 1);
    assert_eq!(desk.ended("none").await, 0);
}

#[tokio::test]
async fn a_client_that_sends_no_http_is_told_so_and_harms_nobody() {
    let desk = Running::start(&[]).await;
    let mut client = connect(&desk).await;
    client
        .write_all(b"\x16\x03\x01 hello\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(desk.ask("/ok").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_for_whom_there_is_no_room_waits_until_another_has_gone() {
    let desk = Running::start(&["--max-connections=1"]).await;
    let mut first = connect(&desk).await;
    send(&mut first, "/ok").await;
    read_until(&mut first, "fine").await.unwrap();
    let mut second = connect(&desk).await;
    send(&mut second, "/ok").await;
    // The service had every chance to take the second one meanwhile.
    for _ in 0..20 {
        send(&mut first, "/ok").await;
        read_until(&mut first, "fine").await.unwrap();
    }
    let nothing_yet = second.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing_yet.kind(), ErrorKind::WouldBlock);
    drop(first);
    read_until(&mut second, "fine").await.unwrap();
}
