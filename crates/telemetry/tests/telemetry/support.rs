//! A receiver, and a process that sends to it.

use opentelemetry::trace::{Span, Tracer};
use telemetry::{Export, Identity, Telemetry};
use tokio::net::TcpSocket;
use traces::{Receiver, ReceiverOptions};

pub async fn receiver() -> Receiver {
    let any_port = "127.0.0.1:0".parse().unwrap();
    let receiver = Receiver::start(any_port, ReceiverOptions::default()).await;
    receiver.unwrap()
}

/// The telemetry of `auth-1`, which sends its spans to `endpoint`.
pub fn start(endpoint: String) -> Telemetry {
    let identity = Identity {
        service: "auth".into(),
        replica: "auth-1".into(),
    };
    Telemetry::start(&identity, &Export::Spans(endpoint)).unwrap()
}

/// Makes and ends `count` spans, each a trace of its own.
pub fn make_spans(telemetry: &Telemetry, count: u64) {
    let tracer = telemetry.tracer();
    for _ in 0..count {
        tracer.start("work").end();
    }
}

/// An address on which nobody listens, and nobody will while the socket is kept.
pub fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    (socket, endpoint)
}
