//! One suite of tests for a service's store, run on every engine.

use crate::postgres;
use tempfile::TempDir;

/// A new, empty database. It is gone when this is dropped, or with the test process.
#[derive(Debug)]
pub struct Database {
    /// As `--store` takes it; whoever opens it again is another replica.
    pub url: String,
    _folder: Option<TempDir>,
}

impl Database {
    /// A file in a folder of its own.
    ///
    /// # Panics
    ///
    /// If there can be no temporary folder.
    pub fn sqlite() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        Some(Self {
            url: format!("sqlite:{}", folder.path().join("store.db").display()),
            _folder: Some(folder),
        })
    }

    /// A database in the [cluster](postgres::cluster) of this process, where PostgreSQL is
    /// installed.
    pub fn postgres() -> Option<Self> {
        Some(Self {
            url: postgres::cluster()?.database(),
            _folder: None,
        })
    }
}

/// Makes two tests of each function named, `sqlite::name` and `postgres::name`. The function
/// is asynchronous and takes a [`Database`].
///
/// ```text
/// on_every_engine!(a_store_keeps_what_is_written);
///
/// async fn a_store_keeps_what_is_written(database: Database) {
///     let store = open(&database.url).await;
///     …
/// }
/// ```
#[macro_export]
macro_rules! on_every_engine {
    ($($name:ident),+ $(,)?) => {
        $crate::on_every_engine!(@ sqlite: $($name),+);
        $crate::on_every_engine!(@ postgres: $($name),+);
    };
    (@ $engine:ident: $($name:ident),+) => {
        mod $engine {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(database) = $crate::Database::$engine() {
                    super::$name(database).await;
                }
            })+
        }
    };
}
