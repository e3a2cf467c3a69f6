//! Where results go: the terminal, and files: `result.json`, `report.html`, `report.csv`,
//! and the pictures by themselves.

use crate::say;
use lab::LabError;
use report::{
    results::{Results, ScenarioResult},
    terminal::{self, Style},
};
use std::{
    fs::{self, Permissions},
    io::{self, BufWriter, IsTerminal, Write},
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

/// Writes the results as a document for programs, as a page and as lines.
pub fn write(results: &Results, out: &Path) -> Result<(), LabError> {
    let json = |file: &mut NamedTempFile| {
        let mut file = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, results)?;
        file.flush()
    };
    whole(&out.join("result.json"), json)?;
    let page = report::html::page(results);
    whole(&out.join("report.html"), |file| {
        file.write_all(page.as_bytes())
    })?;
    let lines = report::csv::lines(results);
    whole(&out.join("report.csv"), |file| {
        file.write_all(lines.as_bytes())
    })?;
    if let Some(lines) = report::csv::scaling(results) {
        whole(&out.join("scaling.csv"), |file| {
            file.write_all(lines.as_bytes())
        })?;
    }
    write_pictures(results, &out.join(PICTURES))
}

/// The folder of the pictures.
const PICTURES: &str = "pictures";

fn write_pictures(results: &Results, folder: &Path) -> Result<(), LabError> {
    fs::create_dir_all(folder).map_err(|source| LabError::Output {
        path: folder.to_owned(),
        source,
    })?;
    for picture in report::pictures::files(results) {
        whole(&folder.join(&picture.name), |file| {
            file.write_all(picture.svg.as_bytes())
        })?;
    }
    Ok(())
}

/// The folder that the file at `path` is to be in can be written to, or is made.
pub fn check_file(path: &Path) -> Result<(), LabError> {
    check_folder(folder(path))
}

/// Writes the verdicts as JUnit's XML.
pub fn write_junit(results: &Results, path: &Path) -> Result<(), LabError> {
    let document = report::junit::document(results);
    whole(path, |file| file.write_all(document.as_bytes()))
}

/// The folder that the file at `path` is in: the current one of a bare name.
fn folder(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(path);
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// Writes the file at `path`: complete, or not at all.
fn whole(
    path: &Path,
    contents: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
) -> Result<(), LabError> {
    let write = || {
        let mut file = temporary(folder(path))?;
        contents(&mut file)?;
        file.flush()?;
        file.persist(path).map_err(|error| error.error)
    };
    let written = write().map_err(|source| LabError::Output {
        path: path.to_owned(),
        source,
    });
    written.map(drop)
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
    let out = out.display();
    say::out(format!(
        "report       {out}/report.html (open it in a browser)"
    ));
    say::out(format!(
        "results      {out}/result.json, report.csv, {PICTURES}/*.svg"
    ));
    say::out(format!(
        "traces       {out}/*.spans.jsonl (open them in Jaeger's UI: Upload)"
    ));
}

/// Colours on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
fn style() -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Style {
        color: wanted && io::stdout().is_terminal(),
    }
}
