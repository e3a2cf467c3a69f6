//! A callee on a real socket that answers in bytes, or breaks in ways that HTTP knows no word for.

use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};
use url::Url;

/// What a callee does once it has read a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Sends this and keeps the connection.
    Send(String),
    /// Sends this and says no more, without closing the connection.
    SendAndHang(String),
    /// Sends this and closes the connection.
    SendAndClose(String),
    /// Tears the connection down with a TCP RST.
    Reset,
}

impl Reply {
    /// A complete answer.
    pub fn answer(status: u16, headers: &str, body: &str) -> Self {
        Self::Send(answer(status, headers, body, body.len()))
    }

    /// The head of an answer, and less of its body than the head promises.
    pub fn half_an_answer() -> String {
        answer(200, "", "half of", 100)
    }

    /// Nothing at all, for ever.
    pub fn silence() -> Self {
        Self::SendAndHang(String::new())
    }
}

fn answer(status: u16, headers: &str, body: &str, length: usize) -> String {
    format!("HTTP/1.1 {status} S\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// The heads of the requests heard so far.
type Heard = watch::Sender<Vec<String>>;

/// A callee that gives these replies in turn, and the last one for ever.
#[derive(Debug)]
pub struct Callee {
    pub url: Url,
    heard: Arc<Heard>,
    connections: Arc<watch::Sender<usize>>,
}

impl Callee {
    pub async fn start(replies: impl Into<Vec<Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callee = Self {
            url: url(listener.local_addr().unwrap()),
            heard: Arc::default(),
            connections: Arc::default(),
        };
        let (heard, connections) = (callee.heard.clone(), callee.connections.clone());
        let replies: Arc<[Reply]> = replies.into().into();
        // Ends with the test's runtime.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.send_modify(|count| *count += 1);
                tokio::spawn(converse(stream, replies.clone(), heard.clone()));
            }
        });
        callee
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// The heads of the requests heard so far, in lower case.
    pub fn heard(&self) -> Vec<String> {
        self.heard.borrow().clone()
    }

    /// Waits until `count` requests were heard.
    pub async fn hears(&self, count: usize) {
        let mut heard = self.heard.subscribe();
        heard.wait_for(|heard| heard.len() >= count).await.unwrap();
    }

    /// The value of the header `name` in the only request heard.
    pub fn header(&self, name: &str) -> Option<String> {
        let heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
        heard[0].lines().find_map(value)
    }
}

async fn converse(mut stream: TcpStream, replies: Arc<[Reply]>, heard: Arc<Heard>) {
    while let Some(head) = read_head(&mut stream).await {
        let mut number = 0;
        heard.send_modify(|heard| {
            number = heard.len();
            heard.push(head);
        });
        let last = replies.len() - 1;
        match &replies[number.min(last)] {
            Reply::Send(bytes) => send(&mut stream, bytes).await,
            Reply::SendAndHang(bytes) => {
                send(&mut stream, bytes).await;
                // Until the caller gives up.
                while stream.read_u8().await.is_ok() {}
                return;
            }
            Reply::SendAndClose(bytes) => return send(&mut stream, bytes).await,
            Reply::Reset => return stream.set_zero_linger().unwrap(),
        }
    }
}

async fn send(stream: &mut TcpStream, bytes: &str) {
    // A caller that has left is none of the callee's business.
    let _ = stream.write_all(bytes.as_bytes()).await;
}

/// One request's head; none once the caller has left. Requests here have no bodies.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap().to_lowercase())
}

/// A port on which nobody listens, and nobody will while the socket is kept.
pub fn nobody() -> (TcpSocket, Url) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = url(socket.local_addr().unwrap());
    (socket, url)
}

pub fn url(address: std::net::SocketAddr) -> Url {
    format!("http://{address}").parse().unwrap()
}
