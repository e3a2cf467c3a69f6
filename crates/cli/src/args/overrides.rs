//! Values that take the place of a scenario's own.

use clap::Args;
use scenario::Overrides as Values;

/// The heading of these flags in help.
const HEADING: &str = "In place of the scenario's own";

/// Values that take the place of a scenario's own. They are checked as those of its file are.
#[derive(Debug, Default, Args)]
pub struct Overrides {
    /// Send requests at this rate, in requests per second
    #[arg(long, value_name = "RATE", help_heading = HEADING)]
    pub rate: Option<String>,
    /// Send requests for this long, for example 20s
    #[arg(long = "for", value_name = "DURATION", help_heading = HEADING)]
    pub duration: Option<String>,
    /// Send this number of requests
    #[arg(long, value_name = "COUNT", help_heading = HEADING)]
    pub requests: Option<String>,
    /// Draw faults and arrivals from this seed
    #[arg(long, value_name = "SEED", help_heading = HEADING)]
    pub seed: Option<String>,
    /// Run this number of replicas of a service, or of every service
    #[arg(long, value_name = "SERVICE=N|N", help_heading = HEADING)]
    pub replicas: Vec<String>,
}

impl Overrides {
    /// As the scenario's checks take them.
    pub fn values(&self) -> Values {
        Values {
            rate: self.rate.clone(),
            duration: self.duration.clone(),
            requests: self.requests.clone(),
            seed: self.seed.clone(),
            replicas: self.replicas.clone(),
        }
    }
}
