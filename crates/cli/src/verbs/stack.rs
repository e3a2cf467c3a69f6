//! `nines stack`: the layers that every request and every call passes.

use crate::{exit::Done, say};
use chassis::{inbound, outbound};

/// Prints both stacks, outermost layer first.
pub fn print() -> Done {
    say::out("inbound: a request received");
    layers(inbound::STACK);
    say::out("outbound: a call to another service");
    layers(outbound::STACK);
    Done::Fine
}

fn layers(stack: &[(&str, &str)]) {
    for (name, reason) in stack {
        say::out(format!("  {name:18} {reason}"));
    }
}
