//! What can be asked for of `nines policy`.

use super::chain::Where;
use crate::complete;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Id, Subcommand};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};
use scenario::{Setting, SettingKind, policy_settings};

/// `nines policy`.
#[derive(Debug, Args)]
pub struct Policy {
    /// What to change; without it, the policies in force are shown.
    #[command(subcommand)]
    pub change: Option<PolicyChange>,
    /// Where.
    #[command(flatten)]
    pub at: Where,
}

/// Changes of the policies in force.
#[derive(Debug, Subcommand)]
pub enum PolicyChange {
    /// Replace the policy, as a whole, by that of a file or by the one that flags state
    #[command(after_help = EXAMPLES)]
    Set(PolicySet),
    /// Take the policy away: no limits, no retries, no breakers
    Clear {
        /// The services; all if none is named
        #[arg(value_name = "SERVICE", add = ArgValueCandidates::new(complete::services))]
        services: Vec<String>,
    },
}

const EXAMPLES: &str = "\
Each key of a scenario's [policy] is a flag, and each table of it a flag that takes its defaults:
  nines policy set --retries 2 --retry-budget --attempt-timeout 250ms
  nines policy set --breaker-consecutive 5 --service gateway
  nines policy set retry.toml gateway profile";

/// A policy to be set: by a file or by flags, not by both.
#[derive(Debug, Args)]
pub struct PolicySet {
    /// A file with a `[policy]` table, by itself or in a scenario; or the name of a built-in
    /// scenario
    #[arg(
        value_name = "FILE",
        add = ArgValueCompleter::new(complete::scenarios)
    )]
    pub source: Option<String>,
    /// The services; all if none is named
    #[arg(
        value_name = "SERVICE",
        conflicts_with = "service",
        add = ArgValueCandidates::new(complete::services)
    )]
    pub services: Vec<String>,
    /// A service, where flags state the policy; again for more. All if none is named
    #[arg(
        long,
        value_name = "NAME",
        add = ArgValueCandidates::new(complete::services)
    )]
    pub service: Vec<String>,
    /// The settings.
    #[command(flatten)]
    pub flags: PolicyFlags,
}

/// The settings that flags state, as they are written. The flags are made from the keys of a
/// scenario's `[policy]`.
#[derive(Debug)]
pub struct PolicyFlags(pub Vec<(Setting, String)>);

impl PolicyFlags {
    fn arg(setting: &Setting) -> Arg {
        let flag = setting.flag();
        let arg = Arg::new(flag.clone()).long(flag).help_heading("Policy");
        let allowed = setting.allowed;
        match setting.kind {
            SettingKind::Table => arg
                .action(ArgAction::SetTrue)
                .help(format!("[{}] with its defaults", setting.key())),
            SettingKind::Flag => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_name("BOOL")
                .help(allowed),
            SettingKind::Off => arg.value_name("FALSE").help("false for none"),
            SettingKind::Number => arg.value_name("NUMBER").help(allowed),
            SettingKind::Text if allowed.contains("duration") => {
                arg.value_name("DURATION").help(allowed)
            }
            SettingKind::Text => arg.value_name("WORD").help(allowed),
        }
    }

    /// The settings of a table that is switched off can't be stated.
    fn conflicts(arg: Arg, setting: &Setting, all: &[Setting]) -> Arg {
        let inner = all.iter().filter(|other| {
            other.path.len() > setting.path.len() && other.path.starts_with(&setting.path)
        });
        match setting.kind {
            SettingKind::Off => arg.conflicts_with_all(inner.map(Setting::flag)),
            _ => arg,
        }
    }
}

impl Args for PolicyFlags {
    fn group_id() -> Option<Id> {
        None
    }

    fn augment_args(command: Command) -> Command {
        let all = policy_settings();
        let arg = |setting| Self::conflicts(Self::arg(setting), setting, &all);
        command.args(all.iter().map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PolicyFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let stated = |setting: Setting| {
            let flag = setting.flag();
            let text = match setting.kind {
                SettingKind::Table => matches.get_flag(&flag).then(String::new),
                _ => matches.get_one::<String>(&flag).cloned(),
            };
            text.map(|text| (setting, text))
        };
        Ok(Self(
            policy_settings().into_iter().filter_map(stated).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
