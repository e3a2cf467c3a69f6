//! Flags that replace keys of a scenario are checked as the file's own keys are.

use scenario::{Length, Overrides, Plan, parse_with};
use std::time::Duration;

const CHAIN: &str = "title = \"t\"\nseed = 7\n[load]\nrate = 100\nrequests = 300\n\
    [chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";
const GRAPH: &str = "title = \"t\"\n[load]\nrate = 100\nfor = \"3s\"\n\
    [service.front]\ncalls = [\"back\"]\n[service.back]\n";
const COMPARED: &str =
    "[[compare]]\ntitle = \"faster\"\n[compare.load]\nrate = 900\nrequests = 10\n";
const PHASED: &str =
    "[[phase]]\nat = \"1s\"\nfor = \"2s\"\n[phase.faults.f]\nkind = \"error\"\nprobability = 1\n";

/// The flags as a command line gives them.
fn overrides(flags: &[(&str, &str)]) -> Overrides {
    let mut overrides = Overrides::default();
    for (name, value) in flags {
        let value = (*value).to_owned();
        match *name {
            "--rate" => overrides.rate = Some(value),
            "--for" => overrides.duration = Some(value),
            "--requests" => overrides.requests = Some(value),
            "--seed" => overrides.seed = Some(value),
            _ => overrides.replicas.push(value),
        }
    }
    overrides
}

fn plan(text: &str, flags: &[(&str, &str)]) -> Plan {
    parse_with("s.toml", text, &overrides(flags)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refusal(text: &str, flags: &[(&str, &str)]) -> String {
    parse_with("s.toml", text, &overrides(flags))
        .unwrap_err()
        .to_string()
}

#[test]
fn each_flag_takes_the_place_of_its_key() {
    let changed = plan(
        CHAIN,
        &[("--rate", "50"), ("--requests", "80"), ("--seed", "9")],
    );
    assert_eq!(changed.load().rate.to_bits(), 50_f64.to_bits());
    assert_eq!(changed.load().length, Length::Requests(80));
    assert_eq!(changed.seed(), 9);
    assert_eq!(
        changed.overrides(),
        ["--rate 50", "--requests 80", "--seed 9"]
    );
    let timed = plan(CHAIN, &[("--for", "2s")]);
    assert_eq!(timed.load().length, Length::For(Duration::from_secs(2)));
    let counted = plan(GRAPH, &[("--requests", "80")]);
    assert_eq!(counted.load().length, Length::Requests(80));
    assert!(plan(CHAIN, &[]).overrides().is_empty());
}

#[test]
fn replicas_are_set_for_one_service_or_for_all() {
    let one = plan(CHAIN, &[("--replicas", "database=3")]);
    let numbers = |plan: &Plan| ["gateway", "database"].map(|name| plan.topology().replicas(name));
    assert_eq!(numbers(&one), [1, 3]);
    let all = plan(CHAIN, &[("--replicas", "2"), ("--replicas", "database=3")]);
    assert_eq!(numbers(&all), [2, 3]);
    let graph = plan(GRAPH, &[("--replicas", "back=2")]);
    assert_eq!(
        ["front", "back"].map(|name| graph.topology().replicas(name)),
        [1, 2]
    );
    let relays = "title = \"t\"\n[load]\nrate = 1\nrequests = 3\n[chain]\nrelays = 2\n";
    assert_eq!(
        plan(relays, &[("--replicas", "2")])
            .topology()
            .replicas("relay-2"),
        2
    );
}

#[test]
fn variants_get_them_too() {
    let text = format!("{CHAIN}{COMPARED}");
    let changed = plan(&text, &[("--rate", "50"), ("--seed", "9")]);
    let variant = &changed.variants()[0].plan;
    assert_eq!(variant.load().rate.to_bits(), 50_f64.to_bits());
    assert_eq!(variant.seed(), 9);
    assert_eq!(variant.overrides(), changed.overrides());
}

#[test]
fn a_bad_value_gets_the_error_of_the_key_and_names_the_flag() {
    for (flag, value, expected) in [
        (
            "--rate",
            "0",
            "--rate 0: `load.rate` = 0 can't be; allowed: a number above 0",
        ),
        (
            "--rate",
            "fast",
            "--rate fast: `load.rate` = fast can't be; allowed: a number above 0",
        ),
        ("--rate", "NaN", "--rate NaN: `load.rate` = NaN can't be"),
        (
            "--requests",
            "1.5",
            "--requests 1.5: `load.requests` = 1.5 can't be; allowed: a whole",
        ),
        (
            "--requests",
            "0",
            "--requests 0: `load.requests` = 0 can't be",
        ),
        (
            "--for",
            "soon",
            "--for soon: `load.for` = soon can't be; allowed: a duration",
        ),
        (
            "--seed",
            "-1",
            "--seed -1: `seed` = -1 can't be; allowed: a whole number from 0",
        ),
        ("--replicas", "databse=2", "did you mean `database`"),
        (
            "--replicas",
            "database=17",
            "--replicas database=17: `chain.replicas.database`",
        ),
        (
            "--replicas",
            "two",
            "allowed: N for every service, or SERVICE=N, with N from 1 to 16",
        ),
        ("--seed", "1\n2", "--seed 1 2: `seed`"),
    ] {
        let error = refusal(CHAIN, &[(flag, value)]);
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("(line"), "{error}");
    }
}

#[test]
fn a_flag_that_does_not_apply_is_refused_with_the_reason() {
    let closed = "title = \"t\"\n[load]\nmodel = \"closed\"\nworkers = 2\nrequests = 9\n[chain]\nrelays = 1\n";
    let phased = format!("{GRAPH}{PHASED}");
    let own_rates = phased.replace("at = ", "rate = 5\nat = ");
    let swept = format!("{GRAPH}[sweep]\nservice = \"back\"\nreplicas = [1, 2]\n");
    for (text, flags, expected) in [
        (
            closed,
            &[("--rate", "9")][..],
            "--rate 9: `load.rate` = 9: a closed load",
        ),
        (
            &phased,
            &[("--requests", "9")],
            "--requests 9: `load.requests` = 9: the scenario has phases",
        ),
        (
            &own_rates,
            &[("--rate", "9")],
            "--rate 9: `load.rate` = 9: phases of the scenario have rates",
        ),
        (
            &swept,
            &[("--replicas", "3")],
            "[sweep] says how many there are",
        ),
        (
            CHAIN,
            &[("--for", "1s"), ("--requests", "9")],
            "--for 1s: `load.for` = 1s: `load.requests`",
        ),
    ] {
        let error = refusal(text, flags);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_error_of_the_file_that_a_flag_causes_names_the_flag() {
    let phased = format!("{GRAPH}{PHASED}");
    let error = refusal(&phased, &[("--for", "2s")]);
    assert!(
        error.contains("ends at 3s, after the run; allowed: up to 2s (line"),
        "{error}"
    );
    assert!(
        error.ends_with("s.toml: without --for 2s it would be valid"),
        "{error}"
    );
    let broken = phased.replace("rate = 100", "rate = -1");
    let error = refusal(&broken, &[("--for", "2s")]);
    assert!(!error.contains("would be valid"), "{error}");
}
