//! Scenarios by file or by name.

use crate::{
    exit::{Done, Failure},
    json, say,
};
use scenario::{Overrides, Plan, builtin, find, warnings};
use serde_json::json;
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
        warn([self]);
    }
}

/// Says what about the limits and policies of these scenarios is probably not meant: once what
/// is so of several.
pub fn warn<'a>(scenarios: impl IntoIterator<Item = &'a Named>) {
    for (warning, names) in grouped(scenarios) {
        let more = match names.len() {
            1 => String::new(),
            2 => format!(" and {}", names[1]),
            number => format!(" and {} more", number - 1),
        };
        say::err(format!("warning: {}{more}: {warning}", names[0]));
    }
}

/// Each warning, with the scenarios that have it.
fn grouped<'a>(scenarios: impl IntoIterator<Item = &'a Named>) -> Vec<(String, Vec<&'a str>)> {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for scenario in scenarios {
        for warning in warnings(&scenario.plan) {
            let text = warning.to_string();
            match all.iter_mut().find(|(known, _)| *known == text) {
                Some((_, names)) => names.push(&scenario.name),
                None => all.push((text, vec![&scenario.name])),
            }
        }
    }
    all
}

/// The scenarios that `arguments` name: built-in ones, or files.
pub fn load(arguments: &[String]) -> Result<Vec<Named>, Failure> {
    load_with(arguments, &Overrides::default())
}

/// The same, with values in place of their own.
pub fn load_with(arguments: &[String], overrides: &Overrides) -> Result<Vec<Named>, Failure> {
    let mut scenarios: Vec<Named> = Vec::new();
    for argument in arguments {
        let mut scenario = load_one(argument, overrides)?;
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
    let is_taken = ["fixed", "side-by-side"].contains(&name.as_str())
        || name.starts_with("run-")
        || name.starts_with("seed-");
    if name.is_empty() || is_taken {
        return format!("variant-{name}");
    }
    name
}

fn load_one(argument: &str, overrides: &Overrides) -> Result<Named, Failure> {
    let Source { file, name, text } = source(argument)?;
    parse_with((&file, &name), &text, overrides)
}

/// The text of a scenario, or of a part of one.
pub struct Source {
    /// What it is called in errors.
    pub file: String,
    /// The name, as a part of file names.
    pub name: String,
    /// The text.
    pub text: String,
}

/// The text that `argument` names: that of a file, or of a built-in scenario.
pub fn source(argument: &str) -> Result<Source, Failure> {
    let path = Path::new(argument);
    let looks_like_file = path.extension().is_some() || argument.contains('/') || path.is_file();
    if !looks_like_file {
        let scenario = find(argument).map_err(|error| Failure::BadInput(error.to_string()))?;
        return Ok(Source {
            file: scenario.name.to_owned(),
            name: scenario.name.to_owned(),
            text: scenario.text.to_owned(),
        });
    }
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::BadInput(format!("scenario {argument}: {error}")))?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy());
    // The name is shown in terminals, where a control character could do anything.
    let name = stem.map(|stem| stem.replace(char::is_control, "_"));
    Ok(Source {
        file: argument.to_owned(),
        name: name.unwrap_or_else(|| "scenario".to_owned()),
        text,
    })
}

/// The scenario `text`, of `file`.
pub fn parse(file: &str, name: &str, text: &str) -> Result<Named, Failure> {
    parse_with((file, name), text, &Overrides::default())
}

fn parse_with(
    (file, name): (&str, &str),
    text: &str,
    overrides: &Overrides,
) -> Result<Named, Failure> {
    let plan = scenario::parse_with(file, text, overrides);
    let plan = plan.map_err(|errors| Failure::BadInput(errors.to_string()))?;
    Ok(Named {
        name: name.to_owned(),
        plan,
    })
}

/// Prints the built-in scenarios.
pub fn list(as_json: bool) -> Done {
    if as_json {
        let scenario = |(name, title)| json!({ "name": name, "title": title });
        let scenarios: Vec<_> = titles().map(scenario).collect();
        json::print("list", 1, &json!({ "scenarios": scenarios }));
        return Done::Fine;
    }
    let width = builtin().iter().map(|scenario| scenario.name.len()).max();
    let width = width.unwrap_or_default();
    for (name, title) in titles() {
        say::out(format!("{name:width$}  {title}"));
    }
    Done::Fine
}

/// The names and the titles of the built-in scenarios.
pub fn titles() -> impl Iterator<Item = (&'static str, String)> {
    builtin().iter().map(|scenario| {
        let plan = scenario::parse(scenario.name, scenario.text);
        let title = plan.map(|plan| plan.title().to_owned());
        (scenario.name, title.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_several_scenarios_is_told_once() {
        let text = "title = \"t\"\n[load]\nrate = 10\nrequests = 10\n[chain]\nrelays = 2\n\
                    [policy]\nattempt_timeout = \"2s\"\ndeadline = \"1s\"\n";
        let named = ["one", "two"]
            .map(|name| parse("s.toml", name, text).unwrap_or_else(|failure| panic!("{failure}")));
        let all = grouped(&named);
        assert!(!all.is_empty());
        for (warning, names) in all {
            assert_eq!(names, ["one", "two"], "{warning}");
        }
    }

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
