//! Whom a relay calls.

use std::{fmt, str::FromStr};
use types::{NAME_ALLOWED, is_name};
use url::Url;

const ALLOWED: &str = "allowed: name=http://address:port, more replicas after a |";

/// A service to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where its replicas are; at least one.
    pub urls: Vec<Url>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, urls) = text.split_once('=').ok_or_else(|| ALLOWED.to_owned())?;
        if !is_name(name) {
            return Err(format!("{name:?} is not a name; allowed: {NAME_ALLOWED}"));
        }
        let urls = urls.split('|').map(chassis::replicas::parse);
        let urls: Result<Vec<_>, _> = urls.collect();
        Ok(Self {
            name: name.to_owned(),
            urls: urls.map_err(|error| format!("{error}; {ALLOWED}"))?,
        })
    }
}

/// In which order a relay makes its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// One after the other; the first failure ends it.
    InTurn,
    /// All at the same time; it answers when the slowest has.
    AtOnce,
}

/// A name that is not among those called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    called: String,
}

impl Unknown {
    pub(crate) fn new(calls: &[Target]) -> Self {
        let names: Vec<_> = calls.iter().map(|target| &*target.name).collect();
        Self {
            called: names.join(", "),
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.called {
            "" => f.write_str("--calls is empty"),
            called => write!(f, "allowed: {called}"),
        }
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_and_the_addresses_of_its_replicas() {
        let target: Target = "auth=http://127.0.0.1:1|http://127.0.0.1:2"
            .parse()
            .unwrap();
        let ports: Vec<_> = target.urls.iter().filter_map(Url::port).collect();
        assert_eq!((&*target.name, ports), ("auth", vec![1, 2]));
        for bad in [
            "",
            "auth",
            "auth=",
            "auth=http://127.0.0.1:1|",
            "=http://a",
            "a b=http://a",
            "a=https://a",
            "a=http://a/x",
        ] {
            let error = bad.parse::<Target>().unwrap_err();
            assert!(error.contains("allowed: "), "{bad}: {error}");
        }
    }
}
