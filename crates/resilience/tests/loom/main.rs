//! Every order of events that matters, tried by loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p resilience --release --test loom`.
//! Without the flag there is nothing here.
#![cfg(loom)]

mod balance;
mod bulkhead;
mod circuit_breaker;
mod retry_budget;
