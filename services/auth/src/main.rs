//! The auth service as a program of its own.

fn main() -> std::process::ExitCode {
    chassis::run(std::env::args_os(), auth::serve)
}
