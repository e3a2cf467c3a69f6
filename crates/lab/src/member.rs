//! One replica of a service of a chain, whoever started it.

/// A running replica, and where its admin listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The service.
    pub service: String,
    /// Which of the service's replicas it is, counted from 0.
    pub replica: u32,
    /// What people call it: the service's name, or the replica's where there are several.
    pub name: String,
    /// Its admin listener, such as `http://127.0.0.1:9090`.
    pub admin: String,
}
