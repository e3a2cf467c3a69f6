//! From text to plan.

use faults::{FaultKind, Scope};
use proptest::prelude::*;
use scenario::{
    Bound, DEFAULT_DISTANCE, DEFAULT_PATIENCE, DEFAULT_SEED, Expected, Length, Measure, Model,
    Plan, SHAPE, Topology, builtin, find, parse, predict, simulate::simulate, warnings,
};
use std::time::Duration;

fn plan(text: &str) -> Plan {
    parse("test.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A plan with this chain, and whatever follows.
fn with(rest: &str) -> Plan {
    plan(&format!(
        "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n{rest}"
    ))
}

fn places(fault: &scenario::PlannedFault) -> Vec<String> {
    fault.on.iter().map(ToString::to_string).collect()
}

fn names(names: &[scenario::Name]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

#[test]
fn the_shape_is_a_scenario() {
    let plan = plan(SHAPE);
    assert_eq!(
        (plan.title(), plan.seed()),
        ("A database that fails one request in a hundred", 42)
    );
    assert_eq!(
        names(&plan.services()),
        ["database", "profile", "auth", "gateway"]
    );
    let [phase] = plan.phases() else {
        panic!("one phase")
    };
    assert_eq!(phase.start, Duration::ZERO);
    assert_eq!(phase.load.length, Length::Requests(20_000));
    assert_eq!(phase.load.expected_duration(), Duration::from_secs(10));
    assert_eq!(
        phase.policy.attempt_timeout,
        Some(Duration::from_millis(250))
    );
    assert_eq!(phase.policy.deadline, Some(Duration::from_secs(1)));
    assert_eq!(places(&phase.faults[0]), ["database"]);
    assert_eq!(plan.expectation().availability, Expected::Predicted);
}

#[test]
fn the_commented_ways_of_the_shape_work_too() {
    let uncommented = |from: &str| {
        let chain = SHAPE.split("[chain]").next().unwrap();
        let lines = SHAPE.lines().filter_map(|line| line.strip_prefix("# "));
        let start = lines.skip_while(|line| !line.starts_with(from));
        let wanted: Vec<_> = start
            .take_while(|line| !line.starts_with("delay"))
            .collect();
        (chain.to_owned(), wanted.join("\n"))
    };
    let (head, graph) = uncommented("[service.front]");
    assert_eq!(
        names(&plan(&format!("{head}{graph}")).services()),
        ["back", "front"]
    );
    let relays = plan(
        &SHAPE
            .replace("hops = [", "relays = 12 # [")
            .replace("\"database\"]        #", "\"relay-3\"] #"),
    );
    assert_eq!(relays.services().len(), 12);
}

#[test]
fn what_is_not_stated_has_a_default() {
    let plan = with(
        "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n[faults.f]\nkind = \"reset\"\nprobability = 1\n",
    );
    assert_eq!(plan.seed(), DEFAULT_SEED);
    assert_eq!(plan.clone().with_seed(7).seed(), 7);
    assert!((plan.expectation().distance.get() - DEFAULT_DISTANCE).abs() < f64::EPSILON);
    let phase = &plan.phases()[0];
    assert_eq!(phase.load.patience, DEFAULT_PATIENCE);
    assert_eq!(phase.policy, scenario::Policy::default());
    let fault = &phase.faults[0];
    assert_eq!(
        (fault.fault.kind, fault.fault.scope),
        (FaultKind::Reset, Scope::Attempt)
    );
    assert_eq!(places(fault), ["gateway", "auth", "profile", "database"]);
    assert_eq!(phase.faults_of("auth", 0).len(), 1);
    assert_eq!(phase.faults_of("audit", 0).len(), 0);
}

#[test]
fn a_duration_of_load_stands_for_requests() {
    let text = "title = \"t\"\n[load]\nrate = 200\nfor = \"8s\"\n[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";
    let load = plan(text).phases()[0].load;
    assert_eq!(load.length, Length::For(Duration::from_secs(8)));
    assert!((load.expected_requests() - 1_600.0).abs() < 1e-9);
}

#[test]
fn workers_of_a_closed_load_wait_and_think() {
    let load = |rest: &str| {
        let text = format!(
            "title = \"t\"\n[load]\nmodel = \"closed\"\n{rest}\nfor = \"9s\"\n[chain]\nrelays = 1\n"
        );
        plan(&text).phases()[0].load
    };
    let thinking = load("workers = 8\nthink = \"10ms\"");
    let think = Duration::from_millis(10);
    assert_eq!(thinking.model, Model::Closed { workers: 8, think });
    let json = serde_json::to_value(thinking).unwrap();
    let [model, workers, think] = ["model", "workers", "think_ms"].map(|key| &json[key]);
    assert_eq!(
        (model.as_str(), workers.as_u64(), think.as_u64()),
        (Some("closed"), Some(8), Some(10))
    );
    // Answers are taken to need a millisecond.
    assert!((thinking.rate - 8.0 / 0.011).abs() < 1e-9);
    assert!((load("workers = 10000").rate - 1e7).abs() < 1e-3);
}

#[test]
fn a_phase_may_have_a_rate_and_a_policy_of_its_own() {
    let text = "title = \"t\"\n[load]\nrate = 100\nfor = \"10s\"\n[chain]\nrelays = 1\n[policy]\ndeadline = \"2s\"\n\
                [[phase]]\nat = \"2s\"\nfor = \"4s\"\nrate = 400\n\
                [[phase]]\nat = \"4s\"\nfor = \"4s\"\n[phase.policy]\nattempt_timeout = \"1s\"\n";
    let plan = plan(text);
    let phases: Vec<_> = plan.phases().iter().collect();
    let rates: Vec<_> = phases.iter().map(|phase| phase.load.rate).collect();
    assert_eq!(rates, [100.0, 400.0, 400.0, 100.0, 100.0]);
    let deadlines: Vec<_> = phases
        .iter()
        .map(|phase| phase.policy.deadline.is_some())
        .collect();
    assert_eq!(deadlines, [true, true, false, false, true]);
    let timeouts = |place: usize| phases[place].policy.attempt_timeout.is_some();
    assert!(timeouts(2) && timeouts(3) && !timeouts(4));
    let requests: f64 = phases.iter().map(|phase| phase.expected_requests()).sum();
    assert!((requests - 2_200.0).abs() < 1e-9);
}

#[test]
fn what_else_must_hold_is_a_list_of_bounds() {
    let plan = with(
        "[chain]\nrelays = 1\n[expect]\nlost = { max = 0 }\np99 = { max = \"250ms\" }\n\
         amplification = { min = 1, max = 1.3 }\nfull_quality = { min = 0.9 }\n",
    );
    let bound = |of, min, max| Bound { of, min, max };
    let expected = [
        bound(Measure::FullQuality, Some(0.9), None),
        bound(Measure::P99, None, Some(250.0)),
        bound(Measure::Amplification, Some(1.0), Some(1.3)),
        bound(Measure::Lost, None, Some(0.0)),
    ];
    assert_eq!(plan.expectation().bounds, expected);
    let json = serde_json::to_value(plan.expectation()).unwrap();
    assert_eq!(
        json["bounds"][1],
        serde_json::json!({"of": "p99", "max": 250.0})
    );
}

#[test]
fn bounds_may_stand_in_place_of_the_prediction() {
    let plan = with("[chain]\nrelays = 1\n[expect]\navailability = { min = 0.95 }\n");
    let Expected::Within(bounds) = plan.expectation().availability else {
        panic!("{plan:?}")
    };
    assert!((bounds.min().get() - 0.95).abs() < f64::EPSILON);
    assert!((bounds.max().get() - 1.0).abs() < f64::EPSILON);
}

#[test]
fn faults_keep_the_order_of_the_file() {
    let fault = |id| format!("[faults.{id}]\nkind = \"error\"\nprobability = 0.1\n");
    let plan = with(&format!(
        "[chain]\nrelays = 1\n{}{}{}",
        fault("b"),
        fault("c"),
        fault("a")
    ));
    let faults = plan.phases()[0].faults_of("relay-1", 0);
    let ids: Vec<_> = faults.iter().map(|fault| &*fault.id).collect();
    assert_eq!(ids, ["b", "c", "a"]);
}

#[test]
fn relays_form_a_nested_chain() {
    let plan = with("[chain]\nrelays = 3\n");
    assert_eq!(names(&plan.services()), ["relay-3", "relay-2", "relay-1"]);
    assert_eq!(names(plan.topology().calls("relay-2")), ["relay-3"]);
    assert_eq!(&*plan.topology().edge(), "relay-1");
    assert!(plan.topology().is_nested_chain());
}

#[test]
fn a_graph_is_started_from_the_called_to_the_callers() {
    let plan = with(
        "[service.d]\n[service.b]\ncalls = [\"d\"]\n[service.a]\ncalls = [\"c\", \"b\"]\n\
         [service.c]\ncalls = [\"d\", \"b\"]\n",
    );
    assert_eq!(names(&plan.services()), ["d", "b", "c", "a"]);
    let Topology::Graph { root, services } = plan.topology() else {
        panic!("{plan:?}")
    };
    assert_eq!((&**root, &*services[0].name), ("a", "a"));
    let visits = plan.topology().visits();
    let shown: Vec<_> = visits
        .iter()
        .map(|v| (&*v.service, v.depth, v.size))
        .collect();
    let expected = [
        ("a", 0, 7),
        ("c", 1, 4),
        ("d", 2, 1),
        ("b", 2, 2),
        ("d", 3, 1),
        ("b", 1, 2),
        ("d", 2, 1),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_plan_names_the_units_of_its_durations() {
    let json = serde_json::to_value(plan(SHAPE)).unwrap();
    let expected = serde_json::json!({
        "title": "A database that fails one request in a hundred",
        "seed": 42,
        "topology": {"shape": "sequence", "hops": ["auth", "profile", "database"]},
        "phases": [{
            "start_ms": 0,
            "length_ms": null,
            "load": {"rate_per_s": 2000.0, "model": "open", "requests": 20000, "patience_ms": 5000},
            "faults": [{
                "id": "every", "kind": "error", "probability": 0.01, "scope": "attempt",
                "on": ["database"],
            }],
            "policy": {
                "attempt_timeout_ms": 250, "deadline_ms": 1000,
                "retry": null, "client_retries": false, "breaker": null,
            },
        }],
        "expectation": {"availability": "predicted", "distance": 0.01},
    });
    assert_eq!(json, expected);
    let timed = plan("title = \"t\"\n[load]\nrate = 9\nfor = \"8s\"\n[chain]\nrelays = 1\n");
    let json = serde_json::to_value(timed).unwrap();
    assert_eq!(json["phases"][0]["load"]["for_ms"], 8_000);
    assert_eq!(
        json["phases"][0]["policy"]["deadline_ms"],
        serde_json::Value::Null
    );
}

#[test]
fn every_built_in_scenario_is_sound_and_large_enough() {
    for builtin in builtin() {
        let base = parse(builtin.name, builtin.text).unwrap_or_else(|errors| panic!("{errors}"));
        let variants = base.variants().iter().map(|variant| &variant.plan);
        for plan in variants.chain([&base]) {
            // One run is enough to know how many are needed.
            let predicted = if plan.is_played() {
                simulate(plan, 0).availability().unwrap().estimate()
            } else {
                predict(plan).availability
            };
            let distance = plan.expectation().distance;
            let enough = availability::verdict::requests_to_judge(predicted, distance).unwrap();
            let load = plan.phases()[0].load;
            let title = plan.title();
            assert!(
                load.expected_requests() >= enough as f64,
                "{title}: {enough}"
            );
        }
    }
}

#[test]
fn a_built_in_scenario_is_found_by_its_name_or_an_unmistakable_beginning() {
    assert_eq!(
        find("a2-a-fifth-service").unwrap().name,
        "a2-a-fifth-service"
    );
    assert_eq!(find("a1").unwrap().name, "a1-four-in-series");
    assert_eq!(find("r1-dead-database").unwrap().name, "r1-dead-database");
    let error = find("a1-four-in-serie").unwrap_err().to_string();
    assert!(
        error.starts_with(
            "no built-in scenario is called `a1-four-in-serie`: did you mean `a1-four-in-series`?"
        ),
        "{error}"
    );
    for unclear in ["r", "a", "", "zebra"] {
        assert!(find(unclear).is_err(), "{unclear}");
    }
}

/// A scenario with one thing about it changed: a piece cut out, or put in place of another.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<&str> = builtin()
        .iter()
        .map(|builtin| builtin.text)
        .chain([SHAPE])
        .collect();
    let piece = prop_oneof![
        Just(String::new()),
        ".{0,12}",
        "(-?[0-9]{1,25}(\\.[0-9]{0,3})?(e[0-9]{1,3})?|nan|inf|-inf)",
        "(\"[a-z0-9 -]{0,8}\"|\\[|\\]|\\{|\\}|=|,|\n|#)",
    ];
    (
        prop::sample::select(texts),
        any::<(prop::sample::Index, prop::sample::Index)>(),
        piece,
    )
        .prop_map(|(text, (start, length), piece)| {
            let characters: Vec<char> = text.chars().collect();
            let start = start.index(characters.len());
            let end = (start + length.index(12)).min(characters.len());
            let (head, tail) = (characters[..start].iter(), characters[end..].iter());
            head.copied()
                .chain(piece.chars())
                .chain(tail.copied())
                .collect()
        })
}

/// Played plans are played once, if that is quickly done: their prediction takes many runs.
fn play(plan: &Plan) -> Result<(), TestCaseError> {
    if plan.load().expected_requests() <= 10_000.0 {
        let run = simulate(plan, 0);
        let lost = u64::try_from(run.lost.len()).unwrap();
        prop_assert_eq!(run.ok + run.degraded + lost, run.offered);
    }
    Ok(())
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    match parse("fuzz.toml", text) {
        Ok(plan) if plan.is_played() || plan.depends_on_time() => play(&plan)?,
        Ok(plan) => {
            let prediction = predict(&plan);
            prop_assert_eq!(prediction.hops.len(), plan.topology().visits().len());
            prop_assert!(serde_json::to_string(&prediction).is_ok());
            prop_assert!(prediction.hops.iter().all(|hop| hop.load.is_finite()));
            // A breaker alone never raises availability.
            let without = prediction
                .without_breaker
                .unwrap_or(prediction.availability);
            prop_assert!(prediction.availability.get() <= without.get() + 1e-9);
            let told: Vec<_> = warnings(&plan).iter().map(ToString::to_string).collect();
            prop_assert!(
                told.iter()
                    .all(|told| told.starts_with('W') || told.starts_with("P1 "))
            );
        }
        Err(errors) => {
            prop_assert!(!errors.errors.is_empty());
            prop_assert!(errors.to_string().starts_with("fuzz.toml: "));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn arbitrary_text_is_a_plan_or_an_error(text in "(?s).{0,200}") {
        survives(&text)?;
    }

    #[test]
    fn a_changed_scenario_is_a_plan_or_an_error(text in mutated()) {
        survives(&text)?;
    }
}
