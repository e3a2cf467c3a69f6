//! Bytes on a connection, as they are.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than any time the service grants.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection on which anything may be sent.
pub struct Wire(TcpStream);

impl Wire {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Sends the bytes, or as many as the other end takes before it hangs up.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.0.write_all(bytes);
        self
    }

    /// All that comes until the other end hangs up; it must do so before patience ends.
    pub fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut bytes) {
            let patience_ended = error.kind() == std::io::ErrorKind::WouldBlock;
            assert!(!patience_ended, "nobody hung up after {bytes:?}");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The status of the answer; none if there was no answer before the end.
    pub fn status(&mut self) -> Option<u16> {
        let rest = self.rest();
        rest.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}

/// What one connection gets for these bytes.
pub fn ask(address: SocketAddr, bytes: &[u8]) -> Option<u16> {
    Wire::open(address).send(bytes).status()
}
