//! `nines serve`: one service.

use crate::args::Service;
use std::{ffi::OsString, process::ExitCode};

/// Runs `service` with `args` until it is told to stop.
pub fn serve(service: Service, args: Vec<OsString>) -> ExitCode {
    let args = std::iter::once(OsString::from("nines serve")).chain(args);
    match service {
        Service::Gateway => chassis::run(args, gateway::serve),
        Service::Auth => chassis::run(args, auth::serve),
        Service::Profile => chassis::run(args, profile::serve),
        Service::Database => chassis::run(args, database::serve),
        Service::Audit => chassis::run(args, audit::serve),
        Service::Relay => chassis::run(args, relay::serve),
    }
}
