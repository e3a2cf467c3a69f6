//! What is predicted, against values worked out by hand.

use availability::Probability;
use scenario::{Class, Limit, Prediction, Wait, find, parse, predict};

fn of(rest: &str) -> Prediction {
    let text = format!("title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n{rest}");
    predict(&parse("test.toml", &text).unwrap_or_else(|errors| panic!("{errors}")))
}

fn of_builtin(name: &str) -> Prediction {
    let builtin = find(name).unwrap();
    predict(&parse(builtin.name, builtin.text).unwrap())
}

/// Of the variant of that number; 0 is the scenario itself.
fn of_variant(name: &str, number: usize) -> Prediction {
    let plan = parse(name, find(name).unwrap().text).unwrap();
    match number.checked_sub(1) {
        Some(variant) => predict(&plan.variants()[variant].plan),
        None => predict(&plan),
    }
}

fn fault(id: &str, kind: &str, probability: f64, rest: &str) -> String {
    format!("[faults.{id}]\nkind = \"{kind}\"\nprobability = {probability}\n{rest}\n")
}

#[track_caller]
fn assert_close(actual: impl Into<f64>, expected: f64) {
    let actual = actual.into();
    assert!(
        (actual - expected).abs() < 1e-12,
        "{actual} is not {expected}"
    );
}

const SEQUENCE: &str = "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";

#[test]
fn four_and_five_hops_in_series() {
    let four = of_builtin("a1");
    assert_close(four.availability, 0.960_596_01);
    assert_eq!(four.class, Class::Exact);
    assert!((four.nines.unwrap() - 1.404_460).abs() < 1e-6);
    assert!((four.downtime_s_per_year / 86_400.0 - 14.38).abs() < 0.005);
    assert_eq!(four.wait, None);
    let names: Vec<_> = four.hops.iter().map(|hop| &*hop.service).collect();
    assert_eq!(names, ["gateway", "auth", "profile", "database"]);
    for (steps, hop) in (1..).zip(&four.hops) {
        assert_close(hop.own, 0.99);
        assert_close(hop.cumulative.unwrap(), 0.99_f64.powi(steps));
    }
    assert_close(four.hops[0].attempt, 0.960_596_01);
    assert_close(four.hops[1].attempt, 0.99);
    assert_close(of_builtin("a2").availability, 0.950_990_049_9);
}

#[test]
fn a_relay_chain_has_a_curve_over_its_depth() {
    let chain = of_builtin("a5");
    assert_eq!(chain.depths.len(), 12);
    for (n, depth) in (1..).zip(&chain.depths) {
        assert_eq!(depth.hops, n);
        assert_eq!(*depth.service, *format!("relay-{}", 13 - n));
        assert_close(depth.availability, 0.99_f64.powi(i32::try_from(n).unwrap()));
    }
    assert_eq!(chain.depths[11].availability, chain.availability);
    assert_eq!(of_builtin("a1").depths, []);
}

#[test]
fn a_chain_without_faults_never_fails() {
    let sound = of(SEQUENCE);
    assert_eq!(sound.availability, Probability::ONE);
    assert_eq!(sound.nines, None);
    assert_close(sound.downtime_s_per_year, 0.0);
}

#[test]
fn several_faults_of_one_service_are_drawn_independently() {
    let faults =
        fault("e", "error", 0.1, "on = [\"auth\"]") + &fault("r", "reset", 0.2, "on = [\"auth\"]");
    let prediction = of(&format!("{SEQUENCE}{faults}"));
    assert_close(prediction.availability, 0.72);
    assert_close(prediction.hops[1].own, 0.72);
    assert_close(prediction.hops[0].own, 1.0);
}

const DIAMOND: &str = "[service.a]\ncalls = [\"b\", \"c\"]\n[service.b]\ncalls = [\"d\"]\n\
                       [service.c]\ncalls = [\"d\"]\n[service.d]\n";

#[test]
fn a_service_that_is_called_twice_counts_twice() {
    let every = of(&format!("{DIAMOND}{}", fault("f", "error", 0.1, "")));
    assert_close(every.availability, 0.9_f64.powi(5));
    let names: Vec<_> = every.hops.iter().map(|hop| &*hop.service).collect();
    assert_eq!(names, ["a", "b", "d", "c", "d"]);
    assert_close(every.hops[1].attempt, 0.81);
    assert_close(every.hops[3].cumulative.unwrap(), 0.9_f64.powi(4));
    assert_eq!(every.depths, []);
    let twice = of(&format!(
        "[service.a]\ncalls = [\"b\", \"b\"]\n[service.b]\n{}",
        fault("f", "error", 0.1, "on = [\"b\"]")
    ));
    assert_close(twice.availability, 0.81);
}

#[test]
fn a_replica_that_is_down_for_the_whole_request_is_down_once() {
    let once = of(&format!(
        "{DIAMOND}{}",
        fault("f", "error", 0.1, "on = [\"d\"]\nscope = \"request\"")
    ));
    assert_close(once.availability, 0.9);
    assert_close(once.hops[1].attempt, 0.9);
    assert_close(once.hops[3].attempt, 0.9);
    assert_close(once.hops[4].cumulative.unwrap(), 0.9);
}

#[test]
fn a_dead_database_without_limits_keeps_the_client_until_it_gives_up() {
    let naive = of_builtin("r1");
    assert_close(naive.availability, 0.0);
    assert_close(naive.nines.unwrap(), 0.0);
    let wait = naive.wait.unwrap();
    assert_eq!((wait.ended_by, wait.censored), (Limit::Patience, true));
    let builtin = find("r1").unwrap();
    let load = parse(builtin.name, builtin.text).unwrap().phases()[0].load;
    let patience = load.patience.as_secs_f64();
    assert_close(wait.known_after_s, patience);
    assert_close(wait.stuck_requests, load.rate * patience);
}

#[test]
fn a_time_out_shortens_the_wait_and_repairs_nothing() {
    let limited = of_variant("r1", 1);
    assert_close(limited.availability, 0.0);
    let wait = limited.wait.unwrap();
    assert_eq!(
        (wait.ended_by, wait.censored),
        (Limit::AttemptTimeout, false)
    );
    assert_close(wait.known_after_s, 0.25);
    assert_close(wait.stuck_requests, 50.0);
}

#[test]
fn the_client_knows_no_attempt_timeout_of_the_chain() {
    let hang = |policy: &str| {
        of(&format!(
            "{SEQUENCE}{}[policy]\n{policy}",
            fault("h", "hang", 1.0, "")
        ))
        .wait
        .unwrap()
    };
    let attempts_only = hang("attempt_timeout = \"250ms\"\n");
    assert_eq!(attempts_only.ended_by, Limit::Patience);
    let deadline = hang("attempt_timeout = \"250ms\"\ndeadline = \"1s\"\n");
    assert_eq!(deadline.ended_by, Limit::Deadline);
    assert_close(deadline.known_after_s, 1.0);
}

#[test]
fn waits_are_weighed_by_how_many_requests_get_there() {
    let faults = fault("edge", "hang", 0.2, "on = [\"gateway\"]")
        + &fault("deep", "hang", 0.5, "on = [\"auth\"]")
        + &fault("e", "error", 0.5, "on = [\"database\"]");
    let wait = of(&format!(
        "{SEQUENCE}{faults}[policy]\nattempt_timeout = \"500ms\"\n"
    ))
    .wait
    .unwrap();
    // A fifth waits 5 s at the edge; half of the others half a second behind it.
    let Wait {
        share,
        known_after_s,
        ended_by,
        censored,
        stuck_requests,
    } = wait;
    assert_close(share, 0.6);
    assert_close(known_after_s, (0.2 * 5.0 + 0.4 * 0.5) / 0.6);
    assert_eq!((ended_by, censored), (Limit::AttemptTimeout, true));
    assert_close(stuck_requests, 120.0);
}

#[test]
fn what_follows_a_certain_end_is_never_reached() {
    let faults = fault("e", "error", 1.0, "on = [\"auth\"]")
        + &fault("h", "hang", 1.0, "on = [\"database\"]");
    assert_eq!(of(&format!("{SEQUENCE}{faults}")).wait, None);
}

fn delayed(delay: &str, rest: &str) -> Prediction {
    let delay = format!("delay = \"{delay}\"\n{rest}");
    let policy = "[policy]\nattempt_timeout = \"250ms\"\ndeadline = \"1s\"\n";
    of(&format!(
        "{SEQUENCE}{}{policy}",
        fault("slow", "delay", 0.1, &delay)
    ))
}

#[test]
fn a_delay_fails_only_if_it_outlasts_the_limit() {
    let long = delayed("250ms", "on = [\"auth\"]");
    assert_close(long.availability, 0.9);
    assert_eq!(long.class, Class::Exact);
    assert_eq!(long.wait.unwrap().ended_by, Limit::AttemptTimeout);
    let short = delayed("100ms", "on = [\"auth\"]");
    assert_close(short.availability, 1.0);
    assert_eq!((short.class, short.wait), (Class::Exact, None));
    // Nobody sets an attempt time-out for the edge: there the deadline decides.
    assert_close(delayed("250ms", "on = [\"gateway\"]").availability, 1.0);
    assert_close(delayed("1s", "on = [\"gateway\"]").availability, 0.9);
}

#[test]
fn delays_that_may_not_fit_together_are_not_predicted() {
    assert_eq!(
        delayed("200ms", "on = [\"auth\", \"profile\", \"database\"]").class,
        Class::Exact
    );
    assert_eq!(
        delayed("240ms", "on = [\"auth\"]").class,
        Class::NotPredicted
    );
    let together = delayed(
        "201ms",
        "on = [\"gateway\", \"auth\", \"profile\", \"database\"]",
    );
    assert_eq!(together.class, Class::NotPredicted);
}

#[test]
fn nested_delays_add_up_in_every_attempt_above_them() {
    let chain = |n| {
        let slow = fault("slow", "delay", 0.1, "delay = \"100ms\"");
        of(&format!(
            "[chain]\nrelays = {n}\n{slow}[policy]\nattempt_timeout = \"250ms\"\n"
        ))
    };
    assert_eq!(chain(3).class, Class::Exact);
    assert_eq!(chain(4).class, Class::NotPredicted);
}

#[test]
fn a_prediction_names_its_units() {
    let json = serde_json::to_value(of_variant("r1", 1)).unwrap();
    assert_eq!(json["class"], "exact");
    assert_eq!(json["hops"][3]["service"], "database");
    assert_eq!(json["hops"][3]["own"], 0.0);
    assert_eq!(json["wait"]["ended_by"], "attempt_timeout");
    assert_eq!(json["wait"]["known_after_s"], 0.25);
    assert_eq!(json["downtime_s_per_year"], 31_536_000.0);
}
