//! The inbound stack around a small service: what each request is told, and what is counted.

mod accounting;
mod bodies;
mod identity;
mod order;
mod problems;
