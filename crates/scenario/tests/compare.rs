//! Variants: how they are written, and what is wrong with them.

use scenario::{Plan, find, parse, predict};

const BASE: &str = r#"title = "t"
seed = 7
[load]
rate = 100
for = "10s"
[chain]
hops = ["auth", "profile", "database"]
[faults.every]
kind = "error"
probability = 0.1
[policy]
deadline = "1s"
[[phase]]
at = "1s"
for = "1s"
rate = 50
"#;

fn plan(rest: &str) -> Plan {
    parse("x.toml", &format!("{BASE}{rest}")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refusal(rest: &str) -> String {
    let text = format!("{BASE}{rest}");
    let errors = parse("x.toml", &text).expect_err(&text).to_string();
    errors.replace("x.toml: ", "")
}

#[test]
fn a_variant_replaces_whole_tables_and_keeps_the_rest() {
    let plan =
        plan("[[compare]]\ntitle = \"other\"\n[compare.policy]\nattempt_timeout = \"50ms\"\n");
    let [variant] = plan.variants() else {
        panic!("one variant")
    };
    let (base, other) = (&plan.phases()[1], &variant.plan.phases()[1]);
    assert_eq!(
        (&*variant.title, variant.plan.title()),
        ("other", "t: other")
    );
    assert_eq!(variant.plan.seed(), 7);
    assert_eq!((&other.load, &other.faults), (&base.load, &base.faults));
    assert!(base.policy.deadline.is_some() && base.policy.attempt_timeout.is_none());
    assert!(other.policy.deadline.is_none() && other.policy.attempt_timeout.is_some());
    assert_eq!(variant.plan.variants(), []);
}

#[test]
fn another_chain_takes_the_place_of_whatever_there_was() {
    let plan = plan(
        "[[compare]]\ntitle = \"relays\"\n[compare.service.a]\n[[compare]]\ntitle = \"five\"\n[compare.chain]\nhops = [\"auth\", \"profile\", \"database\", \"audit\"]\n",
    );
    let services = |place: usize| plan.variants()[place].plan.services().len();
    assert_eq!((services(0), services(1)), (1, 5));
}

#[test]
fn a_rerun_has_a_fresh_seed_in_all_variants() {
    let plan = plan("[[compare]]\ntitle = \"none\"\n[compare.faults]\n").with_seed(9);
    assert_eq!((plan.seed(), plan.variants()[0].plan.seed()), (9, 9));
    assert_eq!(plan.variants()[0].plan.phases()[0].faults, []);
}

#[test]
fn variants_stay_out_of_the_json_of_their_plan() {
    let with = plan("[[compare]]\ntitle = \"none\"\n[compare.faults]\n");
    assert_eq!(
        serde_json::to_value(with).unwrap(),
        serde_json::to_value(plan("")).unwrap()
    );
}

#[test]
fn one_two_and_three_nines_are_predicted() {
    let plan = parse("a7", find("a7").unwrap().text).unwrap();
    let variants = plan.variants().iter().map(|variant| &variant.plan);
    let all: Vec<_> = [&plan].into_iter().chain(variants).map(predict).collect();
    for (nines, prediction) in (1_i32..).zip(&all) {
        assert!((prediction.nines.unwrap() - f64::from(nines)).abs() < 1e-9);
    }
    assert_eq!(all.len(), 3);
}

#[test]
fn a_scenario_may_say_what_it_stands_for_beside_its_variants() {
    let other = "[[compare]]\ntitle = \"other\"\n[compare.policy]\n";
    let named = format!("variant = \"as it is\"\n{BASE}{other}");
    let plan = parse("s.toml", &named).unwrap();
    assert_eq!(plan.variant(), Some("as it is"));
    assert_eq!(plan.variants()[0].plan.variant(), None);
    let alone = parse("s.toml", &format!("variant = \"as it is\"\n{BASE}"));
    let told = alone.unwrap_err().to_string();
    assert!(
        told.contains("nothing to tell it from; allowed: beside [[compare]]"),
        "{told}"
    );
}

#[test]
fn a_variant_that_can_not_be_is_refused_where_it_is_wrong() {
    let cases = [
        (
            "[[compare]]\n[compare.policy]\n",
            "`compare.title` is missing; allowed: a line of 1 to 200 characters that no other variant has (line 17, column 1)",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n",
            "`compare` = [[compare]]: replaces nothing; allowed: with at least one of `load`, `chain`, `service`, `faults`, `policy`, `scale`, `expect` (line 17, column 1)",
        ),
        (
            "[[compare]]\ntitle = \"t\"\n[compare.policy]\n",
            "`compare.title` = \"t\": stands here twice; allowed: a title of its own (line 18, column 9)",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[[compare.compare]]\n",
            "unknown key `compare` in [compare]; allowed: `title`, `load`, `chain`, `service`, `faults`, `policy`, `scale`, `expect` (line 19, column 11)",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[compare.policy]\ndeadline = \"0s\"\n",
            "in the variant \"x\": `policy.deadline` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 20, column 12)",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[compare.policy.breaker]\nfailure_rate = 2.0\n",
            "in the variant \"x\": `policy.breaker.failure_rate` = 2.0 can't be; allowed: a number above 0 and up to 1; for no such rule, leave it out (line 20, column 16)",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[compare.policy]\nattempt_timeout = \"1s\"\ndeadline = \"1s\"\n[compare.policy.retry]\nretries = 3\n",
            "in the variant \"x\": `policy.retry.retries` = 3: 4 attempts of 1s do not fit the deadline of 1s; allowed: ",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[compare.load]\nrate = 100\nrequests = 5\n",
            "in the variant \"x\": `phase` = [[phase]]: a timeline needs a run that ends at a stated time; allowed: `load.for` in place of `load.requests` (line 13, column 1)",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[compare.faults.f]\nkind = \"error\"\nprobability = 1\non = [\"audit\"]\n",
            "in the variant \"x\": `faults.f.on` = \"audit\": no such service in this chain",
        ),
        (
            "[[compare]]\ntitle = \"x\"\n[compare.service.a]\n[compare.chain]\nrelays = 1\n",
            "in the variant \"x\": `chain` = [compare.chain]: [service.NAME] is stated as well",
        ),
    ];
    for (rest, expected) in cases {
        let error = refusal(rest);
        assert!(error.starts_with(expected), "{rest}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn what_is_wrong_with_both_is_told_once() {
    let error = refusal("[expect]\ndistance = 7\n[[compare]]\ntitle = \"x\"\n[compare.policy]\n");
    assert_eq!(
        error,
        "`expect.distance` = 7 can't be; allowed: a number above 0 and below 1 (line 18, column 12)"
    );
}

#[test]
fn the_second_of_two_variants_is_told_by_its_own_line() {
    let variant = |title: &str, rate: &str| {
        format!(
            "[[compare]]\ntitle = \"{title}\"\n[compare.policy.breaker]\nfailure_rate = {rate}\n"
        )
    };
    let error = refusal(&format!("{}{}", variant("x", "0.5"), variant("y", "3.0")));
    assert!(
        error.starts_with("in the variant \"y\": `policy.breaker.failure_rate` = 3.0"),
        "{error}"
    );
    assert!(error.ends_with("(line 24, column 16)"), "{error}");
}

#[test]
fn variants_are_not_without_number() {
    let one = |n: usize| format!("[[compare]]\ntitle = \"{n}\"\n[compare.policy]\n");
    let many: Vec<_> = (0..21).map(one).collect();
    assert!(refusal(&many.concat()).contains("allowed: tables [[compare]], at most 20"));
}
