//! Where results go: the terminal, and `result.json`.

use crate::say;
use lab::LabError;
use report::{
    results::{Results, ScenarioResult},
    terminal::{self, Style},
};
use std::{
    fs::{self, Permissions},
    io::{self, IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};
use tempfile::NamedTempFile;

/// Makes the folder `out` and tries to write there, before anything runs for a minute.
pub fn check_folder(out: &Path) -> Result<(), LabError> {
    let unwritable = |source| LabError::Output {
        path: out.to_owned(),
        source,
    };
    fs::create_dir_all(out).map_err(unwritable)?;
    temporary(out).map(drop).map_err(unwritable)
}

/// Writes `result.json`: complete, or not at all.
pub fn write(results: &Results, out: &Path) -> Result<(), LabError> {
    let path = out.join("result.json");
    let unwritable = |source| LabError::Output {
        path: path.clone(),
        source,
    };
    let mut file = temporary(out).map_err(unwritable)?;
    serde_json::to_writer_pretty(&mut file, results).map_err(|error| unwritable(error.into()))?;
    file.flush().map_err(unwritable)?;
    file.persist(&path)
        .map_err(|error| unwritable(error.error))?;
    Ok(())
}

/// A file in `out` that others may read once it has its name.
fn temporary(out: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(out)
}

/// One scenario as a table.
pub fn scenario(result: &ScenarioResult) -> String {
    terminal::scenario(result, style())
}

/// What is said at the end: scenarios that hang side by side, and where the files are.
pub fn close(results: &Results, out: &Path) {
    let comparison = terminal::comparison(&results.scenarios);
    if !comparison.is_empty() {
        say::out(comparison);
    }
    say::out(format!(
        "results      {}",
        out.join("result.json").display()
    ));
    say::out(format!(
        "traces       {} (open them in Jaeger's UI: Upload)",
        out.join("*.spans.jsonl").display()
    ));
}

/// The whole document.
pub fn print_json(results: &Results) -> Result<(), LabError> {
    let mut out = io::stdout().lock();
    let printed = serde_json::to_writer_pretty(&mut out, results).map_err(io::Error::from);
    let printed = printed.and_then(|()| writeln!(out));
    printed.map_err(|source| LabError::Output {
        path: "standard output".into(),
        source,
    })
}

/// Colours on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
fn style() -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Style {
        color: wanted && io::stdout().is_terminal(),
    }
}
