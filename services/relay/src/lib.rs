//! A hop with no business of its own: it works for a while, calls what it is told to, and
//! answers. Any graph of services can be built from it.
//!
//! | module | what it is |
//! |---|---|
//! | `routes` | one request: wait for a slot, work, call, answer |
//! | `target` | whom it calls |
//! | `slots` | how many requests it handles at once |
//! | `work` | what a request costs: CPU, or waiting |
//!
//! What it calls and how it works comes from its configuration, never from a request: a
//! client must not be able to send it anywhere.

mod routes;
mod slots;
mod target;
mod work;

use chassis::{Chassis, Error};
use routes::{Callee, Relay};
use slots::Slots;
use std::{num::NonZeroUsize, sync::Arc};
use target::Unknown;
use types::service;

pub use target::{Order, Target};
pub use work::Work;

/// Settings of a relay.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = service::RELAY, about = "A configurable test service: works, calls others, answers")]
pub struct Options {
    /// What every service can be told.
    #[command(flatten)]
    pub chassis: chassis::Options,
    /// The name of this relay, in traces and to its callers
    #[arg(long, env = "NINES_NAME", default_value = service::RELAY, value_name = "NAME")]
    pub name: String,
    /// The services to call: name=<http://address:port>, separated by commas; replicas of one by |
    #[arg(
        long,
        env = "NINES_CALLS",
        value_delimiter = ',',
        value_name = "NAME=URL"
    )]
    pub calls: Vec<Target>,
    /// Those of them without which it answers too, marked as degraded
    #[arg(long, env = "NINES_SOFT", value_delimiter = ',', value_name = "NAME")]
    pub soft: Vec<String>,
    /// Whether it calls one after the other or all at once
    #[arg(
        long,
        env = "NINES_ORDER",
        default_value = "in-turn",
        value_name = "ORDER"
    )]
    pub order: Order,
    /// What a request costs before the calls: cpu:2ms or wait:20ms
    #[arg(long, env = "NINES_WORK", value_name = "KIND:DURATION")]
    pub work: Option<Work>,
    /// How many requests are handled at once, from their work to their answer; others wait
    #[arg(long, env = "NINES_SLOTS", value_name = "COUNT")]
    pub slots: Option<NonZeroUsize>,
    /// How many may wait for a slot; more are refused
    #[arg(
        long,
        env = "NINES_QUEUE",
        default_value = "1024",
        requires = "slots",
        value_name = "COUNT"
    )]
    pub queue: usize,
}

impl AsRef<chassis::Options> for Options {
    fn as_ref(&self) -> &chassis::Options {
        &self.chassis
    }
}

/// Runs a relay until it is told to stop.
pub async fn serve(options: Options) -> Result<(), Error> {
    let chassis = Chassis::start(&options.name, options.chassis.clone()).await?;
    let relay = options.relay(&chassis)?;
    let routes = routes::router().with_state(Arc::new(relay));
    chassis.serve(routes, async || ()).await
}

impl Options {
    fn relay(&self, chassis: &Chassis) -> Result<Relay, Error> {
        self.check_soft()?;
        let callee = |target: &Target| Callee {
            is_soft: self.soft.contains(&target.name),
            upstream: chassis.upstream(&target.name, &target.urls),
        };
        let slots = self.slots.map(|slots| Slots::new(slots, self.queue));
        let slots = slots.map(Arc::new);
        if let Some(slots) = &slots {
            show(chassis, slots);
        }
        Ok(Relay {
            name: self.name.clone(),
            callees: self.calls.iter().map(callee).collect(),
            order: self.order,
            work: self.work,
            slots,
        })
    }

    /// Only those that are called can be left out.
    fn check_soft(&self) -> Result<(), Error> {
        let is_called = |name: &String| self.calls.iter().any(|target| target.name == *name);
        let Some(name) = self.soft.iter().find(|name| !is_called(name)) else {
            return Ok(());
        };
        let what = || format!("--soft {name}: it calls nobody of that name");
        Err(Error::setup(what)(Unknown::new(&self.calls)))
    }
}

/// Shows how many slots there are, and for how long they were taken.
fn show(chassis: &Chassis, slots: &Arc<Slots>) {
    let (number, busy) = (slots.number() as u64, slots.clone());
    chassis.show(
        "nines.slots",
        "Requests handled at once, at most.",
        move || number,
    );
    chassis.show_seconds(
        "nines.slots.busy",
        "Time that slots were taken, of all of them together.",
        move || busy.busy().as_secs_f64(),
    );
}
