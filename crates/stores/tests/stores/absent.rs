//! Which servers are worth waiting for when a service starts.

use super::open;
use std::io;
use stores::OpenError;
use testkit::postgres::cluster;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A server that answers each connection with an error of this `code`, as a real one does
/// before it checks a password, or that closes each connection at once; and its URL.
async fn refusing(code: Option<&'static str>) -> (tokio::task::JoinHandle<io::Result<()>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await?;
            let Some(code) = code else { continue };
            let length = client.read_u32().await?;
            let mut startup = vec![0; length as usize - 4];
            client.read_exact(&mut startup).await?;
            // https://www.postgresql.org/docs/current/protocol-message-formats.html, ErrorResponse
            let fields = format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0");
            client.write_u8(b'E').await?;
            client
                .write_u32(u32::try_from(fields.len()).unwrap() + 4)
                .await?;
            client.write_all(fields.as_bytes()).await?;
        }
    });
    let url = format!("postgres://nines@{address}/nines?sslmode=disable&connections=1");
    (serving, url)
}

async fn error_of(url: &str) -> OpenError {
    open(url, &[]).await.unwrap_err()
}

#[tokio::test]
async fn a_server_that_starts_stops_or_is_full_is_waited_for_and_one_that_refuses_is_not() {
    for (code, is_absent) in [
        ("57P03", true),  // the database system is starting up, or shutting down
        ("57P01", true),  // an administrator has ended the connection
        ("57P02", true),  // another session has crashed
        ("53300", true),  // too many connections
        ("08006", true),  // the connection was lost
        ("28P01", false), // wrong password
        ("28000", false), // wrong user
        ("3D000", false), // no such database
        ("08P01", false), // what a proxy says of a database that it does not know
        ("58030", false), // a disk that fails
        ("XX001", false), // a damaged table
    ] {
        let (serving, url) = refusing(Some(code)).await;
        let error = error_of(&url).await;
        assert_eq!(error.is_absent(), is_absent, "{code}: {error:?}");
        serving.abort();
    }
}

#[tokio::test]
async fn a_server_that_closes_the_connection_at_once_is_waited_for() {
    let (serving, url) = refusing(None).await;
    let error = error_of(&url).await;
    assert!(error.is_absent(), "{error:?}");
    serving.abort();
}

#[tokio::test]
async fn a_port_without_a_listener_a_missing_socket_and_an_unknown_name_are_waited_for() {
    let unused = tokio::net::TcpSocket::new_v4().unwrap();
    unused.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = unused.local_addr().unwrap();
    for url in [
        format!("postgres://nines@{address}/nines"),
        // RFC 6761: no resolver knows it.
        "postgres://nines@store.invalid/nines".to_owned(),
        // The folder of a server that has not made its socket yet.
        "postgres:///nines?host=/nowhere/at/all&user=nines".to_owned(),
    ] {
        let error = error_of(&url).await;
        assert!(error.is_absent(), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_real_server_without_the_database_or_the_user_is_not_waited_for() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database();
    for url in [
        cluster.url("no_such_database"),
        database.replace("user=nines", "user=nobody_at_all"),
    ] {
        let error = error_of(&url).await;
        assert!(!error.is_absent(), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn what_speaks_another_protocol_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await
    });
    let error = error_of(&format!("postgres://nines@{address}/nines")).await;
    assert!(!error.is_absent(), "{error:?}");
    serving.await.unwrap().unwrap();
}
