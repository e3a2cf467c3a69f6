//! Where a store is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

const ALLOWED: &str = "allowed: sqlite:PATH, for example sqlite:/var/lib/nines/auth.db, or sqlite::memory: for a store that ends with its process";

/// Where a store is: `sqlite:PATH`, or `sqlite::memory:` for one that ends with its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl(Option<PathBuf>);

impl StoreUrl {
    /// A store that ends with its process.
    pub const MEMORY: Self = Self(None);

    /// The file; none for a store in memory.
    pub fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {ALLOWED}")]
pub struct NotAStore {
    why: String,
}

impl FromStr for StoreUrl {
    type Err = NotAStore;

    fn from_str(text: &str) -> Result<Self, NotAStore> {
        match text.strip_prefix("sqlite:") {
            Some(":memory:") => Ok(Self::MEMORY),
            Some(path) => file(path),
            None => Err(refuse(other(text))),
        }
    }
}

/// What would mean something else to SQLite, or to a reader, is no path here.
fn file(path: &str) -> Result<StoreUrl, NotAStore> {
    let bare = path.strip_prefix("//").unwrap_or(path);
    let why = match bare {
        "" => "the path is missing",
        _ if bare.len() < path.len() && !bare.starts_with('/') => {
            "what follows sqlite:// would be a host"
        }
        _ if bare.contains('?') => "settings after a question mark are not supported",
        _ if bare.starts_with("file:") || bare.starts_with(':') => "this is not a path",
        _ if bare.contains('\0') => "a path holds no NUL",
        _ => return Ok(StoreUrl(Some(bare.into()))),
    };
    Err(refuse(why))
}

fn other(text: &str) -> &'static str {
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        "PostgreSQL is not supported by this version"
    } else {
        "this is not the URL of a store"
    }
}

fn refuse(why: &str) -> NotAStore {
    NotAStore {
        why: why.to_owned(),
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "sqlite:{}", path.display()),
            None => f.write_str("sqlite::memory:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is_and_memory_has_none() {
        for (text, path) in [
            ("sqlite:/a/b.db", "/a/b.db"),
            ("sqlite:b.db", "b.db"),
            ("sqlite:///a/b.db", "/a/b.db"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.path(), Some(Path::new(path)), "{text}");
        }
        let memory: StoreUrl = "sqlite::memory:".parse().unwrap();
        assert_eq!(memory, StoreUrl::MEMORY);
        assert_eq!(memory.to_string(), "sqlite::memory:");
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for (text, why) in [
            ("postgres://db/nines", "not supported by this version"),
            ("postgresql://db/nines", "not supported by this version"),
            ("mysql://db", "not the URL of a store"),
            ("/a/b.db", "not the URL of a store"),
            ("", "not the URL of a store"),
            ("sqlite:", "missing"),
            ("sqlite://b.db", "host"),
            ("sqlite:b.db?mode=ro", "question mark"),
            ("sqlite:file:b.db", "not a path"),
            ("sqlite::shared:", "not a path"),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("allowed: sqlite:PATH"), "{text}: {error}");
        }
    }
}
