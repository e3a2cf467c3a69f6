//! What can be asked for of `nines serve`: a service, whose settings are its own.

use super::Args;
use clap::{Args as ClapArgs, Command, CommandFactory, Subcommand, builder::StyledStr};
use std::ffi::OsString;

/// `nines serve`.
#[derive(Debug, ClapArgs)]
pub struct Serve {
    /// The service.
    #[command(subcommand)]
    pub service: Service,
}

/// The services that this program can be.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// The edge.
    #[command(about = about::<gateway::Options>(), long_about = None, disable_help_flag = true)]
    Gateway(Settings),
    /// Who is it?
    #[command(about = about::<auth::Options>(), long_about = None, disable_help_flag = true)]
    Auth(Settings),
    /// What is on their page?
    #[command(about = about::<profile::Options>(), long_about = None, disable_help_flag = true)]
    Profile(Settings),
    /// The records it names.
    #[command(about = about::<database::Options>(), long_about = None, disable_help_flag = true)]
    Database(Settings),
    /// The fifth hop.
    #[command(about = about::<audit::Options>(), long_about = None, disable_help_flag = true)]
    Audit(Settings),
    /// A configurable test service.
    #[command(about = about::<relay::Options>(), long_about = None, disable_help_flag = true)]
    Relay(Settings),
}

/// Arguments for the service itself, which also reads the environment and its file.
#[derive(Debug, ClapArgs)]
pub struct Settings {
    /// Its settings; `--help` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "SETTINGS"
    )]
    pub args: Vec<OsString>,
}

/// What the service says of itself.
fn about<O: CommandFactory>() -> StyledStr {
    O::command().get_about().cloned().unwrap_or_default()
}

/// The command line with the settings of each service, for manual pages and completions. It is
/// not for parsing: settings also come from the environment and from files.
pub fn described() -> Command {
    let services = [
        gateway::Options::command(),
        auth::Options::command(),
        profile::Options::command(),
        database::Options::command(),
        audit::Options::command(),
        relay::Options::command(),
    ];
    Args::command().mut_subcommand("serve", |serve| {
        services.into_iter().fold(serve, |serve, service| {
            let name = service.get_name().to_owned();
            serve.mut_subcommand(name, |_| service)
        })
    })
}
