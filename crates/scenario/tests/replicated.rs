//! What replicas are worth, against numbers worked out by hand; and plans that are played
//! against formulas that know nothing of the play.

use availability::{
    Confidence, Dependency, Probability, Proportion, correlated, failover, hedge, replicas,
};
use scenario::{Class, Plan, Prediction, parse, predict, simulate};
use std::time::Duration;

fn plan(text: &str) -> Plan {
    parse("t.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn assert_close(actual: impl Into<f64>, expected: f64) {
    let actual = actual.into();
    assert!(
        (actual - expected).abs() < 1e-9,
        "{actual} is not {expected}"
    );
}

/// The play is of so many requests that a formula lies in its interval; the seeds are fixed.
#[track_caller]
fn assert_holds(prediction: &Prediction, expected: f64) {
    let played = prediction.played.expect("it is played");
    let expected = Probability::new(expected).unwrap();
    assert!(played.contains(expected), "{played:?} without {expected:?}");
    assert_eq!(prediction.class, Class::Approximate);
}

/// A front that calls a service with so many replicas, each down for 5 % of the requests.
fn pair(replicas: u32, fault: &str, policy: &str) -> Plan {
    plan(&format!(
        "title = \"t\"\n[load]\nrate = 500\nrequests = 5000\n[service.front]\ncalls = [\"back\"]\n\
         [service.back]\nreplicas = {replicas}\n[faults.down]\nkind = \"error\"\nprobability = 0.05\n\
         scope = \"request\"\non = [\"back\"]\n{fault}\n{policy}"
    ))
}

fn retries(retries: u32, to: &str) -> String {
    format!(
        "[policy.retry]\nretries = {retries}\nbackoff = \"1ms\"\n[policy.balance]\npick = \"random\"\n\
         retry = \"{to}\"\neject = false\n"
    )
}

#[test]
fn a_retry_is_worth_what_the_replica_is_that_it_goes_to() {
    for (number, again, to, expected) in [
        (1, 1, "another", 0.95),
        (2, 0, "another", 0.95),
        (2, 1, "another", 0.9975),
        (3, 2, "another", 0.999_875),
        (2, 1, "random", 0.973_75),
        (2, 1, "same", 0.95),
    ] {
        let policy = if again == 0 {
            String::new()
        } else {
            retries(again, to)
        };
        let prediction = predict(&pair(number, "", &policy));
        assert_eq!(
            (prediction.class, prediction.played),
            (Class::Exact, None),
            "{number} {to}"
        );
        assert_close(prediction.availability, expected);
    }
}

#[test]
fn where_there_is_a_formula_for_replicas_the_play_comes_to_the_same() {
    for to in ["another", "random", "same"] {
        let plan = pair(3, "common = 0.3", &retries(1, to));
        let expected = predict(&plan).availability.get();
        let (mut answered, mut offered) = (0, 0);
        for seed in 1..=8 {
            let run = simulate::simulate(&plan.clone().with_seed(seed), 0);
            answered += run.ok;
            offered += run.offered;
        }
        let seen = Proportion::new(answered, offered).unwrap();
        let sigma = (expected * (1.0 - expected) / offered as f64).sqrt();
        let apart = (seen.estimate().get() - expected).abs();
        assert!(apart < 5.0 * sigma, "{to}: {seen:?}, expected {expected}");
    }
}

#[test]
fn a_common_cause_bounds_what_replicas_are_worth() {
    let p = |value| Probability::new(value).unwrap();
    for (number, expected) in [(2, 0.992_964_824), (3, 0.994_907_957)] {
        let plan = pair(number, "common = 0.1", &retries(number - 1, "another"));
        let predicted = predict(&plan).availability;
        assert!((predicted.get() - expected).abs() < 1e-8, "{predicted:?}");
        let formula = correlated::k_of_n(1, number as usize, p(0.05), p(0.1));
        assert_close(predicted, formula.get());
    }
}

#[test]
fn where_retries_go_decides_over_four_hops_of_two_replicas() {
    let p = |value| Probability::new(value).unwrap();
    for (to, choice, shown) in [
        ("another", replicas::Choice::Distinct, 0.9889),
        ("same", replicas::Choice::Same, 0.9116),
    ] {
        let two = ["relay-1", "relay-2", "relay-3", "relay-4", ""].join(" = 2\n");
        let text = format!(
            "title = \"t\"\n[load]\nrate = 100\nrequests = 10000\n[chain]\nrelays = 4\n[chain.replicas]\n{two}\
             [faults.down]\nkind = \"error\"\nprobability = 0.05\nscope = \"request\"\n\
             [faults.transient]\nkind = \"error\"\nprobability = 0.01\n\
             [policy.retry]\nretries = 1\nbackoff = \"1ms\"\npropagated = true\nclient = true\n\
             [policy.balance]\npick = \"random\"\nretry = \"{to}\"\neject = false\n"
        );
        let hop = replicas::ReplicatedHop {
            down: p(0.05),
            transient: p(0.01),
            replicas: 2,
            retries: 1,
        };
        let expected = replicas::forecast(&[hop; 4], choice).unwrap();
        assert!((expected.call.get() - shown).abs() < 5e-5, "{expected:?}");
        let prediction = predict(&plan(&text));
        assert_holds(&prediction, expected.call.get());
        let load = prediction.hops[3].load;
        assert!(
            (load / expected.attempts[3] - 1.0).abs() < 0.01,
            "{load} {expected:?}"
        );
    }
}

#[test]
fn a_group_that_two_services_are_in_counts_once() {
    let text = "title = \"t\"\n[load]\nrate = 1000\nrequests = 10000\n[chain]\nrelays = 4\n\
                [faults.zone]\nkind = \"error\"\nprobability = 0.2\nscope = \"request\"\nshared = \"zone\"\n";
    assert_holds(&predict(&plan(text)), 0.8);
}

#[test]
fn a_hedge_answers_what_the_tail_would_have_lost_at_the_price_of_the_formula() {
    // A tenth of the answers takes 100 ms, and the client waits 60.
    let text = "title = \"t\"\n[load]\nrate = 500\nrequests = 5000\npatience = \"60ms\"\n\
                [service.front]\ncalls = [\"back\"]\n[service.back]\nreplicas = 2\n\
                [faults.tail]\nkind = \"delay\"\ndelay = \"100ms\"\nprobability = 0.1\non = [\"back\"]\n\
                [policy.hedge]\ndelay = \"20ms\"\n[policy.hedge.budget]\nratio = 1\n";
    let prediction = predict(&plan(text));
    let tail = |time: Duration| {
        let late = if time < Duration::from_millis(100) {
            0.1
        } else {
            0.0
        };
        Probability::new(late).unwrap()
    };
    let (patience, delay) = (Duration::from_millis(60), Duration::from_millis(20));
    let expected = hedge::forecast(tail, delay, patience);
    assert_close(expected.missed, 0.01);
    assert_holds(&prediction, expected.missed.complement().get());
    let load = prediction.hops[1].load;
    assert!(
        (load - 1.0 - expected.extra_load.get()).abs() < 0.003,
        "{load}"
    );
}

fn dependency() -> Dependency {
    Dependency::new(Duration::from_secs(12), Duration::from_secs(1)).unwrap()
}

/// Two replicas that go down on their own every 12 s, for a second.
fn two(policy: &str, takeover: &str) -> Plan {
    plan(&format!(
        "title = \"t\"\n[load]\nrate = 100\nfor = \"10m\"\n[service.front]\ncalls = [\"back\"]\n\
         [service.back]\nreplicas = 2\n{takeover}\n[faults.down]\nkind = \"error\"\nup = \"12s\"\n\
         down = \"1s\"\non = [\"back\"]\n[policy.balance]\neject = false\npanic_below = 0\n{policy}\n\
         [policy.balance.check]\nevery = \"20ms\"\ntimeout = \"10ms\"\nmisses = 3\nhits = 1\n"
    ))
}

#[test]
fn active_and_active_come_to_what_the_formula_says() {
    let known_after = failover::Detection::new(
        Duration::from_millis(20),
        3,
        // An error is told at once: nobody waits for the time-out.
        Duration::ZERO,
    );
    let expected = failover::active_active(dependency(), known_after.mean(), 2, 0);
    let prediction = predict(&two("pick = \"random\"", ""));
    assert_holds(&prediction, expected.get());
}

#[test]
fn a_standby_is_worth_the_less_the_longer_it_takes_to_serve() {
    let mut before = 1.0;
    for takeover in [5, 200] {
        let text = format!("takeover = \"{takeover}ms\"");
        let prediction = predict(&two("pick = \"first\"", &text));
        let pair = failover::Standby {
            unit: dependency(),
            detection: Duration::from_millis(50),
            takeover: Duration::from_millis(takeover),
            failing: 1.0,
            coverage: Probability::ONE,
            uncovered: Duration::ZERO,
        };
        let expected = failover::active_passive(&pair).get();
        assert_holds(&prediction, expected);
        assert!(prediction.availability.get() < before);
        before = prediction.availability.get();
    }
}

/// Two replicas, of which each is broken for one of two phases of 4 s: `back-0` in the first, and
/// `back-1` in the second, for which `next` is the policy. The share that each phase answers.
fn one_after_the_other(first: &str, next: &str) -> Vec<f64> {
    let broken = |at: u32| {
        format!(
            "[[phase]]\nat = \"{}s\"\nfor = \"4s\"\n[phase.faults.down]\nkind = \"error\"\n\
             probability = 1\non = [\"back-{at}\"]\n",
            4 * at
        )
    };
    let plan = plan(&format!(
        "title = \"t\"\n[load]\nrate = 200\nfor = \"8s\"\n[service.front]\ncalls = [\"back\"]\n\
         [service.back]\nreplicas = 2\n{}{first}{}{next}",
        broken(0),
        broken(1)
    ));
    let run = simulate::simulate(&plan, 0);
    let share = |phase: &simulate::PhaseTally| phase.answered as f64 / phase.offered as f64;
    run.phases.iter().map(share).collect()
}

fn checked(pick: &str, misses: u32) -> String {
    format!(
        "[phase.policy.balance]\npick = \"{pick}\"\neject = false\npanic_below = 0\n\
         [phase.policy.balance.check]\nevery = \"10ms\"\ntimeout = \"10ms\"\nmisses = {misses}\n"
    )
}

#[test]
fn what_heartbeats_have_found_out_holds_also_when_they_change() {
    for pick in ["random", "first"] {
        let shares = one_after_the_other(&checked(pick, 3), &checked(pick, 4));
        assert!(
            shares.iter().all(|share| *share > 0.95),
            "{pick}: {shares:?}"
        );
    }
}

#[test]
fn without_heartbeats_nobody_is_known_to_be_down_for_ever() {
    let unasked = "[phase.policy.balance]\npick = \"random\"\neject = false\npanic_below = 0\n";
    let shares = one_after_the_other(&checked("random", 3), unasked);
    assert!((shares[1] - 0.5).abs() < 0.1, "{shares:?}");
}

#[test]
fn a_run_ends_also_when_its_last_answers_come_after_a_last_phase_without_heartbeats() {
    let plan = plan(&format!(
        "title = \"t\"\n[load]\nrate = 100\nfor = \"2s\"\n[service.front]\ncalls = [\"back\"]\n\
         [service.back]\nreplicas = 2\n[faults.slow]\nkind = \"delay\"\ndelay = \"100ms\"\n\
         probability = 1\non = [\"back\"]\n[[phase]]\nat = \"0s\"\nfor = \"1s\"\n{}",
        checked("random", 3)
    ));
    let run = simulate::simulate(&plan, 0);
    assert_eq!(run.ok, run.offered);
}

#[test]
fn clients_choose_between_gateways_also_where_services_have_one_active_replica() {
    let plan = plan(
        "title = \"t\"\n[load]\nrate = 200\nfor = \"8s\"\n[service.front]\nreplicas = 2\n\
         calls = [\"back\"]\n[service.back]\nreplicas = 2\n[faults.down]\nkind = \"error\"\n\
         probability = 1\non = [\"front-0\"]\n[policy.balance]\npick = \"first\"\n\
         [policy.balance.check]\nevery = \"10ms\"\ntimeout = \"10ms\"\n",
    );
    let run = simulate::simulate(&plan, 0);
    let share = run.ok as f64 / run.offered as f64;
    assert!(share > 0.9, "{share}");
}

#[test]
fn a_breaker_before_all_replicas_cuts_off_the_healthy_with_the_sick() {
    let l4 = |policy: &str| {
        predict(&plan(&format!(
            "title = \"t\"\n[load]\nrate = 20\nfor = \"30m\"\n[service.front]\ncalls = [\"back\"]\n\
             [service.back]\nreplicas = 2\n[faults.down]\nkind = \"error\"\nup = \"60s\"\ndown = \"3s\"\n\
             on = [\"back-1\"]\n{policy}"
        )))
        .availability
        .get()
    };
    let breaker = "[policy.breaker]\nconsecutive = 3\nopen = \"5s\"\nmax_open = \"5s\"\njitter = 0.0\nprobes = 1\n\
                   [policy.balance]\npick = \"random\"\neject = false\n";
    let [without, one, each] = [
        String::new(),
        format!("{breaker}shared_breaker = true\n"),
        breaker.to_owned(),
    ]
    .map(|policy| l4(&policy));
    assert!((without - 0.976_19).abs() < 0.002, "{without}");
    assert!(one < without - 0.01, "{one}");
    assert!(each > 0.995, "{each}");
}

#[test]
fn a_cache_answers_in_outages_for_as_long_as_it_may() {
    let dependency = Dependency::new(Duration::from_mins(1), Duration::from_secs(3)).unwrap();
    for stale in [0, 2, 10] {
        let kept = if stale > 0 {
            format!("stale = \"{stale}s\"\n")
        } else {
            String::new()
        };
        let text = format!(
            "title = \"t\"\n[load]\nrate = 5\nfor = \"1h\"\n[service.front]\ncalls = [\"back\"]\n[service.back]\n\
             [faults.down]\nkind = \"error\"\nup = \"60s\"\ndown = \"3s\"\non = [\"back\"]\n\
             [policy.cache]\nfresh = \"1s\"\n{kept}"
        );
        let prediction = predict(&plan(&text));
        let cache = availability::cache::Kept {
            fresh: Duration::from_secs(1),
            stale: Duration::from_secs(stale),
            rate: 5.0,
        };
        let expected = availability::cache::in_outages(dependency, &cache).unwrap();
        assert_holds(&prediction, expected.answered.get());
        let degraded = prediction.availability.get() - prediction.full_quality.get();
        assert!(
            (degraded - expected.stale.get()).abs() < 0.004,
            "{degraded} {expected:?}"
        );
    }
}

#[test]
fn what_is_refused_early_leaves_the_rest_their_answers() {
    // Ten at a time, 20 ms each: 500 a second; twice as many come, who wait 100 ms.
    let run = |policy: &str, queue: u32| {
        let plan = plan(&format!(
            "title = \"t\"\n[load]\nrate = 1000\nfor = \"10s\"\npatience = \"100ms\"\n[service.front]\ncalls = [\"back\"]\n\
             [service.back]\nwork = \"wait:20ms\"\nslots = 10\nqueue = {queue}\n{policy}"
        ));
        let seen = simulate::simulate(&plan, 0);
        let refused: u64 = seen.tallies.values().map(|tally| tally.refused).sum();
        (seen.availability().unwrap().estimate().get(), refused)
    };
    let (queued, _) = run("", 1024);
    let (short, _) = run("", 10);
    let (shed, refused) = run("[policy.shed]\nmax = 20\n", 1024);
    let (walled, by_wall) = run("[policy.bulkhead]\nmax = 20\n", 1024);
    assert!(queued < 0.1, "{queued}");
    assert!(short > 0.4, "{short}");
    assert!(shed > 0.4 && refused > 4_000, "{shed} {refused}");
    assert!(walled > 0.4 && by_wall > 4_000, "{walled} {by_wall}");
}

#[test]
fn soft_services_and_those_out_of_the_way_leave_a_page() {
    let of = |extra: &str| {
        let text = format!(
            "title = \"t\"\n[load]\nrate = 100\nrequests = 5000\n[chain]\n\
             hops = [\"auth\", \"profile\", \"database\", \"audit\"]\n{extra}\n\
             [faults.every]\nkind = \"error\"\nprobability = 0.05\n"
        );
        let prediction = predict(&plan(&text));
        assert_eq!(prediction.class, Class::Exact);
        (prediction.availability.get(), prediction.full_quality.get())
    };
    let a: f64 = 0.95;
    for (extra, good, full) in [
        ("", a.powi(5), a.powi(5)),
        ("soft = [\"database\"]", a.powi(4), a.powi(5)),
        ("queued = [\"audit\"]", a.powi(4), a.powi(4)),
        ("verify = \"local\"", a.powi(4), a.powi(4)),
    ] {
        let (seen, seen_full) = of(extra);
        assert_close(seen, good);
        assert_close(seen_full, full);
    }
}

#[test]
fn every_request_of_a_played_run_is_counted_once() {
    let plan = pair(2, "", "[policy.balance]\n[policy.shed]\nmax = 3\n");
    assert!(plan.is_played());
    let run = simulate::simulate(&plan, 0);
    let phase = run.phases[0];
    assert_eq!(
        (phase.offered, phase.answered),
        (run.offered, run.ok + run.degraded)
    );
    let lost: u64 = run.tallies.values().map(|tally| tally.lost).sum();
    assert_eq!(lost, run.lost.len() as u64);
    assert!(run.availability().unwrap().wilson(Confidence::P99).width() < 0.03);
}

#[test]
fn a_hedge_that_fails_at_once_does_not_kill_the_answer_that_is_under_way() {
    let plan = plan(
        "title = \"t\"\n[load]\nrate = 50\nrequests = 500\n[service.front]\ncalls = [\"back\"]\n\
         [service.back]\nreplicas = 2\n[faults.slow]\nkind = \"delay\"\ndelay = \"100ms\"\nprobability = 1\n\
         on = [\"back-0\"]\n[faults.sick]\nkind = \"error\"\nprobability = 1\non = [\"back-1\"]\n\
         [policy.retry]\nretries = 1\nbackoff = \"1ms\"\n[policy.balance]\npick = \"random\"\neject = false\n\
         [policy.hedge]\ndelay = \"10ms\"\n[policy.hedge.budget]\nratio = 1\n",
    );
    let run = simulate::simulate(&plan, 0);
    assert_eq!(run.lost, Vec::<u64>::new());
    // Each request asks the slow one; half of them the sick one first, and most a second time.
    let attempts = run.attempts["back"];
    assert!((1_000..=1_500).contains(&attempts), "{attempts}");
}

#[test]
fn policies_come_and_go_with_the_phases_and_every_request_is_still_counted() {
    let load = "[load]\nrate = 300\nfor = \"3s\"\n";
    let closed = "[load]\nmodel = \"closed\"\nworkers = 5\nfor = \"3s\"\nthink = \"5ms\"\n";
    for load in [load, closed] {
        let plan = plan(&format!(
            "title = \"t\"\n{load}[service.front]\ncalls = [\"back\"]\n\
             [service.back]\nreplicas = 3\ntakeover = \"50ms\"\n[faults.down]\nkind = \"error\"\nup = \"200ms\"\n\
             down = \"50ms\"\non = [\"back\"]\n\
             [[phase]]\nat = \"500ms\"\nfor = \"500ms\"\n[phase.policy.balance]\n[phase.policy.breaker]\n\
             [phase.policy.cache]\n[phase.policy.shed]\nmax = 2\nwait = \"1ms\"\n\
             [[phase]]\nat = \"1s\"\nfor = \"500ms\"\n[phase.policy.balance]\npick = \"first\"\n\
             [phase.policy.balance.check]\nevery = \"10ms\"\n[phase.policy.bulkhead]\nmax = 1\nwait = \"2ms\"\n\
             [[phase]]\nat = \"2s\"\nfor = \"500ms\"\n[phase.policy.balance]\nretry = \"same\"\nshared_breaker = true\n\
             [phase.policy.breaker]\n[phase.policy.hedge]\nquantile = 0.9\n[phase.policy.retry]\n"
        ));
        let run = simulate::simulate(&plan, 0);
        assert!(run.offered > 500, "{}", run.offered);
        assert_eq!(run, simulate::simulate(&plan, 0));
        assert_eq!(run.phases.len(), 6);
        let offered: u64 = run.phases.iter().map(|phase| phase.offered).sum();
        assert_eq!(offered, run.offered);
        assert_eq!(run.ok + run.degraded + run.lost.len() as u64, run.offered);
    }
}

#[test]
fn a_played_prediction_tells_each_hop_and_each_phase_from_what_was_counted() {
    let plan = plan(
        "title = \"t\"\n[load]\nrate = 300\nfor = \"4s\"\n[chain]\nrelays = 2\n[chain.replicas]\nrelay-2 = 2\n\
         [faults.some]\nkind = \"error\"\nprobability = 0.1\n[policy.balance]\n\
         [[phase]]\nat = \"2s\"\nfor = \"2s\"\n[phase.faults.more]\nkind = \"error\"\nprobability = 0.5\non = [\"relay-1\"]\n",
    );
    let prediction = predict(&plan);
    let near =
        |seen: f64, expected: f64| assert!((seen - expected).abs() < 0.01, "{seen} {expected}");
    let [first, second] = &prediction.hops[..] else {
        panic!("{prediction:?}")
    };
    near(first.own.get(), 0.675);
    near(first.attempt.get(), 0.675 * 0.9);
    near(first.cumulative.unwrap().get(), 0.675);
    near(second.own.get(), 0.9);
    near(second.load, 0.675);
    near(second.cumulative.unwrap().get(), 0.675 * 0.9);
    near(prediction.availability.get(), 0.675 * 0.9);
    let phases: Vec<_> = prediction
        .phases
        .iter()
        .map(|phase| phase.availability.get())
        .collect();
    near(phases[0], 0.81);
    near(phases[1], 0.405);
    assert_eq!((prediction.range, prediction.without_breaker), (None, None));
}
