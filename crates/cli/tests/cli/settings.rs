//! `nines serve`: what a service can be told, and what it says of settings that can't be.

use super::nines;
use std::fs;
use testkit::{Ended, Sandbox};

const SERVICES: [(&str, &str); 6] = [
    ("gateway", "--audit-queue"),
    ("auth", "--seed-users"),
    ("profile", "--store"),
    ("database", "--store"),
    ("audit", "--store"),
    ("relay", "--calls"),
];

fn serve(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    testkit::run(nines(sandbox).arg("serve").args(arguments)).unwrap()
}

#[test]
fn each_service_lists_its_settings_and_serve_lists_the_services() {
    let sandbox = Sandbox::new().unwrap();
    let all = serve(&sandbox, &["--help"]);
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    for (service, setting) in SERVICES {
        let line = all
            .stdout
            .lines()
            .find(|line| line.trim_start().starts_with(service));
        let words = line.unwrap_or_else(|| panic!("{service}: {}", all.stdout));
        assert!(words.split_whitespace().count() > 2, "{words}");
        let help = serve(&sandbox, &[service, "--help"]);
        assert_eq!(help.code, Some(0), "{}", help.stderr);
        let usage = format!("Usage: nines serve {service} ");
        for part in [setting, "--deadline", "NINES_DEADLINE", &usage] {
            assert!(
                help.stdout.contains(part),
                "{service}, {part}: {}",
                help.stdout
            );
        }
    }
    let wrong = serve(&sandbox, &["databse"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("'database'"), "{}", wrong.stderr);
    assert_eq!(serve(&sandbox, &[]).code, Some(2));
}

#[test]
fn a_wrong_key_or_value_in_a_file_is_refused_with_its_path_line_and_column() {
    let sandbox = Sandbox::new().unwrap();
    for (text, expected) in [
        (
            "deadlin = \"1s\"",
            &["unknown key `deadlin`: did you mean `deadline`? (line 1, column 1)"][..],
        ),
        (
            "\n  deadline = \"soon\"",
            &[
                "--deadline",
                "soon",
                "key `deadline` in s.toml (line 2, column 3)",
            ],
        ),
        ("deadline = ", &["s.toml: ", "(line 1, column "]),
        (
            "[deadline]\nfor = 1",
            &["key `deadline`: allowed: a text", "(line 1, column 2)"],
        ),
        (
            "[retry]\nretries = \"two\"",
            &[
                "retries: invalid value \"two\", expected a whole number from 0 to 4294967295",
                "key `retry.retries` in s.toml (line 2, column 1)",
            ],
        ),
        (
            "[breaker]\nconsecutiv = 1",
            &[
                "consecutiv: unknown field: did you mean `consecutive`?",
                "key `breaker.consecutiv` in s.toml (line 2, column 1)",
            ],
        ),
        (
            "[balance]\npick = \"best\"",
            &[
                "pick: invalid value \"best\", expected `less_loaded`",
                "(line 2, column 1)",
            ],
        ),
        (
            "[faults]\nfaults = []",
            &[
                "seed: missing; this field is needed",
                "key `faults.seed` in s.toml (line 1, column 2)",
            ],
        ),
    ] {
        fs::write(sandbox.path().join("s.toml"), text).unwrap();
        let ended = serve(&sandbox, &["relay", "--config", "s.toml"]);
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        for part in expected {
            assert!(
                ended.stderr.contains(part),
                "{text}, {part}: {}",
                ended.stderr
            );
        }
        for raw in [
            "invalid type",
            "missing field",
            "unknown field `",
            "unknown variant",
        ] {
            assert!(!ended.stderr.contains(raw), "{}", ended.stderr);
        }
    }
}
