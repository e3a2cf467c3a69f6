//! `nines policy`: the policies of a running chain, shown and replaced.

use crate::{
    args::{Policy, PolicyChange, PolicyFlags, PolicySet},
    exit::{Done, Failure},
    remote, scenarios,
};
use lab::{control::service_policy, remote::Remote};
use scenario::Error;
use serde_json::{Value, json};

/// What the admin listeners call it.
const POLICY: &str = "policy";

/// Shows the policies in force, or replaces them and shows what is in force then.
pub fn policy(args: &Policy) -> Result<Done, Failure> {
    let (services, policy) = match &args.change {
        None => (&[][..], None),
        Some(PolicyChange::Set(set)) => (named(set), Some(policy_of(set)?)),
        Some(PolicyChange::Clear { services }) => (&services[..], Some(json!({}))),
    };
    remote::block_on(async {
        let remotes = remote::named(remote::find(&args.at).await?, services)?;
        let in_force = match &policy {
            None => remote::read(&remotes, POLICY).await?,
            Some(policy) => {
                let replace = async |remote: &Remote| remote.write(POLICY, policy).await;
                remote::change(&remotes, replace).await?
            }
        };
        remote::show(in_force, args.at.json.then_some(POLICY), |policy| {
            let words = remote::words(policy);
            (!words.is_empty()).then_some(words).into_iter().collect()
        });
        Ok(Done::Fine)
    })
}

/// The services that are meant, by either way to name them.
fn named(set: &PolicySet) -> &[String] {
    if set.services.is_empty() {
        &set.service
    } else {
        &set.services
    }
}

/// The policy to be set, as services take it.
fn policy_of(set: &PolicySet) -> Result<Value, Failure> {
    let allowed = "allowed: a FILE with a [policy], or flags such as --retries 2 (see --help)";
    let policy = match (&set.source, set.flags.0.first()) {
        (Some(source), None) => from_file(source)?,
        (None, Some(_)) => from_flags(&set.flags)?,
        (None, None) => return Err(Failure::BadInput(format!("nothing to set; {allowed}"))),
        (Some(source), Some((setting, _))) => {
            let flag = setting.flag();
            return Err(Failure::BadInput(format!(
                "{source} and --{flag}: a file and flags can't be used together; {allowed}"
            )));
        }
    };
    // Numbers, texts and flags always serialise.
    Ok(serde_json::to_value(service_policy(&policy)).unwrap_or_default())
}

fn from_file(source: &str) -> Result<scenario::Policy, Failure> {
    let source = scenarios::source(source)?;
    scenario::parse_policy(&source.file, &source.text)
        .map_err(|errors| Failure::BadInput(errors.to_string()))
}

/// The errors name the flags: there is no file whose line could be looked at.
fn from_flags(flags: &PolicyFlags) -> Result<scenario::Policy, Failure> {
    let flag_of = |error: &Error| {
        let key = error.problem.key()?;
        let mut settings = flags.0.iter().map(|(setting, _)| setting);
        settings.find(|setting| setting.key() == key)
    };
    let said = |error: &Error| match flag_of(error) {
        Some(setting) => format!("--{}: {}", setting.flag(), error.problem),
        None => error.problem.to_string(),
    };
    scenario::policy_from(&flags.0).map_err(|errors| {
        let lines: Vec<_> = errors.errors.iter().map(said).collect();
        Failure::BadInput(lines.join("\n"))
    })
}
