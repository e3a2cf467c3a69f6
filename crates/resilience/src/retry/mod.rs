//! Trying again, where it is safe and can help.

mod policy;

pub use policy::{BudgetSettings, RetryPolicy, RetrySettings};
