//! What is predicted of retries, budgets, breakers and timelines, against values worked out
//! by hand.

use proptest::prelude::*;
use scenario::{Class, Limit, Prediction, find, parse, predict};

fn of(text: &str) -> Prediction {
    predict(&parse("test.toml", text).unwrap_or_else(|errors| panic!("{errors}")))
}

/// Of the variant of that number; 0 is the scenario itself.
fn of_variant(name: &str, number: usize) -> Prediction {
    let plan = parse(name, find(name).unwrap().text).unwrap();
    match number.checked_sub(1) {
        Some(variant) => predict(&plan.variants()[variant].plan),
        None => predict(&plan),
    }
}

/// A run of `load`, through three services behind the gateway.
fn sequence(load: &str, rest: &str) -> Prediction {
    let chain = "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";
    of(&format!("title = \"t\"\n[load]\n{load}\n{chain}{rest}"))
}

fn fault(kind: &str, probability: f64, rest: &str) -> String {
    format!("[faults.f]\nkind = \"{kind}\"\nprobability = {probability}\n{rest}\n")
}

const THOUSAND: &str = "rate = 100\nrequests = 1000";
const DATABASE: &str = "on = [\"database\"]";

#[track_caller]
fn assert_near(actual: impl Into<f64>, expected: f64, tolerance: f64) {
    let actual = actual.into();
    let near = (actual - expected).abs() <= tolerance;
    assert!(near, "{actual} is not {expected}");
}

#[track_caller]
fn assert_close(actual: impl Into<f64>, expected: f64) {
    assert_near(actual, expected, 1e-9);
}

#[test]
fn retries_repair_what_is_transient() {
    let naive = of_variant("r2", 0);
    assert_close(naive.availability, 0.6561);
    let local = of_variant("r2", 1);
    assert_close(local.availability, 0.999_f64.powi(4));
    assert_near(local.availability, 0.996_01, 5e-6);
    let all = of_variant("r2", 2);
    // The gateway's attempt needs its own work and three calls; the client makes three.
    let attempt = 0.9 * 0.999_f64.powi(3);
    assert_close(all.availability, 1.0 - (1.0 - attempt).powi(3));
    assert_near(all.availability, 0.998_92, 5e-6);
    for prediction in [&naive, &local, &all] {
        assert_eq!((prediction.class, prediction.range), (Class::Exact, None));
        assert_eq!(prediction.without_breaker, None);
    }
}

#[test]
fn each_hop_shows_attempts_calls_and_load() {
    let local = of_variant("r2", 1);
    let [gateway, auth, profile, database] = &local.hops[..] else {
        panic!("{local:?}")
    };
    for hop in &local.hops {
        assert_close(hop.own, 0.9);
        assert_close(hop.attempts_per_call, 1.11);
    }
    assert_close(gateway.attempt, 0.9 * 0.999_f64.powi(3));
    assert_close(gateway.call, local.availability.get());
    assert_close(database.attempt, 0.9);
    assert_close(database.call, 0.999);
    // Each step of the staircase is what is lost there after all attempts.
    for (steps, hop) in (1..).zip(&local.hops) {
        assert_close(hop.cumulative.unwrap(), 0.999_f64.powi(steps));
    }
    // A failed gateway costs the others nothing, so they see one call for each request.
    assert_close(gateway.load, 1.11);
    assert_close(auth.load, 1.11 * 0.999);
    assert_close(profile.load, 1.11 * 0.999_f64.powi(2));
    assert_close(database.load, 1.11 * 0.999_f64.powi(3));
}

#[test]
fn failures_tried_again_by_everyone_are_lost_where_the_last_one_arose() {
    let all = of_variant("r2", 2);
    let attempt = 0.9 * 0.999_f64.powi(3);
    let before = (1.0 - attempt).powi(2);
    // Two attempts have failed, and then the gateway fails: or passes, and auth fails thrice.
    assert_close(all.hops[0].cumulative.unwrap(), 1.0 - before * 0.1);
    assert_close(
        all.hops[1].cumulative.unwrap(),
        1.0 - before * (0.1 + 0.9 * 0.001),
    );
    assert_close(all.hops[3].cumulative.unwrap(), all.availability.get());
}

#[test]
fn nested_retries_multiply() {
    let storm = of_variant("r3", 0);
    assert_close(storm.availability, 0.0);
    let load: Vec<_> = storm.hops.iter().map(|hop| hop.load).collect();
    for (load, expected) in load.iter().zip([1.0, 3.0, 9.0, 27.0]) {
        assert_close(*load, expected);
    }
    assert_eq!(storm.class, Class::Exact);
}

#[test]
fn a_budget_bounds_what_each_layer_adds() {
    let bounded = of_variant("r3", 1);
    assert_close(bounded.availability, 0.0);
    assert_eq!(bounded.class, Class::Exact);
    // Each bucket gives a tenth of its calls, from the second on, and what it has saved up.
    let storm = parse("r3", find("r3").unwrap().text).unwrap();
    let policy = storm.variants()[0].plan.phases()[0].policy;
    let budget = policy.retry.unwrap().settings().budget.unwrap();
    let saved = f64::from(budget.capacity) - budget.ratio;
    let requests = bounded.phases[0].requests;
    let mut calls = requests;
    for hop in &bounded.hops[1..] {
        assert_near(
            hop.load,
            (1.0 + budget.ratio) * calls / requests + saved / requests,
            1.0 / requests,
        );
        calls = hop.load * requests;
    }
    assert!(bounded.hops[3].load < 1.5, "{bounded:?}");
}

#[test]
fn a_budget_that_is_never_empty_changes_nothing() {
    let retry = "[policy.retry]\nretries = 2\n";
    let faults = fault("error", 0.01, "");
    let free = sequence(THOUSAND, &format!("{faults}{retry}"));
    let budget = "[policy.retry.budget]\nratio = 0.5\n";
    let bounded = sequence(THOUSAND, &format!("{faults}{retry}{budget}"));
    assert_near(bounded.availability, free.availability.get(), 1e-9);
    assert_eq!(bounded.class, Class::Exact);
}

#[test]
fn a_budget_that_runs_dry_leaves_what_its_retries_repair() {
    let policy = "[policy.retry]\nretries = 2\n[policy.retry.budget]\nratio = 0.1\nfloor = 0\ncapacity = 5\n";
    let faults = fault("error", 0.5, DATABASE);
    let dry = sequence("rate = 100\nrequests = 10000", &format!("{faults}{policy}"));
    // Wald: half of 1.1 attempts succeed.
    assert_near(dry.availability, 0.55, 1e-3);
    assert_near(dry.hops[3].attempts_per_call, 1.1, 1e-3);
    // One bucket, called once by each request, and every attempt alike: that is exact.
    assert_eq!(dry.class, Class::Exact);
    let two = fault("error", 0.5, "on = [\"auth\", \"database\"]");
    let two = sequence(THOUSAND, &format!("{two}{policy}"));
    assert_eq!(two.class, Class::Approximate);
    let floor = policy.replace("floor = 0", "floor = 10");
    let floor = sequence("rate = 100\nrequests = 10000", &format!("{faults}{floor}"));
    // Ten a second are another tenth of the calls.
    assert_near(floor.availability, 0.6, 2e-3);
    assert_eq!(floor.class, Class::Approximate);
}

#[test]
fn a_large_bucket_is_taken_as_a_flow_that_begins_with_what_it_holds() {
    let policy = "[policy.retry]\nretries = 2\n[policy.retry.budget]\nratio = 0.1\nfloor = 0\ncapacity = 500\n";
    let dead = fault("error", 1.0, DATABASE);
    let run = sequence("rate = 100\nrequests = 10000", &format!("{dead}{policy}"));
    assert_close(run.hops[3].load, 1.0 + 0.1 + 500.0 / 10_000.0);
}

#[test]
fn time_outs_are_tried_again_and_what_nobody_ends_is_not() {
    let hang = fault("hang", 0.1, DATABASE);
    let retry = "[policy.retry]\nretries = 2\nbackoff = \"10ms\"\n";
    let alone = sequence(THOUSAND, &format!("{hang}{retry}"));
    assert_close(alone.availability, 0.9);
    assert_eq!(alone.wait.unwrap().ended_by, Limit::Patience);
    let limits = "[policy]\nattempt_timeout = \"100ms\"\n";
    let timed = sequence(THOUSAND, &format!("{hang}{limits}{retry}"));
    assert_close(timed.availability, 0.999);
    assert_eq!(timed.class, Class::Exact);
    let wait = timed.wait.unwrap();
    assert_close(wait.share, 0.1);
    // 0.1 + 0.01 + 0.001 waits of 100 ms; pauses of 5 ms after the first, 10 after the second.
    let waited = 0.111 * 0.1 + 0.1 * 0.005 + 0.01 * 0.01;
    assert_close(wait.known_after_s, waited / 0.1);
    assert_close(wait.stuck_requests, 100.0 * waited);
    assert_eq!(
        (wait.ended_by, wait.censored),
        (Limit::AttemptTimeout, false)
    );
    let deadline = "[policy]\ndeadline = \"1s\"\n";
    let late = sequence(THOUSAND, &format!("{hang}{deadline}{retry}client = true\n"));
    assert_close(late.availability, 0.9);
}

#[test]
fn the_deadline_bounds_all_attempts_of_the_client_together() {
    // The edge hangs for half of its attempts: whether a retry would help, there is no time left.
    let text = "title = \"t\"\n[load]\nrate = 50\nrequests = 900\n[service.edge]\ncalls = [\"b\"]\n\
                [service.b]\n[faults.h]\nkind = \"hang\"\nprobability = 0.5\non = [\"edge\"]\n\
                [faults.e]\nkind = \"error\"\nprobability = 0.2\non = [\"b\"]\n\
                [policy]\nattempt_timeout = \"100ms\"\ndeadline = \"300ms\"\n\
                [policy.retry]\nretries = 1\nbackoff = \"1ms\"\nclient = true\npropagated = true\n";
    let edge = of(text);
    // Both attempts of the edge at b fail for 0.04: then the client makes a second one.
    assert_close(edge.availability, 0.5 * (0.96 + 0.04 * 0.5 * 0.96));
    let wait = edge.wait.unwrap();
    assert_close(wait.known_after_s, 0.3);
    assert_eq!(wait.ended_by, Limit::Deadline);
    // Without a deadline only the client's patience ends the wait.
    let patient = of(&text.replace("deadline = \"300ms\"\n", ""));
    assert_close(patient.availability, edge.availability.get());
    assert_eq!(patient.wait.unwrap().ended_by, Limit::Patience);
}

#[test]
fn attempts_of_the_client_that_may_not_fit_the_deadline_leave_a_bound() {
    let text = |deadline: &str| {
        let text = "title = \"t\"\n[load]\nrate = 50\nrequests = 900\n[service.edge]\n\
                    work = \"wait:100ms\"\n[faults.e]\nkind = \"error\"\nprobability = 0.2\n\
                    [policy.retry]\nretries = 2\nbackoff = \"1ms\"\nclient = true\n";
        of(&format!("{text}[policy]\ndeadline = \"{deadline}\"\n"))
    };
    assert_eq!(text("10s").class, Class::Exact);
    assert_eq!(
        text("250ms").class,
        Class::Bound,
        "each attempt fits, three do not"
    );
}

#[test]
fn a_dead_database_is_waited_for_by_every_attempt() {
    let hang = fault("hang", 1.0, DATABASE);
    let policy = "[policy]\nattempt_timeout = \"250ms\"\ndeadline = \"1s\"\n[policy.retry]\nretries = 2\nbackoff = \"10ms\"\n";
    let dead = sequence(THOUSAND, &format!("{hang}{policy}"));
    let wait = dead.wait.unwrap();
    assert_close(wait.known_after_s, 3.0 * 0.25 + 0.005 + 0.01);
    assert_close(wait.stuck_requests, 100.0 * 0.765);
    assert_close(dead.hops[3].load, 3.0);
}

#[test]
fn a_time_out_in_a_nested_chain_is_the_edges() {
    let text = "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n[chain]\nrelays = 3\n[faults.f]\nkind = \"hang\"\nprobability = 0.1\non = [\"relay-3\"]\n[policy]\nattempt_timeout = \"100ms\"\n[policy.retry]\nretries = 1\nbackoff = \"1ms\"\n";
    let chain = of(text);
    // relay-1 stops waiting for relay-2 before relay-2 stops waiting for relay-3.
    assert_close(chain.availability, 0.99);
    assert_close(chain.hops[1].attempts_per_call, 1.1);
    assert_close(chain.hops[2].attempts_per_call, 1.0);
    assert_close(chain.hops[2].load, 1.1);
    assert_eq!(chain.class, Class::Approximate, "the two time-outs race");
}

#[test]
fn limits_that_retries_may_overrun_leave_a_bound() {
    let policy =
        "[policy]\nattempt_timeout = \"250ms\"\ndeadline = \"1s\"\n[policy.retry]\nretries = 2\n";
    let hang = fault("hang", 0.01, "");
    let late = sequence(THOUSAND, &format!("{hang}{policy}"));
    assert_eq!(late.class, Class::Bound);
    let range = late.range.unwrap();
    assert_close(range.max(), late.availability.get());
}

#[test]
fn what_is_down_for_the_whole_request_stays_down_for_every_attempt() {
    let retry = "[policy.retry]\nretries = 2\nclient = true\npropagated = true\n";
    let down = fault(
        "error",
        0.1,
        "on = [\"auth\", \"database\"]\nscope = \"request\"",
    );
    let sticky = sequence(THOUSAND, &format!("{down}{retry}"));
    assert_close(sticky.availability, 0.81);
    assert_eq!(sticky.class, Class::Exact);
    // Auth down: nine attempts at it, none at the database. Up: one, or three if the
    // database is down.
    assert_close(sticky.hops[1].load, 0.1 * 9.0 + 0.9 * (0.9 + 0.1 * 3.0));
    assert_close(sticky.hops[3].load, 0.9 * (0.9 + 0.1 * 9.0));
    assert_close(sticky.hops[0].load, 0.19 * 3.0 + 0.81);
    assert_close(sticky.hops[3].own, 0.9);
}

/// A database that hangs from 1.4 s to 3.1 s of five seconds.
fn hanging(policy: &str) -> Prediction {
    let limits = "[policy]\nattempt_timeout = \"250ms\"\ndeadline = \"1s\"\n";
    let phase = "[[phase]]\ntitle = \"the database hangs\"\nat = \"1400ms\"\nfor = \"1700ms\"\n[phase.faults.dead]\nkind = \"hang\"\nprobability = 1\non = [\"database\"]\n";
    sequence(
        "rate = 200\nfor = \"5s\"",
        &format!("{limits}{policy}{phase}"),
    )
}

const BREAKER: &str = "[policy.breaker]\nconsecutive = 5\nopen = \"500ms\"\nmax_open = \"1s\"\njitter = 0\nprobes = 1\n";

#[test]
fn the_hanging_database_costs_its_time_and_a_breaker_a_little_more() {
    let naive = of_variant("r4", 0);
    let total: f64 = naive.phases.iter().map(|phase| phase.length_s).sum();
    let up = 1.0 - naive.phases[1].length_s / total;
    assert_close(naive.availability, up);
    assert_eq!((naive.class, naive.range), (Class::Exact, None));
    assert_close(naive.wait.unwrap().stuck_requests, 50.0);
    let breaker = of_variant("r4", 1);
    assert_close(breaker.without_breaker.unwrap(), up);
    let range = breaker.range.unwrap();
    assert_close(range.max(), up);
    // A time-out and an open time, and until somebody comes.
    assert_near(range.min(), up - 1.25 / total, 0.05 / total);
    let outage = breaker.phases[1].outage.as_ref().unwrap();
    assert!(
        outage.reaching < 60.0 && outage.reaching_without > 300.0,
        "{outage:?}"
    );
    assert!(breaker.wait.unwrap().stuck_requests < 10.0);
}

#[test]
fn a_timeline_is_the_mean_of_its_phases() {
    let run = hanging("");
    assert_close(run.availability, 0.66);
    assert_eq!((run.class, run.range), (Class::Exact, None));
    let [before, outage, after] = &run.phases[..] else {
        panic!("{:?}", run.phases)
    };
    assert_eq!(outage.title.as_deref(), Some("the database hangs"));
    assert_close(before.availability, 1.0);
    assert_close(outage.availability, 0.0);
    assert_close(after.availability, 1.0);
    assert_close(outage.start_s, 1.4);
    assert_close(outage.length_s, 1.7);
    assert_close(after.requests, 380.0);
    assert_eq!(before.wait, None);
    let wait = run.wait.unwrap();
    assert_close(wait.stuck_requests, 50.0);
    assert_close(run.hops[3].cumulative.unwrap(), 0.66);
}

#[test]
fn a_breaker_saves_load_and_waiting_and_no_request() {
    let run = hanging(BREAKER);
    let without = run.without_breaker.unwrap();
    assert_close(without, 0.66);
    assert!(run.availability < without);
    assert_eq!(run.class, Class::Bound);
    let range = run.range.unwrap();
    // Not at all, or for a time-out, an open time, and until somebody comes.
    assert_close(range.max(), 0.66);
    assert_near(range.min(), 0.66 - 1.25 / 5.0, 0.01);
    assert!(range.contain(run.availability));
    let outage = run.phases[1].outage.as_ref().unwrap();
    assert_eq!((&*outage.caller, &*outage.callee), ("gateway", "database"));
    // The fifth failure comes a time-out after the fifth call; by then fifty more are out.
    assert_near(outage.opens_after_s.unwrap(), 0.275, 0.001);
    assert_near(outage.reaching, 56.0, 1.0);
    assert_close(outage.reaching_without, 340.0);
    assert_near(outage.refused, 0.835, 0.005);
    assert_close(outage.fails_after_s, 0.25);
    // Open at 0.275 for 0.5 s, probing for 0.25 s, open for 1 s.
    assert_near(outage.recovery_s, 0.325, 0.02);
    let wait = run.wait.unwrap();
    assert_near(wait.stuck_requests, 56.0 / 1.7 * 0.25, 0.15);
    assert_near(
        run.hops[3].cumulative.unwrap(),
        run.availability.get(),
        1e-9,
    );
}

/// A dead database from 3 s to 6 s of 12 s, and a breaker.
fn outage(kind: &str, breaker: &str) -> Prediction {
    let phase = format!(
        "[[phase]]\nat = \"3s\"\nfor = \"3s\"\n[phase.faults.dead]\nkind = \"{kind}\"\nprobability = 1\n{DATABASE}\n"
    );
    let policy = "[policy]\nattempt_timeout = \"250ms\"\n";
    sequence(
        "rate = 200\nfor = \"12s\"",
        &format!("{policy}[policy.breaker]\n{breaker}\n{phase}"),
    )
}

#[test]
fn a_request_tried_again_after_an_outage_may_still_succeed() {
    let retry =
        "[policy]\nattempt_timeout = \"250ms\"\n[policy.retry]\nretries = 2\nbackoff = \"10ms\"\n";
    let phase = format!(
        "[[phase]]\nat = \"3s\"\nfor = \"3s\"\n[phase.faults.dead]\nkind = \"hang\"\nprobability = 1\n{DATABASE}\n"
    );
    let load = "rate = 200\nfor = \"12s\"";
    let run = sequence(load, &format!("{retry}{phase}"));
    // Those of the last two time-outs and pauses, if their third attempt comes late enough.
    let range = run.range.unwrap();
    assert_close(range.min(), 0.75);
    assert_close(range.max(), 0.75 + 0.53 / 12.0);
    assert_eq!(run.phases[0].class, Class::Exact, "nothing fails before");
    // With a breaker they are refused.
    let breaker = "[policy.breaker]\nconsecutive = 5\n";
    let refused = sequence(load, &format!("{retry}{breaker}{phase}"));
    assert_close(refused.range.unwrap().max(), 0.75);
    assert_near(
        refused.phases[1].outage.as_ref().unwrap().reaching_without,
        1_800.0,
        1e-6,
    );
}

#[test]
fn a_failure_that_is_told_opens_a_breaker_at_once() {
    let run = outage("error", "consecutive = 5\nopen = \"10s\"\njitter = 0");
    let outage = run.phases[1].outage.as_ref().unwrap();
    assert_near(outage.reaching, 5.0, 0.1);
    assert_near(outage.opens_after_s.unwrap(), 5.0 / 200.0, 0.001);
    // It stays open to the end, and beyond it for what is left of ten seconds.
    assert_near(outage.recovery_s, 7.0 + 5.0 / 200.0, 0.02);
    assert_near(run.availability, 0.25, 0.002);
    assert_eq!(run.wait, None);
}

#[test]
fn breakers_behind_breakers_may_keep_each_other_open() {
    let chain = |relays: u32| {
        of(&format!(
            "title = \"t\"\n[load]\nrate = 200\nfor = \"12s\"\n[chain]\nrelays = {relays}\n\
             [policy.breaker]\nconsecutive = 5\nopen = \"500ms\"\nmax_open = \"1s\"\njitter = 0\n\
             [[phase]]\nat = \"3s\"\nfor = \"3s\"\n[phase.faults.dead]\nkind = \"error\"\nprobability = 1\non = [\"relay-{relays}\"]\n"
        ))
    };
    let most = |run: &Prediction| run.phases[1].outage.as_ref().unwrap().recovery_at_most_s;
    let (two, four) = (chain(2), chain(4));
    assert_eq!(&*two.phases[1].outage.as_ref().unwrap().caller, "relay-1");
    assert_near(most(&two), 1.035, 1e-9);
    assert_near(most(&four), 3.035, 1e-9);
}

#[test]
fn a_share_of_failures_opens_a_breaker_once_they_outweigh_the_good_calls() {
    let run = outage(
        "error",
        "failure_rate = 0.5\nwindow = \"2s\"\nopen = \"10s\"\njitter = 0",
    );
    let outage = run.phases[1].outage.as_ref().unwrap();
    // Half of the last two seconds.
    assert_near(outage.opens_after_s.unwrap(), 1.0, 0.01);
    let long = self::outage(
        "error",
        "failure_rate = 0.5\nwindow = \"60s\"\nopen = \"10s\"",
    );
    let long = long.phases[1].outage.as_ref().unwrap();
    // As many as there were good ones since the start.
    assert_near(long.opens_after_s.unwrap(), 3.0, 0.01);
    let never = self::outage("error", "failure_rate = 0.9\nwindow = \"60s\"");
    let phase = &never.phases[1];
    assert_eq!(phase.outage.as_ref().unwrap().opens_after_s, None);
    assert_close(never.availability, 0.75);
    assert_eq!(never.class, Class::Exact);
}

#[test]
fn a_breaker_that_background_faults_do_not_open_changes_nothing() {
    let faults = fault("error", 0.01, "");
    let quiet = sequence(
        "rate = 200\nrequests = 10000",
        &format!("{faults}[policy.breaker]\nconsecutive = 5\n"),
    );
    assert_close(quiet.availability, 0.99_f64.powi(4));
    assert_eq!(
        (quiet.class, quiet.without_breaker),
        (Class::Exact, Some(quiet.availability))
    );
    let default = sequence(
        "rate = 200\nrequests = 10000",
        &format!("{faults}[policy.breaker]\n"),
    );
    assert_eq!(default.class, Class::Exact);
}

#[test]
fn a_window_that_judges_by_a_few_calls_may_be_wrong_at_the_start() {
    let of = |min_calls: u32| {
        let breaker = format!("[policy.breaker]\nfailure_rate = 0.5\nmin_calls = {min_calls}\n");
        let faults = fault("error", 0.05, DATABASE);
        sequence(
            "rate = 200\nrequests = 10000",
            &format!("{faults}{breaker}"),
        )
    };
    // Of two calls one fails now and then; of twenty, ten never do.
    assert_eq!((of(2).class, of(20).class), (Class::Bound, Class::Exact));
}

#[test]
fn a_breaker_that_background_faults_open_costs_availability() {
    let faults = fault("error", 0.3, DATABASE);
    let breaker = "[policy.breaker]\nconsecutive = 3\nopen = \"100ms\"\njitter = 0\nprobes = 1\n";
    let run = sequence(
        "rate = 100\nrequests = 100000",
        &format!("{faults}{breaker}"),
    );
    // What the long run refuses is likely, and no more than that.
    assert_eq!(run.class, Class::Bound);
    let range = run.range.unwrap();
    assert_close(range.min(), 0.0);
    assert_close(range.max(), 0.7);
    // 51.5 calls until three fail in a row; then 10 refused, a probe, and perhaps 20 more …
    let (closed, mut refused, mut probes, mut again) = (51.481_481, 0.0, 0.0, 1.0);
    for doublings in 0..20 {
        refused += again * f64::min(10.0 * 2.0_f64.powi(doublings), 3_000.0);
        probes += again;
        again *= 0.3;
    }
    let expected = 0.7 * (closed + probes) / (closed + probes + refused);
    assert_near(run.availability, expected, 1e-5);
    assert_close(run.without_breaker.unwrap(), 0.7);
    let window = breaker.replace("consecutive = 3", "failure_rate = 0.31");
    let unknown = sequence(
        "rate = 100\nrequests = 100000",
        &format!("{faults}{window}"),
    );
    assert_eq!(unknown.class, Class::Bound);
    assert_close(unknown.range.unwrap().max(), 0.7);
}

#[test]
fn a_prediction_says_what_its_numbers_are() {
    let json = serde_json::to_value(hanging(BREAKER)).unwrap();
    assert_eq!(json["class"], "bound");
    assert_eq!(json["without_breaker"], 0.66);
    assert_eq!(json["range"]["max"], 0.66);
    let outage = &json["phases"][1]["outage"];
    assert_eq!(outage["callee"], "database");
    assert_eq!(outage["reaching_without"], 340.0);
    assert_eq!(json["phases"][0].get("outage"), None);
    assert!(json["hops"][3]["load"].is_number());
}

/// Policies and faults of every kind, on a sequence or a chain, with or without an outage.
fn any_plan() -> impl Strategy<Value = (String, String)> {
    let chain = prop_oneof![
        Just("hops = [\"auth\", \"profile\", \"database\"]"),
        Just("relays = 3")
    ];
    let kind = prop::sample::select(vec!["error", "hang", "reset"]);
    let scope = prop::sample::select(vec!["attempt", "request"]);
    let limits = prop::sample::select(vec!["", "attempt_timeout = \"100ms\"", "deadline = \"1s\""]);
    let retry = prop::sample::select(vec![
        "",
        "[policy.retry]\n",
        "[policy.retry]\npropagated = true\nclient = true\n",
        "[policy.retry.budget]\ncapacity = 5\n",
    ]);
    let breaker = prop::sample::select(vec![
        "[policy.breaker]\n",
        "[policy.breaker]\nconsecutive = 3\nopen = \"300ms\"\n",
        "[policy.breaker]\nfailure_rate = 0.2\nslow_rate = 0.5\nslow_call = \"50ms\"\n",
    ]);
    let phase = prop::sample::select(vec![
        "",
        "[[phase]]\nat = \"2s\"\nfor = \"2s\"\n[phase.faults.dead]\nkind = \"hang\"\nprobability = 1\n",
        "[[phase]]\nat = \"0s\"\nfor = \"1s\"\n[phase.faults.dead]\nkind = \"error\"\nprobability = 0.9\n",
    ]);
    (chain, kind, 0.0..=1.0, scope, limits, retry, breaker, phase).prop_map(
        |(chain, kind, p, scope, limits, retry, breaker, phase)| {
            let start = format!(
                "title = \"t\"\n[load]\nrate = 50\nfor = \"6s\"\n[chain]\n{chain}\n[faults.f]\n\
                 kind = \"{kind}\"\nprobability = {p}\nscope = \"{scope}\"\n[policy]\n{limits}\n{retry}"
            );
            (format!("{start}{phase}"), format!("{start}{breaker}{phase}"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_plan_a_breaker_alone_raises_nothing((without, with) in any_plan()) {
        let propagated = with.contains("propagated");
        let (without, with) = (of(&without), of(&with));
        prop_assert!(with.availability.get() <= without.availability.get() + 1e-9);
        let saved = with.without_breaker.unwrap().get() - without.availability.get();
        prop_assert!(saved.abs() < 1e-9, "without its breaker it is the other plan");
        for prediction in [&with, &without] {
            prop_assert_eq!(prediction.class == Class::Bound, prediction.range.is_some());
            if let Some(range) = prediction.range {
                let rounded = |value: f64| availability::Probability::new(value.clamp(0.0, 1.0)).unwrap();
                let value = prediction.availability.get();
                let inside = [value - 1e-9, value, value + 1e-9].map(rounded);
                prop_assert!(inside.iter().any(|value| range.contain(*value)), "{prediction:?}");
            }
            // The staircase ends at what is left.
            let last = prediction.hops.last().unwrap().cumulative.unwrap().get();
            prop_assert!((last - prediction.availability.get()).abs() < 1e-9, "{prediction:?}");
            prop_assert!(prediction.hops.is_sorted_by(|above, below| above.cumulative >= below.cumulative));
        }
        for (with, without) in with.hops.iter().zip(&without.hops) {
            // Unless those above try again what it has refused.
            prop_assert!(propagated || with.load <= without.load + 1e-9, "a breaker saves load");
        }
    }
}
