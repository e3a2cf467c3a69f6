//! The database service as a program of its own.

fn main() -> std::process::ExitCode {
    chassis::run(std::env::args_os(), database::serve)
}
