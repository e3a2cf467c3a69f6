//! The promises of the telemetry, kept towards a real receiver.

mod bridge;
mod export;
mod logs;
mod spans;
mod support;
