//! Results are never overwritten, and never mixed with those of another run.

use super::{assert_clean, nines};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use testkit::{Sandbox, finish};

const SCENARIO: &str = "title = \"t\"\n[load]\nrate = 100\nrequests = 60\n[chain]\nrelays = 1\n\
                        [expect]\navailability = { min = 0.5 }\n";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("s.toml"), SCENARIO).unwrap();
    sandbox
}

/// The folders of all runs in `out`.
fn folders(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_run = |path: &PathBuf| path.is_dir() && !path.is_symlink();
    entries.filter(is_run).collect()
}

/// The seed of the results in this folder, all of whose files are there.
fn seed_of(folder: &Path) -> u64 {
    let result = fs::read_to_string(folder.join("result.json")).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    for file in ["report.html", "report.csv", "pictures"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    let scenario = &result["scenarios"][0];
    for run in scenario["runs"].as_array().unwrap() {
        let spans = folder.parent().unwrap().parent().unwrap();
        let spans = spans.join(run["spans_file"].as_str().unwrap());
        assert_eq!(spans.parent(), Some(folder), "where result.json says");
        assert!(spans.exists(), "{}", spans.display());
    }
    scenario["plan"]["seed"].as_u64().unwrap()
}

#[test]
fn a_second_run_in_a_folder_keeps_the_results_of_the_first() {
    let sandbox = sandbox();
    let out = sandbox.path().join("kept");
    for seed in ["1", "2"] {
        let arguments = ["run", "s.toml", "--out", "kept", "--seed", seed];
        let ended = testkit::run(nines(&sandbox).args(arguments)).unwrap();
        assert!(
            matches!(ended.code, Some(0 | 4)),
            "{}{}",
            ended.stdout,
            ended.stderr
        );
    }
    let seeds: BTreeSet<_> = folders(&out).iter().map(|it| seed_of(it)).collect();
    assert_eq!(seeds, BTreeSet::from([1, 2]));
    let latest = fs::read_link(out.join("latest")).unwrap();
    assert_eq!(seed_of(&out.join(latest)), 2);
    for file in ["report.html", "result.json", "report.csv", "pictures"] {
        assert!(out.join(file).exists(), "{file}");
    }
    assert_clean(&sandbox);
}

#[test]
fn runs_at_the_same_time_in_one_folder_do_not_mix_their_files() {
    let sandbox = sandbox();
    let children = ["1", "2", "3"].map(|seed| {
        let mut command = nines(&sandbox);
        command.args(["run", "s.toml", "--seed", seed]);
        command.spawn().unwrap()
    });
    for child in children {
        let ended = finish(child).unwrap();
        assert_ne!(ended.code, Some(3), "{}", ended.stderr);
    }
    let out = sandbox.path().join("out");
    let seeds: BTreeSet<_> = folders(&out).iter().map(|it| seed_of(it)).collect();
    assert_eq!(seeds, BTreeSet::from([1, 2, 3]));
    assert_clean(&sandbox);
}
