//! `nines serve`: one service.

use crate::args::Service;
use chassis::{Error, Options};
use clap::Parser;
use std::{ffi::OsString, process::ExitCode};

/// Runs `service` until it receives the signal to stop.
pub fn serve(service: Service) -> ExitCode {
    match service {
        Service::Gateway(settings) => run(settings.args, gateway::serve),
        Service::Auth(settings) => run(settings.args, auth::serve),
        Service::Profile(settings) => run(settings.args, profile::serve),
        Service::Database(settings) => run(settings.args, database::serve),
        Service::Audit(settings) => run(settings.args, audit::serve),
        Service::Relay(settings) => run(settings.args, relay::serve),
    }
}

fn run<O, S, F>(args: Vec<OsString>, serve: S) -> ExitCode
where
    O: Parser + AsRef<Options>,
    S: FnOnce(O) -> F,
    F: Future<Output = Result<(), Error>>,
{
    // The name in its usage and its help.
    let program = format!("nines serve {}", O::command().get_name());
    chassis::run(std::iter::once(program.into()).chain(args), serve)
}
