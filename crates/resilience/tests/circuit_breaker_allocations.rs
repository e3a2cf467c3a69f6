//! What a call of the circuit breaker allocates: nothing. Apart, because the allocator that
//! counts is the whole program's.

use resilience::{
    Failure,
    circuit_breaker::{BreakerLayer, BreakerPolicy, BreakerSettings, Classify, Outcome, State},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    future::{Future, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};
use tower::{Layer, Service, service_fn};
use types::{Cause, StoppedBy};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "passes everything on to the system's allocator")]
// SAFETY: the system's allocator does the work, with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[derive(Debug)]
struct Failed;

impl Failure for Failed {
    fn new(_: Cause, _: StoppedBy) -> Self {
        Self
    }
}

struct Errors;

impl Classify<(), Failed> for Errors {
    fn classify(&self, result: &Result<(), Failed>) -> Outcome {
        match result {
            Ok(()) => Outcome::Success,
            Err(Failed) => Outcome::Failure(Cause::Error),
        }
    }
}

#[test]
fn invariant_09_a_call_allocates_nothing_whatever_the_state_and_the_outcome() {
    let settings = BreakerSettings {
        failure_rate: Some(1.0),
        min_calls: 2000,
        ..BreakerSettings::default()
    };
    let policy = BreakerPolicy::new(settings).unwrap();
    let layer = BreakerLayer::with(policy, 1, Errors, ());
    let mut service = layer.layer(service_fn(|fails: bool| {
        ready(if fails { Err(Failed) } else { Ok(()) })
    }));
    let mut cx = Context::from_waker(Waker::noop());
    let mut call = |fails| {
        assert!(service.poll_ready(&mut cx).is_ready());
        let answer = pin!(service.call(fails)).poll(&mut cx);
        matches!(answer, Poll::Ready(Ok(())))
    };
    call(false);
    let before = COUNT.get();
    for number in 0..1000_u32 {
        call(number.is_multiple_of(2));
    }
    layer.force_open();
    (0..1000).for_each(|_| assert!(!call(false)));
    layer.force_close();
    // Opens by itself.
    (0..2000).for_each(|_| assert!(!call(true)));
    assert_eq!(layer.state(), State::Open);
    assert_eq!(COUNT.get(), before);
}
