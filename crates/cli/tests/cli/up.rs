//! `nines up`, `nines fault` and `nines policy`: a chain that is kept running, and changed.

mod kept;

use super::{assert_clean, nines, reserved};
use kept::{Kept, ask, get};
use rustix::process::{Signal, kill_process};
use serde_json::Value;
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, time::Duration};
use testkit::wait_until;
use traces::{Receiver, ReceiverOptions};

const START: Duration = Duration::from_mins(1);

const RETRIES: &str = r#"
title = "retries"
[load]
rate = 1
requests = 1
[chain]
relays = 1
[policy]
attempt_timeout = "2s"
[policy.retry]
retries = 3
backoff = "1ms"
"#;

/// Limits that no healthy request meets, and a breaker that one failure would open. Nothing is
/// tried again, so that a request that is lost stays lost.
const LIMITS: &str = r#"
title = "limits"
[load]
rate = 1
requests = 1
[chain]
relays = 1
[policy]
attempt_timeout = "20s"
[policy.breaker]
consecutive = 1
"#;

/// How often a running chain is changed under load, at least.
const CHANGES: u32 = 20;

#[test]
fn the_command_that_is_shown_gets_the_page_and_nothing_is_left_when_it_is_told_to_stop() {
    for signal in [Signal::INT, Signal::TERM] {
        let kept = Kept::start(&[]);
        let file = kept.sandbox.path().join("out/chain.json");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let shown = kept.shown();
        let line = shown.lines().find_map(|line| line.strip_prefix("try it"));
        let words: Vec<_> = line
            .unwrap()
            .split(['\'', ' '])
            .filter(|word| !word.is_empty())
            .collect();
        let [curl, flag, header, bearer, token, url] = words[..] else {
            panic!("{words:?}");
        };
        assert_eq!(
            [curl, flag, header, bearer],
            ["curl", "-H", "Authorization:", "Bearer"]
        );
        let rest = url.strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        assert_eq!(get(address, &format!("/{path}"), token), 200);
        for service in ["gateway", "auth", "profile", "database"] {
            for which in ["public", "admin"] {
                assert!(shown.contains(&kept.address(service, which)), "{shown}");
            }
        }
        assert!(!shown.contains(kept.chain["admin_token"].as_str().unwrap()));
        let (sandbox, ended) = kept.stop(signal);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!file.exists());
        assert_clean(&sandbox);
    }
}

#[test]
fn the_edge_says_how_long_each_service_took_and_a_probe_needs_no_shell() {
    let kept = Kept::start(&[]);
    let token = kept.chain["user_token"].as_str().unwrap();
    let answer = ask(&kept.address("gateway", "public"), "/v1/me", token);
    let timing = answer
        .lines()
        .find_map(|line| line.strip_prefix("server-timing: "));
    let entries = timing.unwrap().split(", ");
    let named: Vec<_> = entries
        .map(|entry| entry.split(';').next().unwrap())
        .collect();
    assert_eq!(named, ["auth", "profile", "database"]);

    let probe = |path: &str| {
        let url = format!("http://{}{path}", kept.address("gateway", "admin"));
        kept.run(&["probe", &url]).code
    };
    assert_eq!((probe("/readyz"), probe("/nowhere")), (Some(0), Some(1)));
    let nobody = kept.run(&["probe", "http://127.0.0.1:1/readyz", "--timeout", "5s"]);
    assert_eq!(nobody.code, Some(3));
    assert!(
        nobody
            .stderr
            .contains("http://127.0.0.1:1/readyz: no answer"),
        "{}",
        nobody.stderr
    );
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_chain_whose_keeper_is_killed_ends_and_what_asks_for_it_is_told() {
    let kept = Kept::start(&[]);
    let (sandbox, _) = kept.stop(Signal::KILL);
    assert!(wait_until(START, || sandbox.processes().is_empty()));
    let ended = testkit::run(nines(&sandbox).arg("fault")).unwrap();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("no answer"), "{}", ended.stderr);
}

#[test]
fn a_service_that_hangs_changes_no_probe_but_its_own() {
    let kept = Kept::start(&[]);
    let database = kept.process("database");
    kill_process(database, Signal::STOP).unwrap();
    let limits = kept.sandbox.path().join("limits.toml");
    fs::write(limits, LIMITS.replace("20s", "100ms")).unwrap();
    for service in ["gateway", "auth", "profile"] {
        kept.json(&["policy", "set", "limits.toml", service]);
    }
    assert_eq!(kept.page(), 504);
    for service in ["gateway", "auth", "profile"] {
        for path in ["/livez", "/readyz"] {
            let status = get(&kept.address(service, "admin"), path, "");
            assert_eq!(status, 200, "{service} {path}");
        }
    }
    kill_process(database, Signal::CONT).unwrap();
    assert!(wait_until(START, || kept.page() == 200));
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_chain_of_which_a_service_dies_names_it_and_stops_the_others() {
    let kept = Kept::start(&[]);
    kill_process(kept.process("database"), Signal::KILL).unwrap();
    let (sandbox, ended) = kept.finish();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("database ended by itself (signal: 9"),
        "{}",
        ended.stderr
    );
    assert!(!sandbox.path().join("out/chain.json").exists());
    assert_clean(&sandbox);
}

#[test]
fn a_change_that_stops_half_way_says_which_services_were_changed() {
    let kept = Kept::start(&[]);
    let (_socket, nobody) = reserved();
    let mut chain = kept.chain.clone();
    chain["services"]["profile"]["admin"] = nobody.to_string().into();
    fs::write(kept.sandbox.path().join("half.json"), chain.to_string()).unwrap();
    let ended = kept.run(&["fault", "clear", "--chain", "half.json"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for part in [
        "only these were changed: auth, database, gateway",
        "profile: no answer",
    ] {
        assert!(ended.stderr.contains(part), "{part:?}: {}", ended.stderr);
    }

    // The same of two replicas, the second of which can't be reached.
    let services = chain["services"].as_object_mut().unwrap();
    let profile = services.remove("profile").unwrap();
    services.insert("auth-1".to_owned(), profile);
    fs::write(kept.sandbox.path().join("half.json"), chain.to_string()).unwrap();
    let ended = kept.run(&["fault", "set", "auth", "error", "--chain", "half.json"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    for part in ["only these were changed: auth\n", "auth-1: no answer"] {
        assert!(ended.stderr.contains(part), "{part:?}: {}", ended.stderr);
    }
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn the_users_token_of_a_running_chain_is_renewed_before_it_expires() {
    let kept = Kept::start(&["--token-lifetime", "8s"]);
    let shown = kept.shown();
    assert!(shown.contains("the user's token is good for 8s"), "{shown}");
    let file = kept.sandbox.path().join("out/chain.json");
    let token = || {
        let chain: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        chain["user_token"].as_str().unwrap().to_owned()
    };
    let first = kept.chain["user_token"].as_str().unwrap().to_owned();
    assert!(wait_until(START, || token() != first));
    let gateway = kept.address("gateway", "public");
    // Once the first token has expired, the file still holds one that is good.
    assert!(wait_until(START, || get(&gateway, "/v1/me", &first) == 401));
    assert!(wait_until(START, || get(&gateway, "/v1/me", &token()) == 200));
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_scenario_s_chain_begins_with_its_faults_and_the_edge_listens_where_it_is_told() {
    let (_socket, address) = reserved();
    let address = address.to_string();
    let kept = Kept::start(&["a1", "--listen", &address]);
    assert_eq!(kept.address("gateway", "public"), address);
    let faults = kept.json(&["fault"]);
    assert_eq!(faults["database"]["faults"][0]["probability"], 0.01);
    let second = kept.run(&["up"]);
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    assert!(second.stderr.contains("still runs"), "{}", second.stderr);
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_chain_whose_edge_has_replicas_says_how_to_ask_the_first_and_others_find_it() {
    let kept = Kept::start(&["restart"]);
    assert_eq!(kept.chain["edge"], "gateway-0");
    let url = format!("http://{}/v1/me", kept.address("gateway-0", "public"));
    assert!(kept.shown().contains(&url), "{}", kept.shown());
    let second = kept.run(&["up"]);
    assert!(second.stderr.contains("still runs"), "{}", second.stderr);
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_all_services_go_where_they_are_told() {
    let receiver = Receiver::start(([127, 0, 0, 1], 0).into(), ReceiverOptions::default());
    let receiver = receiver.await.unwrap();
    let endpoint = receiver.endpoint();
    let work = move || {
        let kept = Kept::start(&["--otlp", &endpoint]);
        assert_eq!(kept.page(), 200);
        assert!(kept.shown().contains(&endpoint), "{}", kept.shown());
        assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    let archive = receiver.finish().await;
    let services: BTreeSet<_> = archive
        .spans()
        .iter()
        .map(|span| span.service.to_string())
        .collect();
    let all = ["auth", "database", "gateway", "profile"].map(str::to_owned);
    assert_eq!(services, all.into());
}

#[test]
fn a_fault_is_set_shown_and_cleared_in_a_running_chain() {
    let kept = Kept::start(&[]);
    assert_eq!(kept.page(), 200);
    let now = kept.json(&["fault", "set", "database", "error"]);
    assert_eq!(now["database"]["faults"][0]["kind"], "error");
    assert!(kept.page() >= 500);
    let more = [
        "fault",
        "set",
        "database",
        "delay",
        "--delay",
        "1ms",
        "--probability",
        "0.5",
    ];
    assert_eq!(
        kept.json(&more)["database"]["faults"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let shown = kept.run(&["fault"]).stdout;
    assert!(shown.contains("gateway      none"), "{shown}");
    assert!(shown.contains("kind=delay probability=0.5"), "{shown}");
    for (bad, parts) in [
        (
            &["fault", "set", "database", "explode"][..],
            ["explode", "possible values: error, hang, delay, reset"],
        ),
        (
            &["fault", "set", "nowhere", "error"],
            ["`nowhere`", "gateway"],
        ),
        (
            &["fault", "set", "databse", "error"],
            ["`databse`", "did you mean `database`?"],
        ),
        (
            &["fault", "set", "auth", "error", "--probability", "2"],
            ["2", "0 to 1"],
        ),
        (&["fault", "set", "auth", "delay"], ["delay", "missing"]),
        (&["policy", "clear", "nowhere"], ["`nowhere`", "gateway"]),
    ] {
        let ended = kept.run(bad);
        assert_eq!(ended.code, Some(2), "{bad:?}: {}", ended.stderr);
        for part in parts {
            assert!(
                ended.stderr.contains(part),
                "{bad:?} {part:?}: {}",
                ended.stderr
            );
        }
    }
    kept.json(&["fault", "clear"]);
    assert_eq!(kept.page(), 200);
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn one_service_is_reached_by_its_admin_listener_and_needs_the_token() {
    let kept = Kept::start(&[]);
    let admin = format!("http://{}", kept.address("auth", "admin"));
    let set = ["fault", "set", "auth", "hang", "--admin", &admin];
    let ended = kept.run(&set);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("needs the admin token"),
        "{}",
        ended.stderr
    );
    let token = kept.chain["admin_token"].as_str().unwrap();
    let mut command = nines(&kept.sandbox);
    let ended = testkit::run(command.args(set).env("NINES_ADMIN_TOKEN", token)).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("auth "), "{}", ended.stdout);
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn no_request_is_lost_while_policies_and_faults_of_a_running_chain_are_changed_time_and_again() {
    const HOPS: [&str; 4] = ["gateway", "auth", "profile", "database"];
    let kept = Kept::start(&[]);
    fs::write(kept.sandbox.path().join("limits.toml"), LIMITS).unwrap();
    let counted = || {
        let requests = HOPS.map(|hop| kept.counted(hop, "nines_requests_total"));
        (requests, kept.counted("gateway", "nines_attempts_total"))
    };
    let (requests_before, attempts_before) = counted();
    let (mut changes, mut sent) = (0, 0);
    // On a slow machine, what one load has time for may not be enough.
    for _ in 0..20 {
        let (more, requests) = kept.load_and_change();
        (changes, sent) = (changes + more, sent + requests);
        if changes >= CHANGES {
            break;
        }
    }
    assert!(changes >= CHANGES, "{changes}");
    // Each page takes one request to each hop, three of them the gateway's, and no more.
    let expected = (
        requests_before.map(|before| before + sent),
        attempts_before + 3 * sent,
    );
    assert!(
        wait_until(START, || counted() == expected),
        "{:?} is not {expected:?}",
        counted()
    );
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_policy_that_is_set_saves_requests_and_one_that_is_cleared_saves_none() {
    let kept = Kept::start(&[]);
    fs::write(kept.sandbox.path().join("retries.toml"), RETRIES).unwrap();
    kept.json(&["fault", "set", "database", "error", "--probability", "0.3"]);
    let pages = |kept: &Kept| (0..60).filter(|_| kept.page() == 200).count();
    // Without retries all 60 succeed once in two billion times (0.7⁶⁰), which is asked twice;
    // with three of them ten fail once in ten billion times (0.3⁴ each).
    assert!(pages(&kept) < 60);
    kept.json(&["policy", "set", "retries.toml"]);
    assert!(pages(&kept) > 50);
    kept.json(&["policy", "clear", "gateway", "profile"]);
    assert!(pages(&kept) < 60);
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_policy_comes_from_a_bare_table_or_from_flags_and_goes_to_the_services_that_are_named() {
    let kept = Kept::start(&[]);
    let bare = "[policy]\ndeadline = \"2s\"\n[policy.retry]\nretries = 1\n";
    fs::write(kept.sandbox.path().join("bare.toml"), bare).unwrap();
    let now = kept.json(&["policy", "set", "bare.toml"]);
    for service in ["gateway", "auth", "profile", "database"] {
        assert_eq!(now[service]["retry"]["retries"], 1, "{now}");
        assert_eq!(now[service]["deadline_ms"], 2_000, "{now}");
    }
    let flags = [
        "policy",
        "set",
        "--retries",
        "3",
        "--retry-budget-ratio",
        "0.2",
    ];
    let more = [
        "--attempt-timeout",
        "250ms",
        "--breaker",
        "--service",
        "gateway",
    ];
    let now = kept.json(&[&flags[..], &more].concat());
    assert_eq!(now.as_object().unwrap().len(), 1, "{now}");
    let gateway = &now["gateway"];
    assert_eq!(gateway["retry"]["retries"], 3);
    assert_eq!(gateway["retry"]["budget"]["ratio"], 0.2);
    assert_eq!(gateway["attempt_timeout_ms"], 250);
    assert!(gateway["breaker"].is_object(), "{now}");
    // A policy is replaced as a whole.
    assert_eq!(gateway["deadline_ms"], Value::Null);
    let all = kept.json(&["policy"]);
    assert_eq!(all["auth"]["deadline_ms"], 2_000);
    let wrong = kept.run(&["policy", "set", "--retries", "1", "--service", "databse"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("did you mean `database`?"),
        "{}",
        wrong.stderr
    );
    assert_eq!(kept.stop(Signal::TERM).1.code, Some(0));
}

#[test]
fn a_chain_whose_collector_is_dead_goes_on_serving_and_counts_the_spans_it_loses() {
    let (_socket, nobody) = reserved();
    let kept = Kept::start(&["--otlp", &format!("http://{nobody}")]);
    let lost = || {
        assert_eq!(kept.page(), 200);
        let metrics = ask(&kept.address("gateway", "admin"), "/metrics", "");
        let lines = metrics.lines();
        let mut failed =
            lines.filter(|line| line.starts_with("nines_spans_total{state=\"failed\""));
        let count = failed.next().unwrap().rsplit_once(' ').unwrap().1;
        count.parse::<u64>().unwrap() > 0
    };
    assert!(wait_until(START, lost));
    let (sandbox, ended) = kept.stop(Signal::INT);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_clean(&sandbox);
}
