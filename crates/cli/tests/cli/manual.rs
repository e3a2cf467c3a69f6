//! `nines man`: a page for each verb, and none that a page mentions is missing.

use super::nines;
use std::{collections::BTreeMap, fs, process::Command};
use testkit::{Ended, Sandbox};

fn say(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    testkit::run(nines(sandbox).args(arguments)).unwrap()
}

/// All pages, by name.
fn pages(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let ended = say(sandbox, &["man", "--dir", "man/man1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let files = fs::read_dir(sandbox.path().join("man/man1")).unwrap();
    let page = |file: std::io::Result<fs::DirEntry>| {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    files.map(page).collect()
}

/// The pages that `text` mentions, as `nines-run.1`.
fn mentioned(text: &str) -> Vec<String> {
    let text = text
        .replace("\\-", "-")
        .replace("\\fR", "")
        .replace("\\fB", "");
    let before = text.split("(1)").map(str::to_owned);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut names: Vec<_> = before
        .map(|before| {
            let start = before.trim_end_matches(is_name).len();
            before[start..].to_owned()
        })
        .collect();
    // What follows the last mention is none.
    names.pop();
    names.into_iter().map(|name| format!("{name}.1")).collect()
}

#[test]
fn each_verb_has_a_page_and_every_page_that_one_mentions_is_there() {
    let sandbox = Sandbox::new().unwrap();
    let pages = pages(&sandbox);
    let verbs = [
        "demo",
        "run",
        "predict",
        "up",
        "fault",
        "fault-set",
        "fault-clear",
        "policy",
        "policy-set",
        "policy-clear",
        "load",
        "probe",
        "compare",
        "serve",
        "serve-gateway",
        "serve-auth",
        "serve-profile",
        "serve-database",
        "serve-audit",
        "serve-relay",
        "stack",
        "list",
        "new",
        "schema",
        "completions",
        "man",
    ];
    for verb in verbs {
        assert!(pages.contains_key(&format!("nines-{verb}.1")), "{verb}");
    }
    assert!(pages["nines.1"].contains("Exit codes") || pages["nines.1"].contains("EXIT"));
    assert!(pages["nines-serve-auth.1"].contains("grant"));
    let mut count = 0;
    for (name, page) in &pages {
        for other in mentioned(page) {
            count += 1;
            assert!(pages.contains_key(&other), "{name} mentions {other}");
        }
    }
    assert!(count >= verbs.len(), "{count}");
}

#[test]
fn a_page_can_be_printed_and_a_verb_that_is_none_is_refused() {
    let sandbox = Sandbox::new().unwrap();
    let pages = pages(&sandbox);
    for (verb, page) in [
        (&["man"][..], "nines.1"),
        (&["man", "policy", "set"], "nines-policy-set.1"),
    ] {
        let printed = say(&sandbox, verb).stdout;
        assert_eq!(printed.trim_end(), pages[page].trim_end());
    }
    let wrong = say(&sandbox, &["man", "polciy"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("did you mean `policy`?"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn man_reads_every_page_without_a_warning() {
    let sandbox = Sandbox::new().unwrap();
    for name in pages(&sandbox).keys() {
        let mut man = Command::new("man");
        man.current_dir(sandbox.path())
            .env("MANPAGER", "cat")
            .env("MANWIDTH", "80");
        man.args(["--warnings", "-l", &format!("man/man1/{name}")]);
        let Ok(read) = man.output() else {
            eprintln!("skipped: there is no `man` here");
            return;
        };
        let said = String::from_utf8_lossy(&read.stderr);
        // A minimal system has a `man` that reads nothing.
        if String::from_utf8_lossy(&read.stdout).contains("minimized") {
            eprintln!("skipped: `man` is switched off here");
            return;
        }
        assert_eq!(said, "", "{name}");
        assert!(read.status.success(), "{name}");
    }
}
