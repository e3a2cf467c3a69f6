//! The promises of the chassis, one module per part of it.

mod inbound;
mod outbound;
mod service;
mod support;
