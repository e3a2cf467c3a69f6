//! The names of the services, as in traces, metrics, problems and scenarios.

/// The edge.
pub const GATEWAY: &str = "gateway";
/// Who is it?
pub const AUTH: &str = "auth";
/// What is on their page?
pub const PROFILE: &str = "profile";
/// The records it names.
pub const DATABASE: &str = "database";
/// The fifth hop.
pub const AUDIT: &str = "audit";
/// A relay that stands for a configuration server: the last hop, where there is one.
pub const CONFIG: &str = "config";
/// A hop with no business of its own.
pub const RELAY: &str = "relay";
/// Whoever stands before the edge: the load generator, in the traces it makes.
pub const CLIENT: &str = "client";
