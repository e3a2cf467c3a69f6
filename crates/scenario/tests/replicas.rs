//! Replicas, what they share, and chains that do without some of their services.

use faults::Scope;
use scenario::{Plan, parse};

fn with(rest: &str) -> Plan {
    let text = format!("title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n{rest}");
    parse("t.toml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn path(plan: &Plan) -> Vec<(String, bool)> {
    let visits = plan.topology().visits().into_iter();
    visits
        .map(|visit| (visit.service.to_string(), visit.is_soft))
        .collect()
}

fn words(names: &[scenario::Name]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

const HOPS: &str = "[chain]\nhops = [\"auth\", \"profile\", \"database\", \"audit\", \"config\"]\n";

#[test]
fn every_chain_may_have_replicas_and_they_are_numbered_from_zero() {
    let of = |plan: Plan, service: &str| {
        let names = plan.replica_names(service);
        assert_eq!(names.len(), plan.topology().replicas(service) as usize);
        names.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let sequence = with(&format!(
        "{HOPS}[chain.replicas]\ndatabase = 2\ngateway = 3\n"
    ));
    assert!(sequence.topology().is_replicated());
    assert_eq!(
        of(sequence.clone(), "database"),
        ["database-0", "database-1"]
    );
    assert_eq!(of(sequence.clone(), "gateway").len(), 3);
    assert_eq!(of(sequence, "auth"), ["auth-0"]);
    let relays = with("[chain]\nrelays = 2\n[chain.replicas]\nrelay-2 = 2\n");
    assert_eq!(of(relays, "relay-2"), ["relay-2-0", "relay-2-1"]);
    let graph = with("[service.a]\ncalls = [\"b\"]\n[service.b]\nreplicas = 2\n");
    assert_eq!(of(graph, "b"), ["b-0", "b-1"]);
    assert!(!with("[chain]\nrelays = 2\n").topology().is_replicated());
}

#[test]
fn a_variant_may_have_other_replicas() {
    let plan = with(
        "[chain]\nrelays = 2\n[[compare]]\ntitle = \"two\"\n[compare.chain]\nrelays = 2\n\
         [compare.chain.replicas]\nrelay-2 = 2\n",
    );
    assert_eq!(plan.topology().replicas("relay-2"), 1);
    let variant = &plan.variants()[0].plan;
    assert_eq!(variant.topology().replicas("relay-2"), 2);
}

#[test]
fn a_fault_strikes_a_service_or_one_replica_of_it() {
    let plan = with(
        "[chain]\nrelays = 2\n[chain.replicas]\nrelay-2 = 3\n\
         [faults.all]\nkind = \"error\"\nprobability = 0.1\non = [\"relay-2\"]\n\
         [faults.one]\nkind = \"error\"\nprobability = 0.1\non = [\"relay-2-1\", \"relay-1-0\"]\n",
    );
    let ids = |service, replica| {
        let faults = plan.phases()[0].faults_of(service, replica);
        faults
            .iter()
            .map(|fault| fault.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("relay-2", 0), ["all"]);
    assert_eq!(ids("relay-2", 1), ["all", "one"]);
    assert_eq!(ids("relay-1", 0), ["one"]);
    let json = serde_json::to_value(&plan.phases()[0].faults[1]).unwrap();
    assert_eq!(json["on"], serde_json::json!(["relay-2-1", "relay-1-0"]));
}

#[test]
fn a_common_share_is_split_off_and_leaves_each_replica_its_probability() {
    let fault = |common: &str| {
        let plan = with(&format!(
            "[chain]\nrelays = 2\n[chain.replicas]\nrelay-2 = 2\n[faults.down]\nkind = \"error\"\n\
             probability = 0.05\nscope = \"request\"\n{common}\n"
        ));
        plan.phases()[0].faults_of("relay-2", 1)
    };
    let whole = fault("");
    assert_eq!(fault("common = 0"), whole);
    let parts = fault("common = 0.1");
    let [own, common] = &parts[..] else {
        panic!("{parts:?}")
    };
    assert_eq!((&*own.id, &*common.id), ("down", "down-common"));
    assert_eq!(
        (&own.shared, common.shared.as_deref()),
        (&None, Some("relay-2"))
    );
    assert!((common.probability.get() - 0.005).abs() < 1e-12);
    let both = own.probability.complement().get() * common.probability.complement().get();
    assert!((both - 0.95).abs() < 1e-12);
    assert_eq!(common.scope, Scope::Request);
}

#[test]
fn a_group_has_one_fate() {
    let plan = with(
        "[chain]\nrelays = 3\n[faults.zone]\nkind = \"reset\"\nup = \"1s\"\ndown = \"1s\"\n\
         shared = \"zone-a\"\non = [\"relay-2\", \"relay-3\"]\n",
    );
    for service in ["relay-2", "relay-3"] {
        let faults = plan.phases()[0].faults_of(service, 0);
        assert_eq!(faults[0].shared.as_deref(), Some("zone-a"));
    }
}

#[test]
fn services_that_no_request_waits_for_run_and_are_no_visits() {
    let all = with(HOPS);
    let everybody = ["gateway", "auth", "profile", "database", "audit", "config"];
    assert_eq!(path(&all), everybody.map(|name| (name.to_owned(), false)));
    let plan = with(&format!(
        "{HOPS}soft = [\"database\", \"config\"]\nqueued = [\"audit\"]\nverify = \"local\"\n"
    ));
    let mut services = words(&plan.services()).join(" ");
    services.push(' ');
    assert_eq!(services, "config audit database profile auth gateway ");
    assert_eq!(plan.topology().calls("gateway").len(), 5);
    let expected = [
        ("gateway", false),
        ("profile", false),
        ("database", true),
        ("config", true),
    ];
    assert_eq!(
        path(&plan),
        expected.map(|(name, soft)| (name.to_owned(), soft))
    );
}

#[test]
fn policies_of_replicas_take_what_is_written_and_the_defaults_for_the_rest() {
    let plan = with(
        "[service.a]\ncalls = [\"b\"]\n[service.b]\nreplicas = 2\ntakeover = \"2s\"\n\
         [policy.balance]\npick = \"first\"\nretry = \"same\"\neject = false\npanic_below = 0\n\
         [policy.balance.check]\nevery = \"200ms\"\n\
         [policy.hedge]\nquantile = 0.9\n[policy.hedge.budget]\nratio = 0.2\n\
         [policy.bulkhead]\nmax = 9\nwait = \"5ms\"\n[policy.shed]\nadaptive = true\nmin = 2\n\
         [policy.cache]\nfresh = \"500ms\"\nstale = \"2s\"\n",
    );
    let policy = plan.phases()[0].policy;
    let json = serde_json::to_value(policy).unwrap();
    assert_eq!(
        json["balance"],
        serde_json::json!({
            "pick": "first", "retry": "same", "eject": false, "panic_below": 0.0,
            "check": {"every": "200ms", "timeout": "500ms", "misses": 3, "hits": 1},
            "shared_breaker": false,
        })
    );
    assert_eq!(json["hedge"]["quantile"], 0.9);
    assert_eq!(json["hedge"]["budget"]["ratio"], 0.2);
    assert_eq!(
        (&json["bulkhead"]["max"], &json["bulkhead"]["wait"]),
        (&9.into(), &"5ms".into())
    );
    assert_eq!(
        (&json["shed"]["max"], &json["shed"]["min"]),
        (&100.into(), &2.into())
    );
    assert_eq!(
        (&json["cache"]["stale"], &json["cache"]["capacity"]),
        (&"2s".into(), &10_000.into())
    );
    let relay = plan.topology().relay("b").unwrap();
    assert_eq!(relay.takeover, Some(std::time::Duration::from_secs(2)));
    let ejecting = with("[chain]\nrelays = 1\n[policy.balance.eject]\ntime = \"1s\"\n");
    let balance = ejecting.phases()[0].policy.balance.unwrap();
    let eject = balance.settings().eject.unwrap();
    assert_eq!((eject.time.as_secs(), eject.consecutive), (1, 5));
}
