//! The folder of results: each command writes into a folder of its own, so that neither a later
//! run nor one beside it overwrites or mixes files.
//!
//! `out/20261130-120307-a1-four-in-series/` holds everything that a command measured. It has
//! the ending `.partial` until it is complete. `out/latest` links to the newest one, and
//! `out/report.html` and a few more lead into it.

use lab::LabError;
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The link to the newest folder.
const LATEST: &str = "latest";
/// What can be opened without knowing the folder.
const LINKED: [&str; 4] = ["report.html", "result.json", "report.csv", "pictures"];
/// How many commands may start in the same second with the same scenario.
const MOST: u32 = 1000;

/// A folder that is being filled. Dropped before it is finished, it is removed.
#[derive(Debug)]
pub struct RunFolder {
    out: PathBuf,
    name: String,
    is_finished: bool,
}

impl RunFolder {
    /// Makes an empty folder in `out` for what `title` names. That it can be written to is known
    /// before anything runs for a minute.
    pub fn create(out: &Path, title: &str) -> Result<Self, LabError> {
        fs::create_dir_all(out).map_err(|source| unwritable(out, source))?;
        let base = format!("{}-{title}", timestamp(SystemTime::now()));
        for copy in 1..=MOST {
            let name = match copy {
                1 => base.clone(),
                copy => format!("{base}-{copy}"),
            };
            // A folder that was not made here is not removed on the way out.
            let mut folder = Self {
                out: out.to_owned(),
                name,
                is_finished: true,
            };
            if folder.complete().exists() {
                continue;
            }
            match fs::create_dir(folder.path()) {
                Ok(()) => {
                    folder.is_finished = false;
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(unwritable(out, source)),
            }
        }
        let taken = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(unwritable(&out.join(base), taken))
    }

    /// Where files are written until it is finished.
    pub fn path(&self) -> PathBuf {
        self.out.join(format!("{}.partial", self.name))
    }

    /// Where they are once it is finished.
    pub fn complete(&self) -> PathBuf {
        self.out.join(&self.name)
    }

    /// Gives the folder its name, and makes it the latest.
    pub fn finish(mut self) -> Result<(), LabError> {
        let complete = self.complete();
        fs::rename(self.path(), &complete).map_err(|source| unwritable(&complete, source))?;
        self.is_finished = true;
        self.link(LATEST, Path::new(&self.name))?;
        for name in LINKED {
            self.link(name, &Path::new(LATEST).join(name))?;
        }
        Ok(())
    }

    /// Makes `name` a link to `target`: at any moment it leads to the one before or to this one.
    fn link(&self, name: &str, target: &Path) -> Result<(), LabError> {
        let path = self.out.join(name);
        let replace = || {
            let is_ours = fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink());
            if !is_ours && path.exists() {
                // Of a version that wrote its results right here.
                fs::rename(&path, self.out.join(format!("{name}.before")))?;
            }
            let temporary = self.out.join(format!(".{}-{name}", self.name));
            symlink(target, &temporary)?;
            fs::rename(&temporary, &path)
        };
        replace().map_err(|source| unwritable(&path, source))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left of it is in no one's way: its name says that it is not complete.
            let _ = fs::remove_dir_all(self.path());
        }
    }
}

fn unwritable(path: &Path, source: io::Error) -> LabError {
    LabError::Output {
        path: path.to_owned(),
        source,
    }
}

/// UTC in digits alone: `20261130-120307`.
fn timestamp(now: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(now).to_string();
    let digits = text.chars().filter_map(|c| match c {
        '0'..='9' => Some(c),
        'T' => Some('-'),
        _ => None,
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn finished(out: &Path, text: &str) -> PathBuf {
        let folder = RunFolder::create(out, "a1").unwrap();
        fs::write(folder.path().join("result.json"), text).unwrap();
        let complete = folder.complete();
        folder.finish().unwrap();
        complete
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[test]
    fn a_second_run_leaves_the_results_of_the_first_where_they_are() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        let first = finished(out, "first");
        let second = finished(out, "second");
        assert_ne!(first, second);
        assert_eq!(read(&first.join("result.json")), "first");
        for path in ["result.json", "latest/result.json"] {
            assert_eq!(read(&out.join(path)), "second");
        }
    }

    #[test]
    fn runs_at_the_same_time_have_folders_of_their_own_and_the_last_to_end_is_the_latest() {
        let out = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|text| {
            let folder = RunFolder::create(out.path(), "a1").unwrap();
            fs::write(folder.path().join("result.json"), text).unwrap();
            folder
        });
        assert_ne!(one.path(), other.path());
        other.finish().unwrap();
        one.finish().unwrap();
        assert_eq!(read(&out.path().join("result.json")), "one");
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_and_changes_no_link() {
        let out = tempfile::tempdir().unwrap();
        finished(out.path(), "first");
        let before = fs::read_dir(out.path()).unwrap().count();
        let folder = RunFolder::create(out.path(), "a1").unwrap();
        fs::write(folder.path().join("result.json"), "half").unwrap();
        assert!(folder.path().to_string_lossy().ends_with(".partial"));
        drop(folder);
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), before);
        assert_eq!(read(&out.path().join("result.json")), "first");
    }

    #[test]
    fn results_of_an_older_version_are_kept() {
        let out = tempfile::tempdir().unwrap();
        fs::write(out.path().join("result.json"), "old").unwrap();
        fs::create_dir(out.path().join("pictures")).unwrap();
        finished(out.path(), "new");
        assert_eq!(read(&out.path().join("result.json.before")), "old");
        assert!(out.path().join("pictures.before").is_dir());
        assert_eq!(read(&out.path().join("result.json")), "new");
    }

    #[test]
    fn folders_sort_by_time() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_040_187);
        assert_eq!(timestamp(at), "20261130-120307");
    }
}
