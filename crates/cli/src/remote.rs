//! Finding the services of a chain that runs.

use crate::{args::Where, exit::Failure, json, say};
use lab::{
    LabError,
    remote::{Remote, RemoteError},
    running::RunningChain,
};
use serde_json::{Map, Value, json};
use std::{future::Future, io};
use types::names;

/// Runs `work` to its end.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let broken = |error: io::Error| LabError::Broken(error.to_string());
    runtime.map_err(broken)?.block_on(work)
}

/// The admin listeners of the chain that is meant.
pub async fn find(at: &Where) -> Result<Vec<Remote>, Failure> {
    if let Some(url) = &at.admin {
        let token = std::env::var("NINES_ADMIN_TOKEN").ok();
        return Ok(vec![Remote::find(url.as_str(), token).await?]);
    }
    let chain = RunningChain::read(&at.chain).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        Failure::BadInput(format!(
            "--chain {}: {why}; allowed: the chain.json of a chain that `nines up` keeps running",
            at.chain.display()
        ))
    })?;
    Ok(chain.remotes()?)
}

/// Those of `remotes` that are named, or whose service is; all if none is.
pub fn named(remotes: Vec<Remote>, wanted: &[String]) -> Result<Vec<Remote>, Failure> {
    let has = |name: &&String| !remotes.iter().any(|remote| is_of(remote.name(), name));
    if let Some(missing) = wanted.iter().find(has) {
        let there = || remotes.iter().map(Remote::name);
        let reason = names::no_such("service in this chain", missing, there);
        return Err(Failure::BadInput(format!("SERVICE `{missing}`: {reason}")));
    }
    let is_wanted =
        |remote: &Remote| wanted.is_empty() || wanted.iter().any(|name| is_of(remote.name(), name));
    Ok(remotes.into_iter().filter(is_wanted).collect())
}

/// Whether `process` is `name`, or a replica of it: `database-1` is one of `database`.
fn is_of(process: &str, name: &str) -> bool {
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    match process.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(is_number),
        None => false,
    }
}

/// `what` is in force at each of `remotes`.
pub async fn read(remotes: &[Remote], what: &str) -> Result<Vec<(String, Value)>, Failure> {
    let mut in_force = Vec::new();
    for remote in remotes {
        in_force.push((remote.name().to_owned(), remote.read(what).await?));
    }
    Ok(in_force)
}

/// Changes one of `remotes` after the other; what is in force then. Where one fails, those
/// before it are changed, and the error names them.
pub async fn change(
    remotes: &[Remote],
    change: impl AsyncFn(&Remote) -> Result<Value, RemoteError>,
) -> Result<Vec<(String, Value)>, Failure> {
    let mut in_force: Vec<(String, Value)> = Vec::new();
    for remote in remotes {
        match change(remote).await {
            Ok(now) => in_force.push((remote.name().to_owned(), now)),
            Err(error) if in_force.is_empty() => return Err(error.into()),
            Err(error) => {
                return Err(Failure::HalfWay {
                    changed: in_force.into_iter().map(|(name, _)| name).collect(),
                    source: error,
                });
            }
        }
    }
    Ok(in_force)
}

/// Shows what is in force at each service: as JSON of the verb `json`, or as lines that `line`
/// makes.
pub fn show(
    in_force: Vec<(String, Value)>,
    json: Option<&str>,
    line: impl Fn(&Value) -> Vec<String>,
) {
    if let Some(verb) = json {
        let services: Map<String, Value> = in_force.into_iter().collect();
        json::print(verb, 1, &json!({ "services": services }));
        return;
    }
    for (service, value) in in_force {
        let lines = line(&value);
        if lines.is_empty() {
            say::out(format!("{service:12} none"));
        }
        for line in lines {
            say::out(format!("{service:12} {line}"));
        }
    }
}

/// The members of an object that say something, as `key=value`; durations with their unit.
pub fn words(value: &Value) -> String {
    let said = value.as_object().into_iter().flatten();
    let said = said.filter(|(_, value)| !value.is_null());
    let word = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match key.strip_suffix("_ms") {
            Some(key) => format!("{key}={value}ms"),
            None => format!("{key}={value}"),
        }
    };
    said.map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_service_stands_for_all_of_its_replicas() {
        for process in ["database", "database-0", "database-12"] {
            assert!(is_of(process, "database"), "{process}");
        }
        assert!(is_of("database-1", "database-1"));
        for other in [
            "data",
            "database1",
            "database-1x",
            "database-",
            "databases",
            "auth-1",
        ] {
            assert!(!is_of(other, "database"), "{other}");
        }
        assert!(!is_of("database-1", "database-0"));
    }
}
