//! `nines policy set`: an invalid policy is refused before any service receives it.

use super::nines;
use std::fs;
use testkit::{Ended, Sandbox};

fn set(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    testkit::run(nines(sandbox).args(["policy", "set"]).args(arguments)).unwrap()
}

#[test]
fn a_wrong_flag_is_named_with_its_value_and_what_is_allowed() {
    let sandbox = Sandbox::new().unwrap();
    for (arguments, expected) in [
        (
            &["--retries", "two"][..],
            "--retries: `policy.retry.retries` = \"two\" can't be; allowed: a whole number from 1 to 10",
        ),
        (
            &["--attempt-timeout", "soon"],
            "--attempt-timeout: `policy.attempt_timeout` = \"soon\" can't be; allowed: a duration",
        ),
        (
            &[
                "--retries",
                "9",
                "--attempt-timeout",
                "1s",
                "--deadline",
                "2s",
            ],
            "--retries: `policy.retry.retries` = 9: 10 attempts of 1s do not fit the deadline of 2s",
        ),
        (
            &["--deadlin", "2s"],
            "a similar argument exists: '--deadline'",
        ),
        (
            &["--balance-eject", "false", "--balance-eject-time", "1s"],
            "cannot be used with",
        ),
        (&[], "nothing to set; allowed: a FILE"),
    ] {
        let ended = set(&sandbox, arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_file_and_flags_together_are_refused() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("p.toml"), "[policy]\n").unwrap();
    let ended = set(&sandbox, &["p.toml", "--retries", "2"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .stderr
            .contains("p.toml and --retries: a file and flags"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_bare_policy_is_read_and_what_is_wrong_in_it_has_line_and_column() {
    let sandbox = Sandbox::new().unwrap();
    for (text, expected) in [
        // Sound: what is missing is a chain.
        (
            "[policy]\n[policy.retry]\n",
            "--chain out/chain.json: there is no such file",
        ),
        (
            "[policy]\nattempt_timeout = 5\n",
            "p.toml: `policy.attempt_timeout` = 5 can't be; allowed: a duration from \"1ms\" to \"1h\" \
             in whole milliseconds (line 2, column 19)",
        ),
        (
            "[policy.retry]\nretrys = 2\n",
            "unknown key `retrys` in [policy.retry]: did you mean `retries`? (line 2, column 1)",
        ),
        // Anything else makes it a scenario.
        ("[policy]\n[expect]\n", "`load` is missing"),
        ("", "`title` is missing"),
    ] {
        fs::write(sandbox.path().join("p.toml"), text).unwrap();
        let ended = set(&sandbox, &["p.toml"]);
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{text}: {}", ended.stderr);
    }
}

#[test]
fn the_help_shows_a_flag_for_each_key_of_a_policy() {
    let sandbox = Sandbox::new().unwrap();
    let help = set(&sandbox, &["--help"]).stdout;
    for setting in scenario::policy_settings() {
        let flag = format!("--{}", setting.flag());
        assert!(help.contains(&flag), "{flag}");
    }
}
