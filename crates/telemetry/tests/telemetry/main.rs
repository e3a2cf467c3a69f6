//! The promises of the telemetry, kept towards a real receiver.

mod bridge;
mod logs;
mod spans;
mod support;
