//! Replicas whose number varies: by the scenario, and with the load.

use scenario::{Plan, parse, predict, simulate::simulate};

fn plan(rest: &str) -> Plan {
    let text = format!(
        r#"title = "t"
[load]
rate = 200
for  = "4s"
patience = "500ms"
[service.front]
calls = ["back"]
[service.back]
work  = "wait:40ms"
slots = 2
queue = 4
{rest}"#
    );
    parse("t.toml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn work_of(plan: &Plan) -> u128 {
    let relay = plan.topology().relay("back").unwrap();
    relay.work.unwrap().time().as_millis()
}

#[test]
fn a_sweep_is_the_scenario_once_for_each_number_of_replicas() {
    let swept = plan("[sweep]\nservice = \"back\"\nreplicas = [1, 2, 8]\n");
    let numbers = |plan: &Plan| plan.topology().replicas("back");
    let variants = swept.variants();
    let each: Vec<_> = variants
        .iter()
        .map(|variant| (&*variant.title, numbers(&variant.plan)))
        .collect();
    assert_eq!((swept.variant(), numbers(&swept)), (Some("1 replica"), 1));
    assert_eq!(each, [("2 replicas", 2), ("8 replicas", 8)]);
    assert!(variants.iter().all(|one| one.plan.swept() == swept.swept()));
    assert_eq!(swept.swept().map(|name| &**name), Some("back"));
}

#[test]
fn telling_takes_time_for_each_of_the_others_and_agreeing_for_each_pair() {
    let swept = plan(
        "tell = \"2ms\"\nagree = \"1ms\"\n[sweep]\nservice = \"back\"\nreplicas = [1, 2, 4]\n",
    );
    let variants = swept.variants().iter().map(|one| work_of(&one.plan));
    assert_eq!(work_of(&swept), 40);
    assert_eq!(variants.collect::<Vec<_>>(), [40 + 2 + 2, 40 + 6 + 12]);
}

const SCALE: &str = "[scale]\nservice = \"back\"\nmax = 8\nevery = \"100ms\"\nstart = \"100ms\"\n";

#[test]
fn replicas_come_while_there_is_load_and_serve_more_than_one_does() {
    let (fixed, scaled) = (simulate(&plan(""), 0), simulate(&plan(SCALE), 0));
    assert_eq!((fixed.staff, fixed.offered), (None, scaled.offered));
    let staff = scaled.staff.unwrap();
    assert!((5..=8).contains(&staff.most()), "{staff:?}");
    assert!(scaled.ok > 2 * fixed.ok, "{} {}", scaled.ok, fixed.ok);
    let times: Vec<_> = staff.changes.iter().map(|(at, ..)| *at).collect();
    assert!(times.is_sorted() && times[0] == 0, "{times:?}");
}

#[test]
fn they_go_again_when_it_is_over_and_no_request_is_lost_by_that() {
    let rest =
        format!("{SCALE}stabilise = \"200ms\"\n[[phase]]\nat = \"2s\"\nfor = \"2s\"\nrate = 10\n");
    let run = simulate(&plan(&rest), 0);
    let (_, serving, starting) = *run.staff.unwrap().changes.last().unwrap();
    assert_eq!((serving, starting), (1, 0));
    let after = run.phases[1];
    assert_eq!(after.offered, after.answered);
}

#[test]
fn what_scaled_replicas_cost_is_predicted_between_the_least_and_the_most() {
    let plan = plan(SCALE);
    assert!(plan.is_played());
    let cost = predict(&plan).replica_s.unwrap();
    assert!(cost > 4.0 && cost < 32.0, "{cost} replica-s");
}
