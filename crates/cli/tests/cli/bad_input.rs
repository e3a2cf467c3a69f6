//! Bad input gets an error that names it and what is allowed; nothing panics.

use super::nines;
use std::{fs, net::TcpListener};
use testkit::{Ended, Sandbox};

fn run_text(text: &str) -> Ended {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("s.toml"), text).unwrap();
    testkit::run(nines(&sandbox).args(["run", "s.toml"])).unwrap()
}

fn scenario(extra: &str) -> String {
    format!("title = \"t\"\n[load]\nrate = 10\nrequests = 10\n[chain]\nrelays = 1\n{extra}\n")
}

#[test]
fn a_bad_scenario_exits_2_and_the_message_says_where_what_and_what_is_allowed() {
    let cases = [
        ("", vec!["s.toml"]),
        ("title = ", vec!["line 1"]),
        (
            &*scenario("[faults.f]\nkind = \"error\"\nprobabilty = 0.1"),
            vec!["probabilty", "probability", "line"],
        ),
        (
            &*scenario("[faults.f]\nkind = \"error\"\nprobability = 1.5"),
            vec!["1.5", "0 to 1", "line"],
        ),
        (
            &*scenario("[faults.f]\nkind = \"explode\"\nprobability = 0.5"),
            vec!["explode", "\"hang\""],
        ),
        (
            &*scenario("[service.a]\nkind = \"relay\"\ncalls = [\"a\"]"),
            vec!["line"],
        ),
        (
            &*scenario("[policy]\nattempt_timeout = \"0s\""),
            vec!["attempt_timeout", "line"],
        ),
    ];
    for (text, expected) in cases {
        let ended = run_text(text);
        assert_eq!(ended.code, Some(2), "{text}: {}", ended.stderr);
        for part in expected {
            assert!(
                ended.stderr.contains(part),
                "{text:?} misses {part:?}: {}",
                ended.stderr
            );
        }
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn a_scenario_that_is_not_there_exits_2() {
    let sandbox = Sandbox::new().unwrap();
    for (argument, expected) in [
        ("nope.toml", "nope.toml"),
        ("a1-four-in-serie", "a1-four-in-series"),
    ] {
        let ended = testkit::run(nines(&sandbox).args(["run", argument])).unwrap();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn a_folder_that_can_not_be_written_to_exits_3_before_anything_runs() {
    let sandbox = Sandbox::new().unwrap();
    fs::write(sandbox.path().join("file"), "").unwrap();
    let arguments = ["run", "a1", "--out", "file/inside"];
    let ended = testkit::run(nines(&sandbox).args(arguments)).unwrap();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("file/inside"), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("starting services"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_port_in_use_exits_3_and_names_the_flag_and_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sandbox = Sandbox::new().unwrap();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let mut command = nines(&sandbox);
        command.args(["serve", "relay", flag, &address, other, "127.0.0.1:0"]);
        let ended = testkit::run(&mut command).unwrap();
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(flag) && ended.stderr.contains(&address),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_bad_setting_exits_2_and_names_the_key_and_where_it_came_from() {
    let sandbox = Sandbox::new().unwrap();
    let from_flag = ["serve", "relay", "--deadline", "soon"];
    let ended = testkit::run(nines(&sandbox).args(from_flag)).unwrap();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("--deadline") && ended.stderr.contains("soon"),
        "{}",
        ended.stderr
    );

    let mut command = nines(&sandbox);
    let ended = testkit::run(
        command
            .args(["serve", "relay"])
            .env("NINES_MAX_IN_FLIGHT", "0"),
    )
    .unwrap();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("NINES_MAX_IN_FLIGHT"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_password_in_the_url_of_a_store_is_shown_neither_in_help_nor_in_errors() {
    let sandbox = Sandbox::new().unwrap();
    for service in ["auth", "profile", "database", "audit"] {
        for args in [&["serve", service, "--help"][..], &["serve", service]] {
            let bad = "postgres://me:hush@db:not-a-port/nines";
            let ended = testkit::run(nines(&sandbox).args(args).env("NINES_STORE", bad)).unwrap();
            let said = ended.stdout + &ended.stderr;
            assert!(said.contains("--store"), "{service}: {said}");
            assert!(!said.contains("hush"), "{service}: {said}");
        }
    }
}
