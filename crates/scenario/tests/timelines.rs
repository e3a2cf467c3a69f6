//! `[policy.retry]`, `[policy.breaker]` and `[[phase]]`: from text to plan, and what is refused.

use proptest::prelude::*;
use scenario::{Phase, Plan, SHAPE, parse, predict};
use std::time::Duration;

const BASE: &str = "title = \"t\"\n[load]\nrate = 100\nfor = \"10s\"\n[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";

fn plan(rest: &str) -> Plan {
    parse("test.toml", &format!("{BASE}{rest}")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refusal(rest: &str) -> String {
    match parse("x.toml", &format!("{BASE}{rest}")) {
        Ok(plan) => panic!("accepted: {plan:?}"),
        Err(errors) => errors.to_string(),
    }
}

fn window(at: &str, length: &str, id: &str) -> String {
    format!(
        "[[phase]]\ntitle = \"{id}\"\nat = \"{at}\"\nfor = \"{length}\"\n[phase.faults.{id}]\nkind = \"hang\"\nprobability = 1\non = [\"database\"]\n"
    )
}

/// Start, length, title and the names of the faults of each phase, in milliseconds.
fn shown(plan: &Plan) -> Vec<(u128, u128, String, String)> {
    let show = |phase: &Phase| {
        let ids: Vec<_> = phase
            .faults
            .iter()
            .map(|planned| &*planned.fault.id)
            .collect();
        (
            phase.start.as_millis(),
            phase.length.unwrap().as_millis(),
            phase.title.clone().unwrap_or_default(),
            ids.join(" "),
        )
    };
    plan.phases().iter().map(show).collect()
}

const ALWAYS: &str = "[faults.always]\nkind = \"error\"\nprobability = 0.1\n";

#[test]
fn a_policy_takes_the_defaults_of_its_pattern() {
    let policy = plan("[policy.retry]\n[policy.breaker]\n").phases()[0].policy;
    let retry = resilience::retry::RetrySettings::default();
    assert_eq!(policy.retry.unwrap().settings(), &retry);
    assert!(!policy.client_retries);
    let breaker = resilience::circuit_breaker::BreakerPolicy::new(
        resilience::circuit_breaker::BreakerSettings::default(),
    );
    assert_eq!(policy.breaker, Some(breaker.unwrap()));
    let none = plan("[policy]\ndeadline = \"1s\"\n").phases()[0].policy;
    assert_eq!((none.retry, none.breaker), (None, None));
    let budget = plan("[policy.retry.budget]\n").phases()[0].policy;
    let settings = *budget.retry.unwrap().settings();
    assert_eq!(
        settings.budget,
        Some(resilience::retry::BudgetSettings::default())
    );
}

#[test]
fn every_key_of_a_policy_is_heard() {
    let policy = plan(
        "[policy.retry]\nretries = 3\nbackoff = \"5ms\"\nmax_backoff = \"50ms\"\npropagated = true\nclient = true\n\
         [policy.retry.budget]\nratio = 0.2\nfloor = 3\ncapacity = 7\n\
         [policy.breaker]\nfailure_rate = 0.4\nslow_rate = 0.6\nslow_call = \"90ms\"\nconsecutive = 9\nwindow = \"20s\"\nmin_calls = 30\nopen = \"2s\"\nmax_open = \"40s\"\njitter = 0.5\nprobes = 4\nlease = \"5s\"\ncancelled_after = \"500ms\"\n",
    )
    .phases()[0]
        .policy;
    assert!(policy.client_retries);
    let json = serde_json::to_value(policy).unwrap();
    let expected = serde_json::json!({
        "attempt_timeout_ms": null, "deadline_ms": null, "client_retries": true,
        "retry": {
            "retries": 3, "backoff": "5ms", "max_backoff": "50ms", "propagated": true,
            "budget": {"ratio": 0.2, "floor": 3.0, "capacity": 7},
        },
        "breaker": {
            "failure_rate": 0.4, "slow_rate": 0.6, "slow_call": "90ms", "consecutive": 9,
            "window": "20s", "min_calls": 30, "open": "2s", "max_open": "40s", "jitter": 0.5,
            "probes": 4, "lease": "5s", "cancelled_after": "500ms",
        },
    });
    assert_eq!(json, expected);
}

#[test]
fn the_commented_policies_and_phases_of_the_shape_work_too() {
    let start = SHAPE.find("# [policy.retry]").unwrap();
    let end = SHAPE.find("[expect]").unwrap();
    let lines = SHAPE[start..end]
        .lines()
        .filter_map(|line| line.strip_prefix("# "));
    let wanted: Vec<_> = lines.collect();
    let run = plan(&wanted.join("\n"));
    assert_eq!(run.phases().len(), 3);
    let policy = run.phases()[0].policy;
    assert!(policy.retry.unwrap().settings().budget.is_some() && policy.breaker.is_some());
    assert!(policy.balance.is_some() && policy.hedge.is_some() && policy.cache.is_some());
    assert!(policy.bulkhead.is_some() && policy.shed.is_some());
}

#[test]
fn a_run_without_phases_is_one() {
    let whole = plan(ALWAYS);
    assert_eq!(
        shown(&whole),
        [(0, 10_000, String::new(), "always".to_owned())]
    );
    assert_eq!(whole.phases()[0].end(), Some(Duration::from_secs(10)));
}

#[test]
fn phases_follow_each_other_without_a_gap() {
    let run = plan(&format!("{ALWAYS}{}", window("2s", "3s", "dead")));
    let of = |start, length, title: &str, faults: &str| {
        (start, length, title.to_owned(), faults.to_owned())
    };
    assert_eq!(
        shown(&run),
        [
            of(0, 2_000, "", "always"),
            of(2_000, 3_000, "dead", "always dead"),
            of(5_000, 5_000, "", "always"),
        ]
    );
    let whole = plan(&window("0s", "10s", "dead"));
    assert_eq!(shown(&whole), [of(0, 10_000, "dead", "dead")]);
}

#[test]
fn windows_that_overlap_add_up() {
    let run = plan(
        &[
            window("1s", "4s", "a"),
            window("3s", "4s", "b"),
            window("7s", "3s", "c"),
        ]
        .concat(),
    );
    let titles: Vec<_> = shown(&run)
        .into_iter()
        .map(|phase| (phase.0, phase.2))
        .collect();
    let expected = [
        (0, ""),
        (1_000, "a"),
        (3_000, "a, b"),
        (5_000, "b"),
        (7_000, "c"),
    ];
    assert_eq!(
        titles,
        expected.map(|(start, title)| (start, title.to_owned()))
    );
}

/// What follows the sound text, and the error.
type Case = (&'static str, &'static str);

#[track_caller]
fn check(cases: &[Case]) {
    for (rest, expected) in cases {
        assert_eq!(refusal(rest), format!("x.toml: {expected}"), "{rest}");
    }
}

#[test]
fn impossible_retries_are_refused() {
    check(&[
        (
            "[policy.retry]\nretries = 0\n",
            "`policy.retry.retries` = 0 can't be; allowed: a whole number from 1 to 10; for none, leave [policy.retry] out (line 8, column 11)",
        ),
        (
            "[policy.retry]\nretries = -1\n",
            "`policy.retry.retries` = -1 can't be; allowed: a whole number from 1 to 10; for none, leave [policy.retry] out (line 8, column 11)",
        ),
        (
            "[policy.retry]\nretries = 11\n",
            "`policy.retry.retries` = 11 can't be; allowed: a whole number from 1 to 10; for none, leave [policy.retry] out (line 8, column 11)",
        ),
        (
            "[policy.retry]\nretries = 1.5\n",
            "`policy.retry.retries` = 1.5 can't be; allowed: a whole number from 1 to 10; for none, leave [policy.retry] out (line 8, column 11)",
        ),
        (
            "[policy.retry]\nbackoff = \"0s\"\n",
            "`policy.retry.backoff` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 8, column 11)",
        ),
        (
            "[policy.retry]\nbackoff = \"9ms\"\nmax_backoff = \"8ms\"\n",
            "`policy.retry.max_backoff` = \"8ms\" can't be; allowed: a duration in whole milliseconds, not below `backoff` and up to \"1h\" (line 9, column 15)",
        ),
        (
            "[policy.retry]\nbackoff = \"2s\"\n",
            "`policy.retry.max_backoff` = 1s: its default does not go with the rest; allowed: a duration in whole milliseconds, not below `backoff` and up to \"1h\" (line 7, column 1)",
        ),
        (
            "[policy.retry]\nclient = 1\n",
            "`policy.retry.client` = 1 can't be; allowed: true or false (line 8, column 10)",
        ),
        (
            "[policy]\nretry = 3\n",
            "`policy.retry` = 3 can't be; allowed: a table [policy.retry] (line 8, column 9)",
        ),
        (
            "[policy.retry.budget]\nratio = 1.5\n",
            "`policy.retry.budget.ratio` = 1.5 can't be; allowed: a number from 0 to 1, in retries per request (line 8, column 9)",
        ),
        (
            "[policy.retry.budget]\nfloor = nan\n",
            "`policy.retry.budget.floor` = nan can't be; allowed: a number from 0 to 1000000, in retries per second (line 8, column 9)",
        ),
        (
            "[policy.retry.budget]\ncapacity = 0\n",
            "`policy.retry.budget.capacity` = 0 can't be; allowed: a whole number from 1 to 1000000, in retries (line 8, column 12)",
        ),
        (
            "[policy.retry.budget]\ncapacity = 99999999999\n",
            "`policy.retry.budget.capacity` = 99999999999 can't be; allowed: a whole number from 1 to 1000000, in retries (line 8, column 12)",
        ),
    ]);
}

#[test]
fn retries_that_can_not_fit_the_deadline_are_refused() {
    let limits = "[policy]\nattempt_timeout = \"400ms\"\ndeadline = \"1s\"\n";
    let stated = refusal(&format!("{limits}[policy.retry]\nretries = 2\n"));
    assert_eq!(
        stated,
        "x.toml: `policy.retry.retries` = 2: 3 attempts of 400ms do not fit the deadline of 1s; allowed: so many that (retries + 1) × attempt time-out fits the deadline (line 11, column 11)"
    );
    let by_default = refusal(&format!("{limits}[policy.retry]\n"));
    assert!(by_default.ends_with("(line 10, column 1)"), "{by_default}");
    plan(&format!("{limits}[policy.retry]\nretries = 1\n"));
}

#[test]
fn impossible_breakers_are_refused() {
    check(&[
        (
            "[policy.breaker]\nfailure_rate = 0\n",
            "`policy.breaker.failure_rate` = 0 can't be; allowed: a number above 0 and up to 1; for no such rule, leave it out (line 8, column 16)",
        ),
        (
            "[policy.breaker]\nslow_rate = 0.5\n",
            "`policy.breaker.slow_rate` = 0.5 can't be; allowed: a number above 0 and up to 1, only together with `slow_call` (line 8, column 13)",
        ),
        (
            "[policy.breaker]\nslow_call = \"1s\"\n",
            "`policy.breaker.slow_call` = \"1s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds, only together with `slow_rate` (line 8, column 13)",
        ),
        (
            "[policy.breaker]\nconsecutive = 0\n",
            "`policy.breaker.consecutive` = 0 can't be; allowed: a whole number from 1 to 10000; for no such rule, leave it out (line 8, column 15)",
        ),
        (
            "[policy.breaker]\nwindow = \"1ms\"\n",
            "`policy.breaker.window` = \"1ms\" can't be; allowed: a duration from \"10ms\" to \"1h\" in whole milliseconds (line 8, column 10)",
        ),
        (
            "[policy.breaker]\nmin_calls = 0\n",
            "`policy.breaker.min_calls` = 0 can't be; allowed: a whole number from 1 to 1000000 (line 8, column 13)",
        ),
        (
            "[policy.breaker]\nopen = \"2h\"\n",
            "`policy.breaker.open` = \"2h\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 8, column 8)",
        ),
        (
            "[policy.breaker]\nopen = \"1m\"\n",
            "`policy.breaker.max_open` = 30s: its default does not go with the rest; allowed: a duration in whole milliseconds, not below `open` and up to \"1h\" (line 7, column 1)",
        ),
        (
            "[policy.breaker]\njitter = 1.5\n",
            "`policy.breaker.jitter` = 1.5 can't be; allowed: a number from 0 to 1, as a share of the open time (line 8, column 10)",
        ),
        (
            "[policy.breaker]\nprobes = 16\n",
            "`policy.breaker.probes` = 16 can't be; allowed: a whole number from 1 to 15 (line 8, column 10)",
        ),
        (
            "[policy.breaker]\nlease = \"0s\"\n",
            "`policy.breaker.lease` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 8, column 9)",
        ),
    ]);
}

const DEAD: &str = "[phase.faults.dead]\nkind = \"hang\"\nprobability = 1\n";

#[test]
fn impossible_phases_are_refused() {
    let phase = |keys: &str| refusal(&format!("[[phase]]\n{keys}\n{DEAD}"));
    assert_eq!(
        phase("for = \"1s\""),
        "x.toml: `phase.at` is missing; allowed: a duration from \"0s\" in whole milliseconds, before the end of the run (line 7, column 1)"
    );
    assert_eq!(
        phase("at = \"1s\""),
        "x.toml: `phase.for` is missing; allowed: a duration from \"1ms\" in whole milliseconds that ends within the run (line 7, column 1)"
    );
    for at in ["10s", "-1s", "1500us", "soon"] {
        let keys = format!("at = \"{at}\"\nfor = \"1s\"");
        let expected = format!(
            "x.toml: `phase.at` = \"{at}\" can't be; allowed: a duration from \"0s\" in whole milliseconds, before the end of the run (line 8, column 6)"
        );
        assert_eq!(phase(&keys), expected);
    }
    assert_eq!(
        phase("at = \"8s\"\nfor = \"3s\""),
        "x.toml: `phase.for` = \"3s\": ends at 11s, after the run; allowed: up to 10s (line 9, column 7)"
    );
    assert_eq!(
        phase("at = \"8s\"\nfor = \"0s\""),
        "x.toml: `phase.for` = \"0s\" can't be; allowed: a duration from \"1ms\" in whole milliseconds that ends within the run (line 9, column 7)"
    );
    assert_eq!(
        phase("title = \"\"\nat = \"1s\"\nfor = \"1s\""),
        "x.toml: `phase.title` = \"\" can't be; allowed: a line of 1 to 200 characters (line 8, column 9)"
    );
    assert_eq!(
        refusal("[[phase]]\nat = \"1s\"\nfor = \"1s\"\n"),
        "x.toml: `phase.faults` is missing; allowed: tables [phase.faults.NAME] (line 7, column 1)"
    );
    assert_eq!(
        refusal(
            "[[phase]]\nat = \"1s\"\nfor = \"1s\"\n[phase.faults.dead]\nkind = \"hang\"\nprobability = 2\n"
        ),
        "x.toml: `phase.faults.dead.probability` = 2 can't be; allowed: a number from 0 to 1 (line 12, column 15)"
    );
    assert_eq!(
        refusal("[phase]\nat = \"1s\"\n"),
        "x.toml: `phase` = [phase] can't be; allowed: tables [[phase]], at most 100 (line 7, column 1)"
    );
}

#[test]
fn a_timeline_needs_a_run_that_ends_at_a_stated_time() {
    let text =
        format!("{BASE}{}", window("1s", "1s", "dead")).replace("for = \"10s\"", "requests = 1000");
    let error = parse("x.toml", &text).unwrap_err().to_string();
    assert_eq!(
        error,
        "x.toml: `phase` = [[phase]]: a timeline needs a run that ends at a stated time; allowed: `load.for` in place of `load.requests` (line 7, column 1)"
    );
}

#[test]
fn faults_of_one_name_on_one_service_must_not_meet() {
    let clash = |first: &str, second: &str| refusal(&format!("{first}{second}"));
    let same = clash(&window("1s", "3s", "dead"), &window("3s", "3s", "dead"));
    assert_eq!(
        same,
        "x.toml: `phase.faults` = [[phase]]: its fault `dead` is on `database` at the same time as another of that name; allowed: a name of its own (line 15, column 1)"
    );
    let of_run = clash(
        "[faults.dead]\nkind = \"error\"\nprobability = 0.1\n",
        &window("1s", "3s", "dead"),
    );
    assert!(
        of_run.contains("its fault `dead` is on `database`"),
        "{of_run}"
    );
    // One after the other, or on different services, they do not meet.
    plan(&[window("1s", "2s", "dead"), window("3s", "3s", "dead")].concat());
    plan(&format!(
        "[faults.dead]\nkind = \"error\"\nprobability = 0.1\non = [\"auth\"]\n{}",
        window("1s", "3s", "dead")
    ));
}

#[test]
fn too_many_phases_are_refused() {
    let many: String = (0..101)
        .map(|n| window("1s", "1s", &format!("f{n}")))
        .collect();
    assert!(refusal(&many).contains("allowed: tables [[phase]], at most 100"));
}

proptest! {
    #[test]
    fn any_windows_cover_the_run_once(windows in prop::collection::vec((0_u64..10_000, 1_u64..10_000), 0..8)) {
        let fits = |(at, length): &(u64, u64)| at + length <= 10_000;
        let inside: Vec<_> = windows.into_iter().filter(fits).collect();
        let text: String = (0..).zip(&inside)
            .map(|(n, (at, length))| window(&format!("{at}ms"), &format!("{length}ms"), &format!("f{n}")))
            .collect();
        let run = plan(&text);
        let mut now = Duration::ZERO;
        for phase in run.phases() {
            prop_assert_eq!(phase.start, now);
            now += phase.length.unwrap();
            let active = |(at, length): &&(u64, u64)| {
                (*at..at + length).contains(&u64::try_from(phase.start.as_millis()).unwrap())
            };
            prop_assert_eq!(phase.faults.len(), inside.iter().filter(active).count());
        }
        prop_assert_eq!(now, Duration::from_secs(10));
    }
}

#[test]
fn phases_weigh_as_much_as_they_have_requests() {
    let text = "title = \"t\"\n[load]\nrate = 100\nfor = \"10s\"\n[chain]\nrelays = 1\n\
                [[phase]]\nat = \"0s\"\nfor = \"5s\"\nrate = 300\n\
                [phase.faults.f]\nkind = \"error\"\nprobability = 0.2\n";
    let prediction = predict(&parse("x.toml", text).unwrap());
    // 1500 requests of which 0.8 succeed, and 500 of which all do.
    assert!((prediction.availability.get() - 0.85).abs() < 1e-12);
    assert!((prediction.phases[0].requests - 1_500.0).abs() < 1e-9);
}

#[test]
fn a_phase_with_a_policy_of_its_own_is_predicted_by_that() {
    let text = "title = \"t\"\n[load]\nrate = 100\nfor = \"10s\"\n[chain]\nrelays = 2\n\
                [faults.f]\nkind = \"error\"\nprobability = 0.1\non = [\"relay-2\"]\n\
                [[phase]]\nat = \"5s\"\nfor = \"5s\"\n[phase.policy.retry]\nretries = 1\nbackoff = \"1ms\"\n";
    let prediction = predict(&parse("x.toml", text).unwrap());
    let phases: Vec<_> = prediction
        .phases
        .iter()
        .map(|phase| phase.availability.get())
        .collect();
    assert!(
        (phases[0] - 0.9).abs() < 1e-12 && (phases[1] - 0.99).abs() < 1e-12,
        "{phases:?}"
    );
    assert!((prediction.hops[1].load - 1.05).abs() < 1e-12);
}
