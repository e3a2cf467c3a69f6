//! What is predicted is true, or said not to be predicted: slots, queues, work on the processor,
//! regular outages, times that do not fit, and the one source of the table and the headline.

use availability::{Confidence, Probability, batches};
use scenario::{Class, NotPredicted, Plan, Prediction, builtin, parse, predict, simulate, sizes};

fn plan(text: &str) -> Plan {
    let text = format!("title = \"t\"\n{text}");
    parse("t.toml", &text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn of(text: &str) -> Prediction {
    predict(&plan(text))
}

fn near(prediction: &Prediction, expected: f64, within: f64) {
    let found = prediction.availability.get();
    assert!(
        (found - expected).abs() < within,
        "{found} is not within {within} of {expected}"
    );
}

/// The share that finds no free slot (Erlang 1917), `offered` being arrivals per work time.
fn erlang_b(slots: u32, offered: f64) -> f64 {
    (1..=slots).fold(1.0, |blocked, slot| {
        let blocked = offered * blocked;
        blocked / (f64::from(slot) + blocked)
    })
}

#[test]
fn a_service_without_a_queue_refuses_by_erlangs_formula() {
    for (rate, slots) in [(25, 1), (100, 2), (100, 4)] {
        let text = format!(
            "[load]\nrate = {rate}\nrequests = 6000\n[service.only]\nwork = \"wait:20ms\"\n\
             slots = {slots}\nqueue = 0\n"
        );
        let prediction = of(&text);
        near(
            &prediction,
            1.0 - erlang_b(slots, f64::from(rate) * 0.02),
            0.006,
        );
        assert_eq!(prediction.class, Class::Approximate);
        assert!(prediction.played.is_some());
    }
}

#[test]
fn a_slot_is_held_for_the_calls_of_its_request() {
    let prediction = of(
        "[load]\nrate = 25\nrequests = 6000\n[service.front]\ncalls = [\"back\"]\n\
         work = \"wait:2ms\"\nslots = 1\nqueue = 0\n[service.back]\nwork = \"wait:28ms\"\n",
    );
    // 2 ms of work, 28 ms below, and 0.7 ms on the way there.
    near(&prediction, 1.0 - erlang_b(1, 25.0 * 0.0307), 0.006);
}

#[test]
fn a_queue_that_always_has_room_is_still_not_exact() {
    let prediction =
        of("[load]\nrate = 90\nrequests = 600\n[service.only]\nwork = \"wait:5ms\"\nslots = 1\n");
    near(&prediction, 1.0, 1e-9);
    assert_eq!(prediction.class, Class::Approximate);
}

#[test]
fn work_that_outlasts_its_caller_is_never_answered() {
    let load = "[load]\nrate = 50\nrequests = 500\n";
    let client = of(&format!(
        "{load}patience = \"150ms\"\n[service.only]\nwork = \"wait:400ms\"\n"
    ));
    let caller = of(&format!(
        "{load}[service.front]\ncalls = [\"back\"]\n[service.back]\nwork = \"wait:400ms\"\n\
         [policy]\nattempt_timeout = \"150ms\"\n[policy.retry]\nretries = 1\nbackoff = \"1ms\"\n"
    ));
    for prediction in [client, caller] {
        near(&prediction, 0.0, 1e-12);
        assert_eq!((prediction.class, prediction.range), (Class::Exact, None));
        assert!((prediction.wait.unwrap().share.get() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn work_that_fits_each_limit_and_not_all_together_is_not_predicted() {
    let prediction = of(
        "[load]\nrate = 50\nrequests = 500\npatience = \"100ms\"\n[service.front]\n\
         calls = [\"back\"]\nwork = \"wait:60ms\"\n[service.back]\nwork = \"wait:60ms\"\n",
    );
    assert_eq!(prediction.not_predicted, Some(NotPredicted::Times));
}

/// Three layers, the retries of the second of which may outlast the time-out of the first.
fn restarted(retry: &str) -> Prediction {
    of(&format!(
        "[load]\nrate = 40\nrequests = 800\n[chain]\nrelays = 3\n[faults.e]\nkind = \"error\"\n\
         probability = 0.4\non = [\"relay-3\"]\n[policy]\nattempt_timeout = \"120ms\"\n\
         [policy.retry]\nretries = 2\nbackoff = \"100ms\"\n{retry}"
    ))
}

#[test]
fn retries_that_a_caller_starts_anew_leave_no_bound() {
    let prediction = restarted("");
    assert_eq!(prediction.not_predicted, Some(NotPredicted::Times));
    assert_eq!((prediction.value(), prediction.range), (None, None));
}

#[test]
fn retries_of_everything_are_all_counted_so_the_bound_stays() {
    let prediction = restarted("propagated = true\n");
    assert_eq!(prediction.class, Class::Bound);
    let most = prediction.range.unwrap().max().get();
    // Three by three attempts.
    assert!((most - (1.0 - 0.4_f64.powi(9))).abs() < 1e-9, "{most}");
}

#[test]
fn work_on_the_processor_is_never_exact_and_predicted_only_where_it_leaves_room() {
    let work = |rate: u32, work: &str| {
        of(&format!(
            "[load]\nrate = {rate}\nrequests = 600\npatience = \"1s\"\n[service.only]\n\
             work = \"{work}\"\n"
        ))
    };
    assert_eq!(work(100, "wait:40ms").class, Class::Exact);
    assert_eq!(work(20, "cpu:5ms").class, Class::Approximate);
    // Four cores' worth; nine tenths of one; and one job as long as the client waits.
    for (rate, cpu) in [(100, "cpu:40ms"), (90, "cpu:10ms"), (1, "cpu:900ms")] {
        let prediction = work(rate, cpu);
        assert_eq!(prediction.not_predicted, Some(NotPredicted::Processor));
        assert_eq!(prediction.class, Class::NotPredicted);
    }
    let closed = |workers: u32| {
        of(&format!(
            "[load]\nmodel = \"closed\"\nworkers = {workers}\nfor = \"5s\"\npatience = \"1s\"\n\
             [service.only]\nwork = \"cpu:10ms\"\n"
        ))
    };
    assert_eq!(closed(4).class, Class::Approximate);
    assert_eq!(closed(400).class, Class::NotPredicted);
}

#[test]
fn what_is_not_predicted_has_a_reason_and_no_number() {
    let plan = plan(
        "[load]\nrate = 100\nrequests = 600\n[service.only]\nwork = \"cpu:40ms\"\n\
         [faults.e]\nkind = \"error\"\nup = \"1s\"\ndown = \"100ms\"\n",
    );
    let prediction = predict(&plan);
    let json = serde_json::to_value(&prediction).unwrap();
    let expected = serde_json::json!({
        "availability": null,
        "class": "not_predicted",
        "not_predicted": "`cpu:` work depends on the machine's cores",
    });
    assert_eq!(json, expected);
    assert_eq!(sizes(&plan, &prediction), []);
    // Nor is anything said of one run with its outages.
    assert_eq!(simulate::given_schedule(&plan), None);
}

fn regular(rest: &str) -> String {
    format!("[load]\nrate = 200\nfor = \"30s\"\n[service.a]\ncalls = [\"b\"]\n[service.b]\n{rest}")
}

const CLOCK: &str =
    "[faults.clock]\nkind = \"error\"\nup = \"700ms\"\ndown = \"300ms\"\nlaw = \"fixed\"\n";

#[test]
fn regular_outages_of_two_services_keep_the_phase_that_the_seed_gives_them() {
    let seeds = (1..=6).map(|seed| {
        let plan = plan(&format!("seed = {seed}\n{}", regular(CLOCK)));
        let prediction = predict(&plan);
        assert_eq!(prediction.class, Class::Approximate);
        // Another run with the same outages; 3 standard deviations of its 6,000 requests.
        let run = simulate::simulate(&plan, 4711).availability().unwrap();
        near(&prediction, run.estimate().get(), 0.02);
        prediction.availability.get()
    });
    let seeds: Vec<f64> = seeds.collect();
    // By chance, 0.7² = 49 %; one of them may be down within the other's outages, or apart.
    assert!(
        seeds.iter().all(|share| (0.39..0.71).contains(share)),
        "{seeds:?}"
    );
    let (least, most) = seeds
        .iter()
        .fold((1.0_f64, 0.0_f64), |(least, most), share| {
            (least.min(*share), most.max(*share))
        });
    assert!(most - least > 0.1, "{seeds:?}");
}

#[test]
fn one_regular_outage_is_not_exact_either() {
    let prediction = of(&regular(&format!("{CLOCK}on = [\"b\"]\n")));
    assert_eq!(prediction.class, Class::Approximate);
    near(&prediction, 0.7, 0.01);
}

#[test]
fn regular_outages_that_meet_random_ones_are_not_predicted() {
    let random = "[faults.chance]\nkind = \"error\"\nup = \"2s\"\ndown = \"100ms\"\n";
    let prediction = of(&regular(&format!("{CLOCK}{random}")));
    assert_eq!(prediction.not_predicted, Some(NotPredicted::MixedOutages));
}

#[test]
fn no_more_requests_are_in_flight_than_there_are_workers_or_requests() {
    let hang = "[service.a]\ncalls = [\"b\"]\n[service.b]\n[faults.h]\nkind = \"hang\"\n\
                probability = 0.4\non = [\"b\"]\n";
    let stuck = |load: &str| {
        let prediction = of(&format!("[load]\n{load}\n{hang}"));
        prediction.wait.unwrap().stuck_requests
    };
    // 0.4 · 5 s of waiting, beside a millisecond of work: of each worker's time, all but 0.05 %.
    let closed = stuck("model = \"closed\"\nworkers = 7\nfor = \"20s\"");
    assert!((closed - 7.0 * 2.0 / 2.001).abs() < 1e-9, "{closed}");
    let thinking = stuck("model = \"closed\"\nworkers = 7\nthink = \"1999ms\"\nfor = \"20s\"");
    assert!((thinking - 7.0 * 2.0 / 4.0).abs() < 1e-9, "{thinking}");
    let few = stuck("rate = 1000\nrequests = 30");
    assert!((few - 30.0).abs() < 1e-9, "{few}");
}

#[test]
fn of_calls_at_once_that_may_all_fail_only_the_last_step_of_the_staircase_is_known() {
    let parallel = |faults: &str| {
        let prediction = of(&format!(
            "[load]\nrate = 10\nrequests = 100\n[service.a]\ncalls = [\"b\", \"c\"]\n\
             order = \"parallel\"\n[service.b]\n[service.c]\n{faults}"
        ));
        let hops = prediction.hops.iter();
        let steps = hops.map(|hop| {
            hop.cumulative
                .map(|share| (share.get() * 1e6).round() / 1e6)
        });
        steps.collect::<Vec<_>>()
    };
    let fails =
        |on: &str| format!("[faults.{on}]\nkind = \"error\"\nprobability = 0.5\non = [\"{on}\"]\n");
    let both = parallel(&(fails("b") + &fails("c")));
    assert_eq!(both, [Some(1.0), None, Some(0.25)]);
    assert_eq!(parallel(&fails("b")), [1.0, 0.5, 0.5].map(Some));
}

/// Those with nothing in them but faults by chance, or outages that meet no memory.
const EXACT: [&str; 14] = [
    "a1-four-in-series",
    "a2-a-fifth-service",
    "a3-two-replicas",
    "a4-three-replicas",
    "a5-relay-chain",
    "a7-nines",
    "a8-outages-in-time",
    "a9-correlated",
    "r1-dead-database",
    "r2-retries",
    "r3-amplification",
    "l1-another-replica",
    "l6-attempts-are-a-biased-sample",
    "l11-sampling-that-keeps-errors",
];

#[test]
fn the_hop_table_of_every_built_in_scenario_ends_at_its_headline() {
    for built_in in builtin() {
        let plan = parse(built_in.name, built_in.text).unwrap_or_else(|errors| panic!("{errors}"));
        let variants = plan.variants().iter().map(|variant| &variant.plan);
        for plan in std::iter::once(&plan).chain(variants) {
            let what = format!("{} {:?}", built_in.name, plan.variant());
            let prediction = predict(plan);
            if EXACT.contains(&built_in.name) {
                assert_eq!(prediction.class, Class::Exact, "{what}");
            }
            let last = prediction.hops.last().and_then(|hop| hop.cumulative);
            let (Some(last), Some(value)) = (last, prediction.value()) else {
                continue;
            };
            assert!(
                (last.get() - value.get()).abs() < 1e-9,
                "{what}: {last:?} {value:?}"
            );
        }
    }
}

#[test]
fn outages_that_meet_retries_have_one_table_and_one_headline() {
    let prediction = of(
        "[load]\nrate = 200\nfor = \"20s\"\n[service.front]\ncalls = [\"back\"]\n[service.back]\n\
         [faults.outage]\nkind = \"error\"\non = [\"back\"]\nup = \"800ms\"\ndown = \"400ms\"\n\
         [policy.retry]\nretries = 2\nbackoff = \"3ms\"\n",
    );
    let back = &prediction.hops[1];
    assert!((back.cumulative.unwrap().get() - prediction.availability.get()).abs() < 1e-9);
    // In an outage of a third of the time all three attempts fail, but for its two edges.
    near(&prediction, 2.0 / 3.0, 0.05);
    assert!((1.5..1.8).contains(&back.load), "{}", back.load);
}

#[test]
fn where_a_breaker_makes_failures_cluster_batch_means_hold_the_truth_and_plain_intervals_do_not() {
    const RUNS: usize = 60;
    let plan = plan(
        "[load]\nrate = 100\nrequests = 3000\n[service.a]\ncalls = [\"b\"]\n[service.b]\n\
         [faults.e]\nkind = \"error\"\non = [\"b\"]\nprobability = 0.35\n[policy.breaker]\n\
         consecutive = 4\nopen = \"250ms\"\nmax_open = \"250ms\"\nprobes = 1\n",
    );
    let runs: Vec<_> = (1..)
        .take(RUNS)
        .map(|seed| simulate::simulate(&plan.clone().with_seed(seed), 0))
        .collect();
    let shares = runs.iter().map(|run| run.availability().unwrap());
    let truth = shares
        .clone()
        .map(|share| share.estimate().get())
        .sum::<f64>()
        / RUNS as f64;
    let truth = Probability::new(truth).unwrap();
    let holds = |run: &&simulate::Simulated| {
        let batches = run.batches(batches::BATCHES);
        batches::wilson(&batches, Confidence::P99)
            .unwrap()
            .contains(truth)
    };
    let by_batches = runs.iter().filter(holds).count();
    let independent = shares.filter(|share| share.wilson(Confidence::P99).contains(truth));
    let independent = independent.count();
    assert!(by_batches >= RUNS - 3, "{by_batches} of {RUNS}");
    assert!(independent < RUNS - 6, "{independent} of {RUNS}");
}
