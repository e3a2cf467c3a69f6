//! How a service opens the database it owns: the URL, the connections, the migrations.
//!
//! A service has a store of its own and no other service looks into it. Replicas of one
//! service share its store. What is kept there, and how it is asked for, is the service's
//! own affair; this crate knows only how such a store comes to be.
//!
//! | module | what it is |
//! |---|---|
//! | `url` | the value of `--store`, checked |
//! | `sqlite` | the connections: several that read, one that writes |
//! | `migrate` | the steps that bring a database to the form a service expects |

mod migrate;
mod sqlite;
mod url;

pub use migrate::MigrateError;
pub use sqlite::{OpenError, Sqlite};
pub use url::{NotAStore, StoreUrl};
