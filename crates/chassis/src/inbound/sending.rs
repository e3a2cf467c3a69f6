//! The body of an answer, on its way to the client.
//!
//! A client that leaves in the middle of an answer did not get it. So the body goes out in small
//! pieces, and the request is counted as answered when the last of them is taken. The HTTP
//! connection takes a piece only when it holds less than 32 KiB that the system has not accepted,
//! so at that moment all but the last 48 KiB are in the system's send buffer. What the client has
//! read of that buffer is unknown: only a protocol between client and service could say.
//!
//! Counting before the last piece is written, and not after, has a reason: a client that has its
//! whole answer and asks for the metrics next finds its request there.

use super::accounting::Record;
use crate::refusal::Ending;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The largest piece, in bytes. Larger ones cost fewer system calls and make the moment at which
/// a request is counted less exact.
pub(super) const PIECE: usize = 16 << 10;

/// A body that counts its request when its last piece is taken. If it is dropped before, the
/// client has left.
pub(super) struct Sending {
    body: Body,
    /// What is left of the frame that is sent in pieces.
    rest: Bytes,
    /// None once the request is counted.
    pending: Option<(Record, Ending)>,
}

impl Sending {
    /// Sends `body`; when the last of it is taken, `record` ends with `ending`.
    pub(super) fn new(body: Body, record: Record, ending: Ending) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            pending: Some((record, ending)),
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(PIECE);
        Frame::data(self.rest.split_to(length))
    }

    fn count(&mut self) {
        if let Some((record, ending)) = self.pending.take() {
            record.sent(ending);
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    Some(Ok(self.piece()))
                }
                Err(trailers) => Some(Ok(trailers)),
            },
            other => other,
        })
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(self.next(cx));
        match &frame {
            Some(Err(_)) => {
                if let Some((record, _)) = self.pending.take() {
                    record.broke_off();
                }
            }
            // The connection does not ask again after the last piece.
            Some(Ok(_)) if self.is_end_stream() => self.count(),
            Some(Ok(_)) => {}
            None => self.count(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
