//! `nines completions`: the script in a real shell.

use super::nines;
use std::{fs, path::Path, process::Command};
use testkit::Sandbox;

/// What bash offers for the last of `words`.
fn bash(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_nines");
    let all = words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(" ");
    let (current, index) = (words[words.len() - 1], words.len() - 1);
    let script = format!(
        "source <('{program}' completions bash) && COMP_WORDS=({all}) && COMP_CWORD={index} && \
         _clap_complete_nines nines '{current}' '' && printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut bash = Command::new("bash");
    bash.current_dir(sandbox.path()).args(["-c", &script]);
    let ended = bash.output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{words:?}: {said}");
    let offered = String::from_utf8(ended.stdout).unwrap();
    offered.lines().map(str::to_owned).collect()
}

#[test]
fn names_of_scenarios_files_services_and_settings_complete_in_bash() {
    let sandbox = Sandbox::new().unwrap();
    for file in ["r2-mine.toml", "r2-notes.txt"] {
        fs::write(sandbox.path().join(file), "").unwrap();
    }
    for verb in ["run", "predict", "up"] {
        let offered = bash(&sandbox, &["nines", verb, "r2"]);
        assert_eq!(offered, ["r2-retries", "r2-mine.toml"], "{verb}");
    }
    let offered = bash(&sandbox, &["nines", "new", "x.toml", "--from", "a"]);
    assert_eq!(offered.len(), 9, "{offered:?}");
    let offered = bash(&sandbox, &["nines", "policy", "set", "--retry-b"]);
    assert!(
        offered.contains(&"--retry-backoff".to_owned()),
        "{offered:?}"
    );
    let offered = bash(&sandbox, &["nines", "serve", ""]);
    for service in ["gateway", "auth", "profile", "database", "audit", "relay"] {
        assert!(offered.contains(&service.to_owned()), "{offered:?}");
    }
    let offered = bash(&sandbox, &["nines", "serve", "auth", "--seed"]);
    assert_eq!(offered, ["--seed-users"]);
    let offered = bash(&sandbox, &["nines", "fault", "set", "auth", "h"]);
    assert_eq!(offered, ["hang"]);
}

#[test]
fn the_services_of_a_running_chain_complete() {
    let sandbox = Sandbox::new().unwrap();
    fs::create_dir(sandbox.path().join("out")).unwrap();
    let address = r#"{"public":"127.0.0.1:1","admin":"127.0.0.1:2"}"#;
    let chain = format!(
        r#"{{"edge":"front","services":{{"front":{address},"back":{address}}},"admin_token":"t"}}"#
    );
    fs::write(sandbox.path().join("out/chain.json"), chain).unwrap();
    for words in [
        &["nines", "fault", "set", "b"][..],
        &["nines", "fault", "clear", "b"],
        &["nines", "policy", "clear", "b"],
        &["nines", "policy", "set", "--service", "b"],
    ] {
        assert_eq!(bash(&sandbox, words), ["back"], "{words:?}");
    }
}

#[test]
fn there_is_a_script_for_each_shell_and_it_asks_this_program() {
    let sandbox = Sandbox::new().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = testkit::run(nines(&sandbox).args(["completions", shell])).unwrap();
        assert_eq!(script.code, Some(0), "{}", script.stderr);
        let program = Path::new(env!("CARGO_BIN_EXE_nines"));
        assert!(
            script.stdout.contains(program.to_str().unwrap()),
            "{}",
            script.stdout
        );
    }
}

#[test]
fn shells_that_show_descriptions_get_the_title_of_each_scenario() {
    let sandbox = Sandbox::new().unwrap();
    for shell in ["zsh", "fish"] {
        let mut ask = nines(&sandbox);
        ask.env("NINES_COMPLETE", shell)
            .env("_CLAP_COMPLETE_INDEX", "2");
        ask.env("_CLAP_IFS", "\n")
            .args(["--", "nines", "run", "a1"]);
        let offered = testkit::run(&mut ask).unwrap();
        for part in ["a1-four-in-series", "Four 99 % services in series"] {
            assert!(offered.stdout.contains(part), "{shell}: {}", offered.stdout);
        }
    }
}
