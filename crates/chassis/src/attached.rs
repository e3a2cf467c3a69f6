//! A future with a trace context.

use opentelemetry::Context;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{self, Poll},
};

pin_project! {
    /// Runs `inner` with `context` as the current one: whenever it is polled, and also when
    /// it is dropped, because what it leaves behind then (a breaker that opens when its
    /// last call is given up) belongs to the same span.
    pub(crate) struct Attached<F> {
        #[pin]
        inner: Option<F>,
        context: Context,
    }

    impl<F> PinnedDrop for Attached<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _attached = this.context.clone().attach();
            this.inner.set(None);
        }
    }
}

impl<F> Attached<F> {
    pub(crate) fn new(inner: F, context: Context) -> Self {
        let inner = Some(inner);
        Self { inner, context }
    }
}

impl<F: Future> Future for Attached<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _attached = this.context.clone().attach();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll(cx),
            // It is taken away by dropping this future, which is not polled any more then.
            None => Poll::Pending,
        }
    }
}
