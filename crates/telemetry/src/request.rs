//! The spans of one request in this process: one tracer, one clock.
//!
//! Both are carried in the context of each sampled request. Code far below the HTTP layers, such
//! as a store, adds spans to a request this way without a tracer in every signature between.
//! Outside of a sampled request there is no tracer, and so no span: background work does not
//! start traces of its own.

use crate::AnchoredClock;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use std::time::SystemTime;

#[derive(Clone)]
struct Carried {
    tracer: SdkTracer,
    clock: AnchoredClock,
}

/// Starts a span below that of `context`, now, and returns the span's own context. The first
/// span of a request in this process reads the clock of all that follow.
pub fn start(tracer: &SdkTracer, span: SpanBuilder, context: &Context) -> Context {
    match context.get::<Carried>() {
        Some(carried) => {
            let span = span.with_start_time(carried.clock.now());
            context.with_span(tracer.build_with_context(span, context))
        }
        None => start_at(tracer, span, context, AnchoredClock::read()),
    }
}

/// The same, but the span starts at the reading of `clock`, which times all spans below it.
pub fn start_at(
    tracer: &SdkTracer,
    span: SpanBuilder,
    context: &Context,
    clock: AnchoredClock,
) -> Context {
    let span = span.with_start_time(clock.time);
    let context = context.with_span(tracer.build_with_context(span, context));
    if context.span().span_context().is_sampled() {
        let tracer = tracer.clone();
        context.with_value(Carried { tracer, clock })
    } else {
        context
    }
}

/// Starts a span below that of the current context, and returns it with the clock that times
/// its end. Where no tracer is carried there is none, and `span` is not called: a span that is
/// not sampled costs nothing to describe.
pub fn start_span(span: impl FnOnce() -> SpanBuilder) -> Option<(Span, AnchoredClock)> {
    let context = Context::current();
    let Carried { tracer, clock } = context.get()?;
    let span = span().with_start_time(clock.now());
    Some((tracer.build_with_context(span, &context), *clock))
}

/// Ends the span of `context`.
pub fn end(context: &Context) {
    context.span().end_with_timestamp(now(context));
}

/// Adds an event to the span of `context`.
pub fn add_event(context: &Context, name: &'static str, attributes: Vec<KeyValue>) {
    let span = context.span();
    // An event of a span that is not sampled goes nowhere: it needs no time.
    if span.is_recording() {
        span.add_event_with_timestamp(name, now(context), attributes);
    }
}

fn now(context: &Context) -> SystemTime {
    let carried = context.get::<Carried>();
    carried.map_or_else(SystemTime::now, |carried| carried.clock.now())
}
