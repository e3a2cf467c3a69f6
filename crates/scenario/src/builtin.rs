//! The scenarios that are part of the program.

use types::names::{nearest, quoted, suggestion};

/// A scenario built into the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its name: that of its file, without folder and extension.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// A name that stands for no built-in scenario, or for more than one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchScenario {
    /// None has this name.
    #[error(
        "no built-in scenario is called `{name}`{} `nines list` shows them all; a file needs its \
         extension, as in my.toml",
        nearest_name(name).map_or_else(|| ".".to_owned(), |name| suggestion(Some(name)))
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// The names of several start so.
    #[error(
        "`{name}` is the start of {}; name one of them",
        quoted(starting_with(name))
    )]
    Ambiguous {
        /// The start of the names.
        name: String,
    },
}

/// The name and text of the scenario at a path below the folder of scenarios.
macro_rules! scenario {
    ($folder:literal, $name:literal) => {
        Builtin {
            name: $name,
            text: include_str!(concat!("../../../scenarios/", $folder, "/", $name, ".toml")),
        }
    };
}

const ALL: &[Builtin] = &[
    scenario!("textbook", "a1-four-in-series"),
    scenario!("textbook", "a2-a-fifth-service"),
    scenario!("textbook", "a3-two-replicas"),
    scenario!("textbook", "a4-three-replicas"),
    scenario!("textbook", "a5-relay-chain"),
    scenario!("textbook", "a6-soft-cached-async"),
    scenario!("textbook", "a7-nines"),
    scenario!("textbook", "a8-outages-in-time"),
    scenario!("textbook", "a9-correlated"),
    scenario!("remedies", "r1-dead-database"),
    scenario!("remedies", "r2-retries"),
    scenario!("remedies", "r3-amplification"),
    scenario!("remedies", "r4-hanging-database"),
    scenario!("remedies", "r5-overload"),
    scenario!("remedies", "r6-hedging"),
    scenario!("remedies", "r7-replicas"),
    scenario!("remedies", "r8-failover"),
    scenario!("remedies", "r9-cache"),
    scenario!("remedies", "r12-scaling"),
    scenario!("remedies", "r12-coherence"),
    scenario!("remedies", "r12-autoscaling"),
    scenario!("remedies", "restart-in-turn"),
    scenario!("lessons", "l1-another-replica"),
    scenario!("lessons", "l2-where-not-how-many"),
    scenario!("lessons", "l3-retries-inside-an-outage"),
    scenario!("lessons", "l4-a-breaker-saves-no-request"),
    scenario!("lessons", "l5-a-generator-that-waits"),
    scenario!("lessons", "l6-attempts-are-a-biased-sample"),
    scenario!("lessons", "l8-cache-is-no-cover"),
    scenario!("lessons", "l11-sampling-that-keeps-errors"),
];

/// All built-in scenarios, in the order in which they are best read.
pub const fn builtin() -> &'static [Builtin] {
    ALL
}

fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|builtin| builtin.name)
}

/// The built-in scenario called `name`, in full or by a start that only one has: "a1".
pub fn find(name: &str) -> Result<&'static Builtin, NoSuchScenario> {
    if let Some(exact) = ALL.iter().find(|builtin| builtin.name == name) {
        return Ok(exact);
    }
    let is_meant = |builtin: &&Builtin| is_beginning(name, builtin.name);
    let mut meant = ALL.iter().filter(is_meant);
    let name = name.to_owned();
    match (meant.next(), meant.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(NoSuchScenario::Unknown { name }),
        (Some(_), Some(_)) => Err(NoSuchScenario::Ambiguous { name }),
    }
}

fn starting_with(start: &str) -> impl Iterator<Item = &'static str> {
    names().filter(move |name| is_beginning(start, name))
}

/// The scenario that was probably meant by `word`: by its name, or by the number it starts with.
fn nearest_name(word: &str) -> Option<&'static str> {
    let numbers = names().filter_map(|name| name.split('-').next());
    let nearest = nearest(word, names().chain(numbers))?;
    names().find(|name| *name == nearest || is_beginning(nearest, name))
}

/// Whether `start` is the first words of `name`.
fn is_beginning(start: &str, name: &str) -> bool {
    name.strip_prefix(start)
        .is_some_and(|rest| rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    #[test]
    fn a_wrong_name_gets_the_one_that_was_meant_and_where_the_list_is() {
        for (name, expected) in [
            ("a1-four-in-serie", "did you mean `a1-four-in-series`?"),
            ("r99", "did you mean `r9-cache`?"),
            ("a-hanging-databse", "`nines list` shows them all"),
            (
                "r12",
                "`r12` is the start of `r12-scaling`, `r12-coherence`, `r12-autoscaling`",
            ),
        ] {
            let error = find(name).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_file_in_the_folder_of_scenarios_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let below = |folder: &Path| {
            fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        let folders = below(&folder).filter(|path| path.is_dir());
        let files = folders.flat_map(|folder| below(&folder).collect::<Vec<_>>());
        let name =
            |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let files: BTreeSet<_> = files.map(name).collect();
        let known: BTreeSet<_> = names().map(str::to_owned).collect();
        assert_eq!(known, files);
        assert_eq!(known.len(), ALL.len());
    }
}
