//! A process: arguments in, exit code out.

use crate::{Error, Options, options};
use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::{
    ffi::OsString,
    fmt::Arguments,
    future::Future,
    io::{ErrorKind, Write, stderr, stdout},
    process::ExitCode,
};

/// The exit code for wrong input.
pub const EXIT_BAD_INPUT: u8 = 2;
/// The exit code for an environment that does not allow it: a port in use, an unwritable folder.
pub const EXIT_ENVIRONMENT: u8 = 3;

/// Runs a service until it is told to stop.
///
/// `args` begin with the program's name. What goes wrong is said on standard error.
pub fn run<O, S, F>(args: impl IntoIterator<Item = OsString>, serve: S) -> ExitCode
where
    O: Parser + AsRef<Options>,
    S: FnOnce(O) -> F,
    F: Future<Output = Result<(), Error>>,
{
    let args: Vec<_> = args.into_iter().collect();
    let parsed: O = match options::parse(&args) {
        Ok(parsed) => parsed,
        Err(error) => return report(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    raise_file_limit();
    let ended = runtime.block_on(serve(parsed));
    // A name that is just being looked up can't be given up, and would keep the process for as
    // long as the resolver takes.
    runtime.shutdown_background();
    match ended {
        Ok(()) | Err(Error::Stopped) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Allows as many open files as the system lets us.
///
/// Each connection is a file, and the usual limit of 1024 is one for programs that use
/// `select`, which this one does not (systemd.exec(5), `LimitNOFILE=`).
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        say(format_args!(
            "warning: the limit on open files could not be raised: {error}"
        ));
    }
}

/// Help and version are answers, everything else is bad input.
fn report(error: &clap::Error) -> ExitCode {
    let printed = error.print().and_then(|()| stdout().flush());
    match printed {
        _ if error.use_stderr() => ExitCode::from(EXIT_BAD_INPUT),
        // A reader that has read enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(&error),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    say(format_args!("error: {error}"));
    let mut source = error.source();
    while let Some(error) = source {
        say(format_args!("  because: {error}"));
        source = error.source();
    }
    ExitCode::from(EXIT_ENVIRONMENT)
}

/// A line on standard error. Where that can't be written, there is nowhere left to say so;
/// `eprintln!` would panic.
fn say(line: Arguments<'_>) {
    let _ = writeln!(stderr(), "{line}");
}
