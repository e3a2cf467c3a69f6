//! What the crate promises, from spans on the wire to availability per hop.

mod abandoned;
mod analysis;
mod foreign;
mod forward;
mod jaeger;
mod jsonl;
mod properties;
mod receiver;
mod story;
mod timeline;
mod waterfall;
mod wire;
