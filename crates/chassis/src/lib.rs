//! The microservice chassis: what every service of the chain has in common.
//!
//! | module | what it is |
//! |---|---|
//! | [`run`] | a process: arguments, runtime, exit code |
//! | [`options`] | configuration: flags, environment, TOML file, in this order |
//! | [`Chassis`] | the life of a service: listen, serve, drain, flush |
//! | [`StoreWait`] | the start of a service whose store is not there yet |
//! | [`inbound`] | the layers that every request received passes |
//! | [`outbound`] | the layers that every call to another service passes |
//! | [`PolicyControl`] | what is done about time and failures, replaced while the service runs |
//! | [`delivery`] | telling the audit log of an event after the fact |
//! | [`admin`] | probes, metrics, faults and policy, on a listener of their own |
//! | [`conditional`] | requests that depend on what is there: entity tags |
//! | [`Refusal`] | problems (RFC 9457) as answers |
//! | [`openapi`] | the description of a service's routes |

pub mod admin;
mod attached;
mod body;
mod callees;
mod calls_made;
pub mod conditional;
mod connections;
pub mod delivery;
mod extract;
pub mod inbound;
mod instruments;
mod log_limit;
pub mod openapi;
pub mod options;
pub mod outbound;
mod own_failure;
mod policy;
mod refusal;
pub mod replicas;
mod request;
mod run;
mod service;
mod shutdown;
mod span_status;
mod store_wait;

pub use connections::PeerAddress;
pub use extract::Json;
pub use instruments::Instruments;
pub use options::Options;
pub use outbound::{Answer, Call, CallError, Upstream};
pub use policy::{Policy, PolicyControl};
pub use refusal::{Degraded, Refusal};
pub use request::RequestContext;
pub use run::{EXIT_BAD_INPUT, EXIT_ENVIRONMENT, raise_file_limit, run};
pub use service::{Addresses, Chassis, Error};
pub use store_wait::StoreWait;
