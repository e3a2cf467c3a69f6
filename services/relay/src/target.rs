//! Whom a relay calls.

use std::{fmt, str::FromStr};
use types::{NAME_ALLOWED, is_name};
use url::Url;

const ALLOWED: &str = "allowed: name=http://address:port";

/// A service to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: Url,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = text.split_once('=').ok_or_else(|| ALLOWED.to_owned())?;
        if !is_name(name) {
            return Err(format!("{name:?} is not a name; allowed: {NAME_ALLOWED}"));
        }
        Ok(Self {
            name: name.to_owned(),
            url: chassis::replicas::parse(url).map_err(|error| format!("{error}; {ALLOWED}"))?,
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
    fn a_target_is_a_name_and_an_address() {
        let target: Target = "auth=http://127.0.0.1:1".parse().unwrap();
        assert_eq!((&*target.name, target.url.port()), ("auth", Some(1)));
        for bad in [
            "",
            "auth",
            "auth=",
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
