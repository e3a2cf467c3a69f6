//! `nines new`: a scenario to begin with.

use crate::{
    exit::{Done, Failure},
    say,
};
use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::Path,
};

/// Writes a scenario that shows every key, with comments. What exists is left alone.
pub fn new(path: &Path) -> Result<Done, Failure> {
    let written =
        File::create_new(path).and_then(|mut file| file.write_all(scenario::SHAPE.as_bytes()));
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
        "{path} is written; `nines predict {path}` says what it must come to"
    ));
    Ok(Done::Fine)
}
