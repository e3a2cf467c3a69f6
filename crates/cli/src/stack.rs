//! `nines stack`: the layers that every request and every call passes.

use crate::exit::Done;
use chassis::{inbound, outbound};

/// Prints both stacks, outermost layer first.
pub fn print() -> Done {
    println!("inbound: a request received");
    layers(inbound::STACK);
    println!("outbound: a call to another service");
    layers(outbound::STACK);
    Done::Fine
}

fn layers(stack: &[(&str, &str)]) {
    for (name, reason) in stack {
        println!("  {name:18} {reason}");
    }
}
