//! Where a store is.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use sqlx::postgres::PgConnectOptions;
use std::{
    ffi::OsString,
    fmt,
    num::NonZeroU32,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    str::FromStr,
};
use url::Url;

const ALLOWED: &str = "allowed: sqlite:PATH, for example sqlite:/var/lib/nines/auth.db; sqlite::memory: for a store that ends with its process; or postgres://USER@HOST:PORT/DATABASE, with ?host=/FOLDER for a Unix socket";

/// How many connections a pool has where the URL does not say.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(8).unwrap();
/// What would mean something else in a URL than in a path (RFC 3986, 2.2). The rest is left as it
/// is, so that people recognise the path.
const IN_A_PATH: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');
/// What is shown in place of a password.
const HIDDEN: &str = "***";
/// What a PostgreSQL URL may say after the question mark, besides `connections`.
const PARAMETERS: [&str; 9] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
];

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH` or `sqlite::memory:`.
    Sqlite(SqliteUrl),
    /// `postgres://…`.
    Postgres(PostgresUrl),
}

/// Where a SQLite database is: a file, or the memory of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteUrl(Option<PathBuf>);

/// Where a PostgreSQL database is, and how many connections to it there may be.
///
/// The query parameters are those of libpq that concern the way there (`host`, `port`, `user`,
/// `password`, `dbname`, `sslmode` …), and `connections`, the size of the pool (8).
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    url: Url,
    connections: NonZeroU32,
}

impl StoreUrl {
    /// A store that ends with its process.
    pub const MEMORY: Self = Self::Sqlite(SqliteUrl::MEMORY);

    /// Whether the URL holds a password, which then belongs nowhere where others see it.
    pub fn has_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => url.has_password(),
        }
    }
}

impl SqliteUrl {
    /// A store that ends with its process.
    pub const MEMORY: Self = Self(None);

    /// The file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// The file; none for a store in memory.
    pub fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }
}

impl PostgresUrl {
    /// How many connections there may be.
    pub const fn connections(&self) -> NonZeroU32 {
        self.connections
    }

    fn has_password(&self) -> bool {
        self.url.password().is_some() || self.url.query_pairs().any(|(key, _)| key == "password")
    }

    /// For the driver, which must not hear of what it does not know.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let mut url = self.url.clone();
        let known = self
            .url
            .query_pairs()
            .filter(|(key, _)| key != "connections");
        url.query_pairs_mut().clear().extend_pairs(known);
        url.as_str().parse()
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
        match text.split_once(':') {
            Some(("sqlite", ":memory:")) => Ok(Self::MEMORY),
            Some(("sqlite", path)) => file(path).map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => postgres(text).map(Self::Postgres),
            _ => Err(refuse("this is not the URL of a store")),
        }
    }
}

/// What would mean something else to SQLite, or to a reader, is no path here.
fn file(path: &str) -> Result<SqliteUrl, NotAStore> {
    let bare = path.strip_prefix("//").unwrap_or(path);
    let why = match bare {
        "" => "the path is missing",
        _ if bare.len() < path.len() && !bare.starts_with('/') => {
            "what follows sqlite:// would be a host"
        }
        _ if bare.contains('?') => {
            "settings after a question mark are not supported; in a path it is %3F"
        }
        _ if bare.starts_with("file:") || bare.starts_with(':') => "this is not a path",
        _ => {
            let path: Vec<u8> = percent_decode_str(bare).collect();
            if !path.contains(&0) {
                return Ok(SqliteUrl::file(OsString::from_vec(path)));
            }
            "a path holds no NUL"
        }
    };
    Err(refuse(why))
}

fn postgres(text: &str) -> Result<PostgresUrl, NotAStore> {
    let url: Url = text.parse().map_err(|error| refuse(format!("{error}")))?;
    if !text.contains("://") {
        return Err(refuse("the two slashes are missing"));
    }
    if url.fragment().is_some() {
        return Err(refuse("nothing follows a # here; in a password it is %23"));
    }
    let mut connections = CONNECTIONS;
    for (key, value) in url.query_pairs() {
        match &*key {
            "connections" => connections = number_of_connections(&value)?,
            key if PARAMETERS.contains(&key) => {}
            key => return Err(refuse(unknown(key))),
        }
    }
    let url = PostgresUrl { url, connections };
    // The driver's own error could repeat the password.
    let is_good = url.options().is_ok();
    is_good
        .then_some(url)
        .ok_or_else(|| refuse("a port or another setting in it is not valid"))
}

fn number_of_connections(text: &str) -> Result<NonZeroU32, NotAStore> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &NonZeroU32| number.get() <= 1000);
    number.ok_or_else(|| {
        refuse(format!(
            "connections: {text:?} is not a number from 1 to 1000"
        ))
    })
}

fn unknown(key: &str) -> String {
    let known = PARAMETERS.join(", ");
    format!("the setting {key:?} is not known (known: connections, {known})")
}

fn refuse(why: impl Into<String>) -> NotAStore {
    NotAStore { why: why.into() }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(url) => url.fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for SqliteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => {
                let path = percent_encode(path.as_os_str().as_bytes(), IN_A_PATH);
                write!(f, "sqlite:{path}")
            }
            None => f.write_str("sqlite::memory:"),
        }
    }
}

/// Without the password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        if url.password().is_some() {
            // Where there was one, there can be another.
            let _ = url.set_password(Some(HIDDEN));
        }
        if url.query_pairs().any(|(key, _)| key == "password") {
            let pairs = self.url.query_pairs();
            let shown = pairs.map(|(key, value)| match &*key {
                "password" => (key, HIDDEN.into()),
                _ => (key, value),
            });
            url.query_pairs_mut().clear().extend_pairs(shown);
        }
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> StoreUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_is_taken_as_it_is_and_memory_has_none() {
        for (text, path) in [
            ("sqlite:/a/b.db", "/a/b.db"),
            ("sqlite:b.db", "b.db"),
            ("sqlite:///a/b.db", "/a/b.db"),
            ("sqlite:/a b/c%3Fd%25%23.db", "/a b/c?d%#.db"),
        ] {
            assert_eq!(
                parse(text),
                StoreUrl::Sqlite(SqliteUrl::file(path)),
                "{text}"
            );
        }
        for path in ["/a b/é.db", "/what?/b.db", "/50%25/#1.db", "/a\nb.db"] {
            let url = StoreUrl::Sqlite(SqliteUrl::file(path));
            assert_eq!(parse(&url.to_string()), url, "{path}");
        }
        assert_eq!(parse("sqlite::memory:"), StoreUrl::MEMORY);
        assert_eq!(StoreUrl::MEMORY.to_string(), "sqlite::memory:");
    }

    #[test]
    fn a_server_is_named_by_host_or_by_the_folder_of_its_socket() {
        for text in [
            "postgres://db/nines",
            "postgresql://nines@db:5433/nines?sslmode=verify-full",
            "postgres:///nines?host=/run/postgresql&user=nines",
        ] {
            let url = parse(text);
            assert!(!url.has_password(), "{text}");
            assert_eq!(parse(&url.to_string()), url, "{text}");
        }
        let StoreUrl::Postgres(socket) = parse("postgres:///nines?host=/run/pg&connections=3")
        else {
            panic!("not PostgreSQL");
        };
        assert_eq!(socket.connections().get(), 3);
        let options = socket.options().unwrap();
        assert_eq!(options.get_socket().unwrap(), Path::new("/run/pg"));
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://nines:hush@db/nines",
            "postgres://db/nines?user=nines&password=hush&connections=2",
        ] {
            let url = parse(text);
            assert!(url.has_password());
            for shown in [format!("{url}"), format!("{url:?}")] {
                assert!(!shown.contains("hush") && shown.contains(HIDDEN), "{shown}");
                assert!(shown.contains("nines"), "{shown}");
            }
        }
        for wrong in [
            "postgres://nines:hush@db:x/nines",
            "postgres://a:hush@b/c?x=1",
        ] {
            let error = wrong.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for (text, why) in [
            ("mysql://db", "not the URL of a store"),
            ("/a/b.db", "not the URL of a store"),
            ("", "not the URL of a store"),
            ("sqlite:", "missing"),
            ("sqlite://b.db", "host"),
            ("sqlite:b.db?mode=ro", "%3F"),
            ("sqlite:a%00b.db", "NUL"),
            ("sqlite:file:b.db", "not a path"),
            ("sqlite::shared:", "not a path"),
            ("postgres:nines", "slashes"),
            ("postgres://db:0x/nines", "port"),
            ("postgres://db/nines#a", "%23"),
            (
                "postgres://db/nines?conections=1",
                "\"conections\" is not known",
            ),
            ("postgres://db/nines?connections=0", "from 1 to 1000"),
            ("postgres://db/nines?sslmode=maybe", "not valid"),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(error.contains("allowed: sqlite:PATH"), "{text}: {error}");
        }
    }
}
