//! JSON for programs: one document on standard output, whose field `schema` says of which verb
//! and which version it is.

use crate::say;
use serde::Serialize;
use std::io::{self, Write};

/// Any verb's document: the schema, and the verb's own fields beside it.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    body: &'a T,
}

/// Prints `body` as the document of `verb`, in `version` of its fields.
pub fn print(verb: &str, version: u32, body: &impl Serialize) {
    say::remember(write(verb, version, body));
}

fn write(verb: &str, version: u32, body: &impl Serialize) -> io::Result<()> {
    let schema = format!("nines/{verb}/{version}");
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &Document { schema, body })?;
    writeln!(out)
}
