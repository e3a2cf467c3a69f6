//! Scenarios by file or by name.

use crate::exit::{Done, Failure};
use scenario::{Plan, builtin, find, parse};
use std::{fs, path::Path};

/// A scenario to run, and what its files are called.
pub struct Named {
    /// The name, as a part of file names.
    pub name: String,
    /// What is to be run.
    pub plan: Plan,
}

/// The scenarios that `arguments` name: built-in ones, or files.
pub fn load(arguments: &[String]) -> Result<Vec<Named>, Failure> {
    let mut scenarios: Vec<Named> = Vec::new();
    for argument in arguments {
        let mut scenario = load_one(argument)?;
        let same = |other: &Named| other.name == scenario.name;
        if let n @ 1.. = scenarios.iter().filter(|other| same(other)).count() {
            scenario.name = format!("{}-{}", scenario.name, n + 1);
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

fn load_one(argument: &str) -> Result<Named, Failure> {
    let path = Path::new(argument);
    let looks_like_file = path.extension().is_some() || argument.contains('/') || path.is_file();
    if !looks_like_file {
        let scenario = find(argument).map_err(|error| Failure::BadInput(error.to_string()))?;
        return named(scenario.name, scenario.name, scenario.text);
    }
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::BadInput(format!("scenario {argument}: {error}")))?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    named(
        argument,
        &name.unwrap_or_else(|| "scenario".to_owned()),
        &text,
    )
}

fn named(file: &str, name: &str, text: &str) -> Result<Named, Failure> {
    let plan = parse(file, text).map_err(|errors| Failure::BadInput(errors.to_string()))?;
    Ok(Named {
        name: name.to_owned(),
        plan,
    })
}

/// Prints the built-in scenarios.
pub fn list() -> Done {
    for scenario in builtin() {
        let title = parse(scenario.name, scenario.text).map(|plan| plan.title().to_owned());
        println!("{:28} {}", scenario.name, title.unwrap_or_default());
    }
    Done::Fine
}
