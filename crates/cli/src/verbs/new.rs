//! `nines new`: a scenario to start from.

use crate::{
    exit::{Done, Failure},
    say,
};
use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::Path,
};

/// Writes a short scenario, the one that shows every key if `full`, or a copy of the built-in
/// one `from`. A file that exists is left alone.
pub fn new(path: &Path, full: bool, from: Option<&str>) -> Result<Done, Failure> {
    let text = match from {
        Some(name) => copy_of(name)?,
        None if full => scenario::SHAPE.to_owned(),
        None => scenario::STARTER.to_owned(),
    };
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "it exists already".to_owned(),
            _ => error.to_string(),
        };
        let path = path.display();
        Failure::BadInput(format!(
            "{path}: {why}; allowed: a file that can be created"
        ))
    })?;
    let path = path.display();
    say::out(format!(
        "wrote {path}\n\nnext   nines predict {path}   what to expect\n       \
         nines run {path}       whether it comes true"
    ));
    Ok(Done::Fine)
}

/// The text of a built-in scenario, without the line that leads editors to a file beside it.
fn copy_of(name: &str) -> Result<String, Failure> {
    let builtin = scenario::find(name)
        .map_err(|error| Failure::BadInput(format!("--from {name}: {error}")))?;
    let lines = builtin.text.lines();
    let lines: Vec<_> = lines.filter(|line| !line.starts_with("#:schema")).collect();
    Ok(lines.join("\n").trim_start().to_owned() + "\n")
}
