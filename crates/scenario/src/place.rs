//! Services and their replicas, by name.

use crate::topology::Name;
use serde::{Serialize, Serializer};
use std::fmt;

/// The name of a replica of `service`; they are numbered from 0.
pub(crate) fn replica_name(service: &str, replica: u32) -> Name {
    format!("{service}-{replica}").into()
}

/// Where a fault strikes: at every replica of a service, or at one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The service.
    pub service: Name,
    /// The number of the replica; none: all of them.
    pub replica: Option<u32>,
}

impl Place {
    /// Every replica of `service`.
    pub const fn all_of(service: Name) -> Self {
        Self {
            service,
            replica: None,
        }
    }

    /// Whether that replica of that service is meant.
    pub fn holds(&self, service: &str, replica: u32) -> bool {
        *self.service == *service && self.replica.is_none_or(|only| only == replica)
    }

    /// Whether some replica is meant by both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let same = |pair: (u32, u32)| pair.0 == pair.1;
        self.service == other.service && self.replica.zip(other.replica).is_none_or(same)
    }
}

/// As in scenarios: `database`, or `database-1`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replica {
            Some(replica) => write!(f, "{}-{replica}", self.service),
            None => f.write_str(&self.service),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
