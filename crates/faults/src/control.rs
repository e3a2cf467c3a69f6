//! Reading and replacing the faults of a running service.

use crate::{Decision, FaultSet, RequestKey};
use std::sync::{Arc, PoisonError, RwLock};

/// The faults of one replica of one service, shared between the layer that injects them
/// and whoever changes them. A request keeps the decision it began with.
#[derive(Debug, Clone)]
pub struct FaultControl {
    service: Arc<str>,
    replica: Arc<str>,
    current: Arc<RwLock<Arc<FaultSet>>>,
}

impl FaultControl {
    /// No faults yet, for `replica` of `service`.
    pub fn new(service: impl Into<Arc<str>>, replica: impl Into<Arc<str>>) -> Self {
        Self {
            service: service.into(),
            replica: replica.into(),
            current: Arc::default(),
        }
    }

    /// The faults in force.
    pub fn get(&self) -> Arc<FaultSet> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the faults in force, for requests that arrive from now on.
    pub fn set(&self, faults: FaultSet) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }

    /// Whether no request can be hit now.
    pub fn is_idle(&self) -> bool {
        self.get().faults.is_empty()
    }

    /// Decides what happens to the request `key`.
    pub fn decide(&self, key: &RequestKey) -> Decision {
        self.get().decide(&self.service, &self.replica, key)
    }
}
