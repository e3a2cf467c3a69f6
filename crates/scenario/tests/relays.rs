//! What relays can be told besides whom to call, and what is predicted of it.

use scenario::{Class, Order, Plan, Prediction, Slots, Work, parse, predict};
use std::{num::NonZeroU32, time::Duration};

const HEAD: &str = "title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n";

fn plan(rest: &str) -> Plan {
    parse("x.toml", &format!("{HEAD}{rest}")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn of(rest: &str) -> Prediction {
    predict(&plan(rest))
}

fn fails(service: &str, probability: f64, rest: &str) -> String {
    format!(
        "[faults.{service}]\nkind = \"error\"\nprobability = {probability}\non = [\"{service}\"]\n{rest}\n"
    )
}

#[track_caller]
fn assert_close(actual: impl Into<f64>, expected: f64) {
    let actual = actual.into();
    assert!(
        (actual - expected).abs() < 1e-12,
        "{actual} is not {expected}"
    );
}

#[test]
fn a_relay_is_told_its_order_what_is_soft_its_work_and_its_slots() {
    let plan = plan(
        "[service.a]\ncalls = [\"b\", \"c\"]\norder = \"parallel\"\nsoft = [\"c\"]\n\
         work = \"cpu:2ms\"\nslots = 4\nqueue = 0\n[service.b]\nwork = \"wait:1m\"\n[service.c]\n",
    );
    let relay = plan.topology().relay("a").unwrap();
    assert_eq!((relay.order, &*relay.soft[0]), (Order::Parallel, "c"));
    assert_eq!(relay.work, Some(Work::Cpu(Duration::from_millis(2))));
    let slots = NonZeroU32::new(4).unwrap();
    assert_eq!(
        relay.slots,
        Some(Slots {
            slots,
            queue: Some(0)
        })
    );
    let b = plan.topology().relay("b").unwrap();
    assert_eq!(b.work.unwrap().to_string(), "wait:60000ms");
    let visits = plan.topology().visits();
    let soft: Vec<_> = visits.iter().map(|visit| visit.is_soft).collect();
    assert_eq!(soft, [false, false, true]);
    let json = serde_json::to_value(plan.topology()).unwrap();
    assert_eq!(
        json["services"][0],
        serde_json::json!({
            "name": "a", "calls": ["b", "c"], "order": "parallel", "soft": ["c"],
            "work": "cpu:2ms", "slots": {"slots": 4, "queue": 0},
        })
    );
    assert_eq!(
        json["services"][2],
        serde_json::json!({"name": "c", "calls": []})
    );
}

#[test]
fn what_a_relay_can_not_be_told_is_refused() {
    let work = "\"cpu:\" or \"wait:\" and a duration from \"1ms\" to \"1h\" in whole milliseconds";
    let cases = [
        ("order = \"random\"", "`service.a.order` = \"random\" can't be; allowed: \"sequence\" or \"parallel\" (line 7, column 9)".to_owned()),
        ("soft = [\"c\"]", "`service.a.soft` = \"c\": no such service among its calls; allowed: `b` (line 7, column 9)".to_owned()),
        ("work = \"2ms\"", format!("`service.a.work` = \"2ms\" can't be; allowed: {work} (line 7, column 8)")),
        ("work = \"disk:2ms\"", format!("`service.a.work` = \"disk:2ms\" can't be; allowed: {work} (line 7, column 8)")),
        ("work = \"cpu:0s\"", format!("`service.a.work` = \"cpu:0s\" can't be; allowed: {work} (line 7, column 8)")),
        ("slots = 0", "`service.a.slots` = 0 can't be; allowed: a whole number from 1 to 1000000; for no limit, leave it out (line 7, column 9)".to_owned()),
        ("queue = 5", "`service.a.queue` = 5: nobody waits where there are no slots; allowed: with `slots` (line 7, column 9)".to_owned()),
        ("slots = 1\nqueue = -1", "`service.a.queue` = -1 can't be; allowed: a whole number from 0 to 1000000, only with `slots` (line 8, column 9)".to_owned()),
    ];
    for (line, expected) in cases {
        let text = format!("{HEAD}[service.a]\ncalls = [\"b\"]\n{line}\n[service.b]\n");
        let errors = parse("x.toml", &text).unwrap_err();
        assert_eq!(errors.to_string(), format!("x.toml: {expected}"), "{line}");
    }
}

const SOFT: &str =
    "[service.a]\ncalls = [\"b\", \"c\"]\nsoft = [\"b\"]\n[service.b]\n[service.c]\n";

#[test]
fn a_soft_call_costs_full_quality_and_not_availability() {
    let faults = fails("a", 0.1, "") + &fails("b", 0.2, "") + &fails("c", 0.3, "");
    let prediction = of(&format!("{SOFT}{faults}"));
    assert_close(prediction.availability, 0.63);
    assert_close(prediction.full_quality, 0.504);
    assert_close(prediction.hops[2].load, 0.9);
    assert_close(prediction.hops[2].cumulative.unwrap(), 0.63);
    assert_eq!(prediction.class, Class::Exact);
    let hard = of(&format!("{}{faults}", SOFT.replace("soft = [\"b\"]\n", "")));
    assert_close(hard.availability, 0.504);
    assert_close(hard.full_quality, 0.504);
}

#[test]
fn a_soft_service_that_is_down_for_the_request_hides_nothing_behind_it() {
    let once = "scope = \"request\"";
    let faults = fails("b", 0.2, once) + &fails("c", 0.3, once);
    let retry = "[policy.retry]\nbackoff = \"1ms\"\n";
    let prediction = of(&format!("{SOFT}{faults}{retry}"));
    assert_close(prediction.availability, 0.7);
    assert_close(prediction.full_quality, 0.56);
    // Each of three attempts finds the same.
    assert_close(prediction.hops[1].load, 1.4);
    assert_close(prediction.hops[2].load, 1.6);
}

#[test]
fn calls_at_once_are_all_made() {
    let faults = fails("b", 0.2, "") + &fails("c", 0.3, "");
    let chain = SOFT.replace("soft = [\"b\"]", "order = \"parallel\"");
    let prediction = of(&format!("{chain}{faults}"));
    assert_close(prediction.availability, 0.56);
    assert_close(prediction.hops[2].load, 1.0);
    let in_turn = of(&format!("{}{faults}", SOFT.replace("soft = [\"b\"]\n", "")));
    assert_close(in_turn.availability, 0.56);
    assert_close(in_turn.hops[2].load, 0.8);
}

#[test]
fn calls_at_once_take_as_long_as_the_slowest_and_calls_in_turn_as_all_together() {
    let work = "work = \"wait:60ms\"";
    let relay = |order: &str| {
        format!(
            "[service.a]\ncalls = [\"b\", \"c\"]\norder = \"{order}\"\n[service.b]\n{work}\n[service.c]\n{work}\n[policy]\ndeadline = \"100ms\"\n"
        )
    };
    assert_eq!(of(&relay("parallel")).class, Class::Exact);
    assert_eq!(of(&relay("sequence")).class, Class::NotPredicted);
}
