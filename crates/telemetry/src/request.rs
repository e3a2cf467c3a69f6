//! The tracer of a process, carried in the context of each sampled request.
//!
//! Code far below the HTTP layers, such as a store, adds spans to a request this way without a
//! tracer in every signature between. Outside of a sampled request there is no tracer, and so
//! no span: background work does not start traces of its own.

use opentelemetry::{
    Context,
    trace::{SpanBuilder, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};

struct Carried(SdkTracer);

/// The context of a request, which carries `tracer` if its span is sampled.
pub fn carry(context: Context, tracer: &SdkTracer) -> Context {
    if context.span().span_context().is_sampled() {
        context.with_value(Carried(tracer.clone()))
    } else {
        context
    }
}

/// Starts a span below that of the current context. Where no tracer is carried there is none,
/// and `span` is not called: a span that is not sampled costs nothing to describe.
pub fn start_span(span: impl FnOnce() -> SpanBuilder) -> Option<Span> {
    let context = Context::current();
    let Carried(tracer) = context.get()?;
    Some(tracer.build_with_context(span(), &context))
}
