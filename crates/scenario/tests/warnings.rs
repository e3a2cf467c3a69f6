//! What is allowed and still probably not meant.

use scenario::{Code, Inversion, Warning, builtin, parse, warnings};
use std::time::Duration;

fn of(rest: &str) -> Vec<String> {
    let text = format!("title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n{rest}");
    let plan = parse("test.toml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    warnings(&plan).iter().map(ToString::to_string).collect()
}

const SEQUENCE: &str = "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";

#[test]
fn built_in_scenarios_mean_what_they_say() {
    for builtin in builtin() {
        let plan = parse(builtin.name, builtin.text).unwrap();
        assert_eq!(warnings(&plan), [], "{}", builtin.name);
    }
}

#[test]
fn limits_that_go_together_are_not_warned_of() {
    assert_eq!(of(SEQUENCE), [""; 0]);
    let policy = "[policy]\nattempt_timeout = \"250ms\"\ndeadline = \"1s\"\n[policy.retry]\n";
    assert_eq!(of(&format!("{SEQUENCE}{policy}")), [""; 0]);
}

#[test]
fn an_attempt_that_may_take_longer_than_the_request_is_an_inversion() {
    let told = of(&format!(
        "{SEQUENCE}[policy]\nattempt_timeout = \"2s\"\ndeadline = \"1s\"\n"
    ));
    assert_eq!(
        told,
        [
            "W4 gateway -> auth: policy.attempt_timeout = 2s, not below policy.deadline = 1s: the outer limit always ends first, so the inner one never has its turn"
        ]
    );
    let equal = "[policy]\nattempt_timeout = \"1s\"\ndeadline = \"1s\"\n";
    assert_eq!(of(&format!("{SEQUENCE}{equal}")).len(), 1);
}

#[test]
fn the_same_time_out_at_every_level_of_a_chain_is_an_inversion() {
    let told = of("[chain]\nrelays = 3\n[policy]\nattempt_timeout = \"250ms\"\n");
    assert_eq!(
        told,
        [
            "W4 relay-1 -> relay-2: the same time-out below = 250ms, not below policy.attempt_timeout = 250ms: the outer limit always ends first, so the inner one never has its turn"
        ]
    );
    assert_eq!(
        of("[chain]\nrelays = 2\n[policy]\nattempt_timeout = \"250ms\"\n"),
        [""; 0]
    );
}

#[test]
fn a_caller_that_gives_up_before_its_callee_is_told_of() {
    let told = of(
        "[chain]\nrelays = 3\n[policy]\nattempt_timeout = \"250ms\"\n[policy.retry]\nretries = 2\nbackoff = \"10ms\"\n",
    );
    assert_eq!(
        told,
        [
            "W4a relay-1 -> relay-2: all attempts and pauses together = 780ms, but policy.attempt_timeout = 250ms: the caller gives up while its callee is still trying, so the last attempts below are made for nobody"
        ]
    );
}

/// The same warnings with another inner time.
fn late_at(warnings: &[Warning], millis: u64) -> Vec<Warning> {
    let inner_time = Duration::from_millis(millis);
    let at = |warning: &Warning| match warning {
        Warning::Limits(limits) => Warning::Limits(Inversion {
            inner_time,
            ..limits.clone()
        }),
        Warning::Futile(futile) => panic!("{futile}"),
    };
    warnings.iter().map(at).collect()
}

#[test]
fn a_client_that_leaves_first_is_told_of() {
    let patience = "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\npatience = \"1s\"\n";
    let of = |rest: &str| {
        let plan = parse("test.toml", &format!("{patience}{SEQUENCE}{rest}")).unwrap();
        warnings(&plan)
    };
    let late = of("[policy]\ndeadline = \"2s\"\n");
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].code(), Code::W4b);
    assert!(late[0].to_string().starts_with("W4b client -> gateway: "));
    assert_eq!(of("[policy]\ndeadline = \"1s\"\n"), late_at(&late, 1_000));
    assert_eq!(of("[policy]\ndeadline = \"999ms\"\n"), []);
    let endless = of("[policy]\nattempt_timeout = \"250ms\"\n[policy.retry]\nretries = 2\n");
    assert_eq!(
        endless[0].to_string(),
        "W4c client -> gateway: all attempts and pauses together = 2s 475ms, and no policy.deadline: retries go on for a client that has gone, and no deadline tells them to stop"
    );
    let json = serde_json::to_value(&endless[0]).unwrap();
    let expected = serde_json::json!({
        "code": "W4c", "caller": "client", "callee": "gateway",
        "inner": "all attempts and pauses together", "inner_ms": 2475,
        "outer": "policy.deadline", "outer_ms": null,
    });
    assert_eq!(json, expected);
}

#[test]
fn a_setting_that_can_never_work_is_told_of() {
    let timeout = "attempt_timeout = \"250ms\"\n";
    let cases = [
        (
            "deadline = \"1s\"\n[policy.breaker]\n".to_owned(),
            "P1 policy.breaker.cancelled_after = 1s, but policy.deadline = 1s: a call that hangs is given up before it is old enough to have failed, so the breaker never sees a hang; set policy.attempt_timeout",
        ),
        (
            format!("{timeout}[policy.breaker]\nlease = \"100ms\"\n"),
            "P1 policy.breaker.lease = 100ms, but policy.attempt_timeout = 250ms: a probe that takes longer than its lease is given up as lost, even if it would still succeed",
        ),
        (
            format!("{timeout}[policy.breaker]\nslow_rate = 0.5\nslow_call = \"250ms\"\n"),
            "P1 policy.breaker.slow_call = 250ms, but policy.attempt_timeout = 250ms: no call can be slow and succeed: it is cut off before",
        ),
        (
            format!("{timeout}[policy.breaker]\nwindow = \"100ms\"\n"),
            "P1 policy.breaker.min_calls = 20, but the calls in policy.breaker.window = 10.0: there are hardly ever so many calls in the window, so its shares never count and the breaker does not open",
        ),
        (
            "[policy.retry.budget]\nratio = 0.0004\n".to_owned(),
            "P1 policy.retry.budget.ratio = 0.0004, but the unit that a budget counts in = 0.001: it rounds to 0, so calls earn no retries",
        ),
        (
            "[policy.retry.budget]\ncapacity = 1\n".to_owned(),
            "P1 policy.retry.budget.capacity = 1, but the price of a retry after a refusal by a busy callee = 2: the budget never pays for such a retry; expected a capacity of 2 or more",
        ),
    ];
    for (policy, expected) in cases {
        assert_eq!(of(&format!("{SEQUENCE}[policy]\n{policy}")), [expected]);
    }
    let json = format!(
        "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n{SEQUENCE}[policy]\n{timeout}[policy.breaker]\nlease = \"100ms\"\n"
    );
    let told = warnings(&parse("test.toml", &json).unwrap());
    let told = serde_json::to_value(&told[0]).unwrap();
    assert_eq!(
        (&told["code"], &told["value"]),
        (&"P1".into(), &"100ms".into())
    );
}

#[test]
fn settings_that_work_are_not_warned_of() {
    for policy in [
        "deadline = \"1001ms\"\n[policy.breaker]\n",
        "attempt_timeout = \"250ms\"\n[policy.breaker]\nlease = \"250ms\"\nslow_rate = 0.5\nslow_call = \"249ms\"\n",
        "[policy.breaker]\nwindow = \"200ms\"\n",
        "[policy.breaker]\nwindow = \"10ms\"\nconsecutive = 3\n",
        "[policy.retry.budget]\nratio = 0\n",
    ] {
        assert_eq!(
            of(&format!("{SEQUENCE}[policy]\n{policy}")),
            [""; 0],
            "{policy}"
        );
    }
}

#[test]
fn no_duration_is_told_in_thousands_of_years() {
    let told = of(
        "[chain]\nrelays = 10\n[policy]\nattempt_timeout = \"1m\"\n[policy.retry]\nretries = 10\nclient = true\nmax_backoff = \"1h\"\nbackoff = \"1h\"\n",
    );
    assert!(!told.is_empty());
    for told in told {
        assert!(!told.contains("years"), "{told}");
    }
}

#[test]
fn a_policy_of_a_phase_is_looked_at_too_and_told_once() {
    let text = "title = \"t\"\n[load]\nrate = 100\nfor = \"10s\"\npatience = \"1s\"\n[chain]\nrelays = 1\n\
                [[phase]]\nat = \"1s\"\nfor = \"2s\"\n[phase.policy]\ndeadline = \"3s\"\n\
                [[phase]]\nat = \"5s\"\nfor = \"2s\"\n[phase.policy]\ndeadline = \"3s\"\n";
    let plan = parse("x.toml", text).unwrap();
    let codes: Vec<_> = warnings(&plan)
        .iter()
        .map(|one| one.code().as_str())
        .collect();
    assert_eq!(codes, ["W4b"]);
}

#[test]
fn calls_at_once_need_no_more_time_than_the_longest() {
    let told = |order: &str| {
        let text = format!(
            "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n[service.a]\ncalls = [\"b\"]\n\
             [service.b]\ncalls = [\"c\", \"d\"]\norder = \"{order}\"\n[service.c]\n[service.d]\n\
             [policy]\nattempt_timeout = \"100ms\"\ndeadline = \"4s\"\n\
             [policy.retry]\nretries = 1\nbackoff = \"1ms\"\n"
        );
        let plan = parse("x.toml", &text).unwrap();
        let told: Vec<_> = warnings(&plan).iter().map(ToString::to_string).collect();
        told.join("\n")
    };
    // Two attempts of 100 ms and a pause of 1 ms, once or twice.
    assert!(told("parallel").starts_with("W4a a -> b: all attempts and pauses together = 201ms"));
    assert!(told("sequence").starts_with("W4a a -> b: all attempts and pauses together = 402ms"));
}

#[test]
fn work_that_takes_longer_than_its_caller_waits_is_told() {
    let text = "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n[service.a]\ncalls = [\"b\"]\n\
                [service.b]\nwork = \"wait:60ms\"\n[policy]\nattempt_timeout = \"50ms\"\ndeadline = \"1s\"\n";
    let plan = parse("x.toml", text).unwrap();
    let told = warnings(&plan)[0].to_string();
    assert!(
        told.starts_with("W4 a -> b: the work itself = 60ms"),
        "{told}"
    );
}

#[test]
fn a_budget_that_can_just_pay_for_a_retry_of_a_refused_call_has_no_warning() {
    let policy = "[policy.retry.budget]\ncapacity = 2\n";
    assert!(of(&format!("{SEQUENCE}[policy]\n{policy}")).is_empty());
}
