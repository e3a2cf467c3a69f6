//! Spans in, availability per hop out.
//!
//! | question | module |
//! |---|---|
//! | How do spans get here? | [`receiver`]: OTLP on one port; [`jsonl`]: from and to a file; [`jaeger`]: from a Jaeger that has them |
//! | What is kept of a span? | [`span`], read from OTLP by [`mod@decode`] |
//! | Which spans belong together? | [`assemble`]: trees; [`calls`]: calls, attempts, requests |
//! | How did each of them end? | [`outcome`]; `abandoned`: those that their caller dropped |
//! | Whose fault was it? | [`origin`] |
//! | What does that make of each hop? | [`analysis`] |
//! | Which traces are worth a look? | [`waterfall`] |
//!
//! Three rules decide every number. Availability comes from **calls**, because a user of a
//! service does not care how many attempts an answer took. Calls are decided from **the
//! caller's side**, because a callee that is down sends no spans. And only a failure that
//! **originates** in a hop is the hop's fault: a request that its caller cancelled is not a
//! failure of the server.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use traces::{AnalysisOptions, Receiver, ReceiverOptions, analyse};
//!
//! let receiver = Receiver::start("127.0.0.1:0".parse()?, ReceiverOptions::default()).await?;
//! println!("send spans to {}", receiver.endpoint());
//! // … run the load …
//! let archive = receiver.finish().await;
//! let analysis = analyse(archive.spans(), &AnalysisOptions::default());
//! println!("{}", analysis.completeness);
//! for hop in &analysis.hops {
//!     println!("{}: {:?}, {} lost here", hop.hop, hop.effective.value(), hop.lost_here);
//! }
//! # Ok(())
//! # }
//! ```

mod abandoned;
pub mod analysis;
mod archive;
pub mod assemble;
pub mod calls;
pub mod decode;
mod intern;
pub mod jaeger;
pub mod jsonl;
pub mod origin;
pub mod outcome;
pub mod receiver;
pub mod span;
mod spool;
pub mod waterfall;

pub use analysis::{
    Analysis, AnalysisOptions, Completeness, HopAnalysis, Ratio, Requests, RootView, analyse,
};
pub use archive::Archive;
pub use decode::decode;
pub use jaeger::{Jaeger, JaegerError};
pub use jsonl::{Loaded, Selection, read_jsonl};
pub use origin::{Origin, OriginKind};
pub use receiver::{ForwardStats, Receiver, ReceiverOptions};
pub use span::{BreakerChange, Kind, News, ReplicaChange, Span, SpanId, TraceId};
pub use waterfall::{Waterfall, waterfalls};
