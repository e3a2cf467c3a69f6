//! Scenarios by file or by name.

use crate::{
    exit::{Done, Failure},
    say,
};
use scenario::{Plan, builtin, find, warnings};
use std::{fs, path::Path};

/// A scenario to run, and what its files are called.
pub struct Named {
    /// The name, as a part of file names.
    pub name: String,
    /// What is to be run.
    pub plan: Plan,
}

impl Named {
    /// Says what about its limits and policies is probably not meant.
    pub fn warn(&self) {
        for warning in warnings(&self.plan) {
            say::err(format!("warning: {}: {warning}", self.name));
        }
    }
}

/// The scenarios that `arguments` name: built-in ones, or files.
pub fn load(arguments: &[String]) -> Result<Vec<Named>, Failure> {
    let mut scenarios: Vec<Named> = Vec::new();
    for argument in arguments {
        let mut scenario = load_one(argument)?;
        let base = scenario.name.clone();
        let mut copies = 1;
        while scenarios.iter().any(|other| other.name == scenario.name) {
            copies += 1;
            scenario.name = format!("{base}-{copies}");
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

/// A title as a part of file names: `a retry budget` is `a-retry-budget`.
pub fn file_name(title: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let words: String = title.chars().map(plain).collect();
    let words: Vec<_> = words.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(60).collect();
    // These are what further runs are called.
    let is_taken = ["rerun", "fixed", "side-by-side"].contains(&name.as_str());
    if name.is_empty() || is_taken || name.starts_with("seed-") {
        return format!("variant-{name}");
    }
    name
}

fn load_one(argument: &str) -> Result<Named, Failure> {
    let path = Path::new(argument);
    let looks_like_file = path.extension().is_some() || argument.contains('/') || path.is_file();
    if !looks_like_file {
        let scenario = find(argument).map_err(|error| Failure::BadInput(error.to_string()))?;
        return parse(scenario.name, scenario.name, scenario.text);
    }
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::BadInput(format!("scenario {argument}: {error}")))?;
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    parse(
        argument,
        &name.unwrap_or_else(|| "scenario".to_owned()),
        &text,
    )
}

/// The scenario `text`, of `file`.
pub fn parse(file: &str, name: &str, text: &str) -> Result<Named, Failure> {
    let plan =
        scenario::parse(file, text).map_err(|errors| Failure::BadInput(errors.to_string()))?;
    Ok(Named {
        name: name.to_owned(),
        plan,
    })
}

/// Prints the built-in scenarios.
pub fn list() -> Done {
    let width = builtin().iter().map(|scenario| scenario.name.len()).max();
    let width = width.unwrap_or_default();
    for scenario in builtin() {
        let title =
            scenario::parse(scenario.name, scenario.text).map(|plan| plan.title().to_owned());
        let (name, title) = (scenario.name, title.unwrap_or_default());
        say::out(format!("{name:width$}  {title}"));
    }
    Done::Fine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_of_the_same_name_get_names_of_their_own() {
        let names = ["a1", "a1", "a1"].map(str::to_owned);
        let loaded = load(&names).unwrap_or_else(|failure| panic!("{failure}"));
        let names: Vec<_> = loaded
            .iter()
            .map(|scenario| scenario.name.as_str())
            .collect();
        let base = "a1-four-in-series";
        assert_eq!(
            names,
            [base.to_owned(), format!("{base}-2"), format!("{base}-3")]
        );
    }
}
