//! `nines serve`: one service.

use crate::args::Service;
use std::{ffi::OsString, process::ExitCode};

/// Runs `service` with `args` until it is told to stop.
pub fn serve(service: Service, args: Vec<OsString>) -> ExitCode {
    let args = std::iter::once(OsString::from("nines serve")).chain(args);
    match service {
        _ => chassis::run(args, relay::serve),
    }
}
