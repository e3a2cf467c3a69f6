//! Plans played in virtual time come to what formulas say, where there are any; and run 0 is
//! the real one, to the request.

use availability::{
    Confidence, Dependency, Interval, Probability, Proportion, batches,
    breaker::{self, Breaker},
    outage,
};
use faults::{FaultSet, RequestKey};
use scenario::{
    Plan, parse, predict,
    simulate::{self, Simulated},
};
use std::{fmt::Write, num::NonZeroU32, time::Duration};

fn plan(text: &str) -> Plan {
    parse("t.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The share of each seed's run that was answered: their mean, and its standard error.
fn mean_over_seeds(text: &str, seeds: u64) -> (f64, f64) {
    let plan = plan(text);
    let share = |seed| {
        let run = simulate::simulate(&plan.clone().with_seed(seed), 0);
        run.availability().unwrap().estimate().get()
    };
    let shares: Vec<f64> = (1..=seeds).map(share).collect();
    let mean = shares.iter().sum::<f64>() / seeds as f64;
    let squares: f64 = shares.iter().map(|share| (share - mean).powi(2)).sum();
    (mean, (squares / (seeds * (seeds - 1)) as f64).sqrt())
}

/// Two thousand requests each, of so many seeds; answered and offered.
fn over_seeds(text: &str, seeds: u64) -> Proportion {
    let plan = plan(text);
    let (mut answered, mut offered) = (0, 0);
    for seed in 1..=seeds {
        let run = simulate::simulate(&plan.clone().with_seed(seed), 0);
        answered += run.ok + run.degraded;
        offered += run.offered;
    }
    Proportion::new(answered, offered).unwrap()
}

const FOUR: &str = "title = \"four\"\n[load]\nrate = 1000\nrequests = 2000\n[chain]\nrelays = 4\n";

/// Five sigma of independent requests: missed by chance once in two million, and the seeds
/// are fixed.
fn assert_near(seen: Proportion, expected: f64, what: &str) {
    let sigma = (expected * (1.0 - expected) / seen.trials() as f64).sqrt();
    let apart = (seen.estimate().get() - expected).abs();
    assert!(
        apart < 5.0 * sigma + 1e-9,
        "{what}: {seen:?}, expected {expected}"
    );
}

#[test]
fn a_client_makes_no_attempt_after_the_deadline() {
    let text = "title = \"t\"\n[load]\nrate = 50\nrequests = 2000\n[service.edge]\ncalls = [\"b\"]\n\
                [service.b]\nreplicas = 2\n[faults.h]\nkind = \"hang\"\nprobability = 0.3\n\
                on = [\"edge\"]\n[policy]\ndeadline = \"300ms\"\n[policy.retry]\nretries = 1\n\
                backoff = \"1ms\"\nclient = true\n[policy.balance]\n";
    assert_near(
        over_seeds(text, 20),
        0.7,
        "a hang uses up the whole deadline",
    );
    let run = simulate::simulate(&plan(text), 0);
    assert_eq!(run.attempts["edge"], 2000, "one attempt for each request");
}

#[test]
fn run_0_loses_the_requests_that_the_real_run_loses() {
    let text = format!("{FOUR}[faults.every]\nkind = \"error\"\nprobability = 0.1\n");
    let plan = plan(&text).with_seed(7);
    let set = FaultSet {
        seed: 7,
        begin: None,
        faults: plan.phases()[0].faults_of("relay-1", 0),
    };
    let hit = |request: u64| {
        let mut path = String::new();
        (1..=4).any(|n| {
            path += if n == 1 { "" } else { "/" };
            let _ = write!(path, "relay-{n}:0");
            let key = RequestKey {
                request_id: format!("r7-{request}").into(),
                attempt_path: path.as_str().into(),
            };
            let (service, replica) = (format!("relay-{n}"), format!("relay-{n}-0"));
            set.decide(&service, &replica, &key, Duration::ZERO)
                .end()
                .is_some()
        })
    };
    let expected: Vec<u64> = (0..2000).filter(|request| hit(*request)).collect();
    let mut lost = simulate::simulate(&plan, 0).lost;
    lost.sort_unstable();
    assert_eq!(lost, expected);
    assert!(lost.len() > 500);
}

#[test]
fn where_there_is_a_formula_the_play_comes_to_the_same() {
    let error = "[faults.every]\nkind = \"error\"\nprobability = 0.1\n";
    for (name, rest) in [
        ("naive", String::new()),
        ("local", "[policy.retry]\nretries = 2\n".to_owned()),
        ("all", "[policy.retry]\nretries = 2\npropagated = true\nclient = true\n".to_owned()),
        ("client", "[policy.retry]\nretries = 1\nclient = true\n".to_owned()),
        ("slow", "[faults.slow]\nkind = \"delay\"\ndelay = \"50ms\"\nprobability = 0.2\n[policy]\nattempt_timeout = \"40ms\"\n".to_owned()),
        ("hang", "[faults.stuck]\nkind = \"hang\"\nprobability = 0.1\non = [\"relay-4\"]\n[policy]\ndeadline = \"200ms\"\n".to_owned()),
    ] {
        let text = format!("{FOUR}{error}{rest}");
        let expected = predict(&plan(&text)).availability.get();
        assert_near(over_seeds(&text, 20), expected, name);
    }
}

#[test]
fn attempts_are_as_many_as_predicted() {
    let text = format!(
        "{FOUR}[faults.every]\nkind = \"error\"\nprobability = 0.1\n[policy.retry]\nretries = 2\npropagated = true\n"
    );
    let plan = plan(&text.replace("2000", "40000"));
    let run = simulate::simulate(&plan, 0);
    for hop in predict(&plan).hops {
        let seen = run.attempts[&hop.service] as f64 / run.offered as f64;
        assert!(
            (seen / hop.load - 1.0).abs() < 0.02,
            "{}: {seen} {}",
            hop.service,
            hop.load
        );
    }
}

#[test]
fn a_run_is_the_same_each_time_and_other_runs_are_others() {
    let text = format!("{FOUR}[faults.every]\nkind = \"error\"\nprobability = 0.1\n");
    let plan = plan(&text);
    assert_eq!(simulate::simulate(&plan, 0), simulate::simulate(&plan, 0));
    assert_ne!(
        simulate::simulate(&plan, 1).lost,
        simulate::simulate(&plan, 2).lost
    );
}

#[test]
fn the_schedule_explains_what_a_run_with_few_outages_comes_to() {
    let text = "title = \"t\"\n[load]\nrate = 2000\nfor = \"3s\"\n[chain]\nrelays = 2\n\
                [faults.down]\nkind = \"error\"\nup = \"190ms\"\ndown = \"10ms\"\n";
    let mut spread: f64 = 0.0;
    for seed in 1..=4 {
        let plan = plan(text).with_seed(seed);
        let given = simulate::given_schedule(&plan).unwrap().availability;
        let seen = simulate::simulate(&plan, 0).availability().unwrap();
        let run = seen.clopper_pearson(Confidence::P999);
        assert!(
            run.low <= given.high && given.low <= run.high,
            "{seed}: {given:?} {run:?}"
        );
        spread = spread.max((given.low.get() - 0.95 * 0.95).abs());
    }
    assert!(
        spread > 0.01,
        "with 30 outages a run is far from the long mean: {spread}"
    );
}

/// A dependency that is up for a minute and down for three seconds, on average.
const OUTAGES: &str = "title = \"t\"\n[chain]\nrelays = 2\n[faults.down]\nkind = \"error\"\n\
                       up = \"60s\"\ndown = \"3s\"\non = [\"relay-2\"]\n";

fn dependency() -> Dependency {
    Dependency::new(Duration::from_mins(1), Duration::from_secs(3)).unwrap()
}

fn assert_mean(text: &str, seeds: u64, expected: f64) {
    let (mean, error) = mean_over_seeds(text, seeds);
    let apart = (mean - expected).abs();
    assert!(apart < 5.0 * error, "{mean} ± {error}, expected {expected}");
    assert!(error < 0.004, "too few seeds to tell anything: ± {error}");
}

#[test]
fn retries_inside_an_outage_do_as_little_as_the_formula_says() {
    let text = format!(
        "{OUTAGES}[load]\nrate = 2\nfor = \"1h\"\n[policy.retry]\nretries = 3\nbackoff = \"200ms\"\n"
    );
    let ceilings = [200, 400, 800].map(Duration::from_millis);
    let failures = outage::Failures::HARD;
    let expected = outage::retried_with_jitter(dependency(), failures, &ceilings).get();
    assert!((0.96..0.965).contains(&expected), "{expected}");
    assert_mean(&text, 40, expected);
}

#[test]
fn a_breaker_costs_as_much_as_the_formula_says() {
    let text = format!(
        "{OUTAGES}[load]\nrate = 20\nfor = \"30m\"\n[policy.breaker]\nconsecutive = 5\nopen = \"5s\"\n\
         max_open = \"5s\"\njitter = 0.0\nprobes = 1\nwindow = \"10s\"\n"
    );
    let five = NonZeroU32::new(5).unwrap();
    let breaker = Breaker::new(20.0, five, Duration::from_secs(5)).unwrap();
    let expected = breaker::forecast(&breaker, dependency(), outage::Failures::HARD);
    assert_mean(&text, 30, expected.availability.get());
}

#[test]
fn a_closed_loop_sees_what_the_formula_says() {
    // Each request meets the outage for as long as its client waits: a second.
    let text = "title = \"t\"\n[load]\nmodel = \"closed\"\nworkers = 1\nfor = \"1h\"\npatience = \"1s\"\n\
                [service.only]\nwork = \"wait:50ms\"\n[faults.down]\nkind = \"hang\"\nup = \"60s\"\ndown = \"3s\"\n";
    let [up, down] = [51, 1000].map(Duration::from_millis);
    let expected = outage::seen_in_closed_loop(dependency(), up, down).unwrap();
    assert!(
        expected.get() > 0.997,
        "a service that is up 95 % of the time: {expected:?}"
    );
    assert_mean(text, 20, expected.get());
}

/// Ten thousand seeds; of intervals at 99 %, so many hold the truth.
fn coverage(text: &str, truth: f64, interval: impl Fn(&Simulated) -> Interval) -> u64 {
    let plan = plan(text);
    let truth = Probability::new(truth).unwrap();
    let holds = |seed: &u64| {
        let run = simulate::simulate(&plan.clone().with_seed(*seed), 0);
        interval(&run).contains(truth)
    };
    (1..=10_000).filter(holds).count() as u64
}

#[test]
fn of_ten_thousand_intervals_at_99_percent_9900_hold_the_prediction() {
    let fails = "[faults.every]\nkind = \"error\"\nprobability = 0.02\n";
    let text = FOUR.replace("2000", "250") + fails;
    let naive = predict(&plan(&text)).availability.get();
    let seen = |run: &Simulated| run.availability().unwrap();
    let exact = coverage(&text, naive, |run| {
        seen(run).clopper_pearson(Confidence::P99)
    });
    // Clopper-Pearson never covers less than it claims; five sigma of 10,000 are 50.
    assert!(exact >= 9_850, "{exact}");
    let shown = coverage(&text, naive, |run| seen(run).wilson(Confidence::P99));
    // Wilson is right on average over all p, and within a point at each.
    assert!((9_800..=9_990).contains(&shown), "{shown}");
}

#[test]
fn where_outages_cluster_failures_batch_means_hold_the_truth_and_plain_intervals_do_not() {
    // Sixty outages of 40 ms in each run, two requests in each.
    let text = "title = \"t\"\n[load]\nrate = 50\nfor = \"12s\"\n[chain]\nrelays = 1\n\
                [faults.down]\nkind = \"error\"\nup = \"160ms\"\ndown = \"40ms\"\n";
    let batch_means =
        |run: &Simulated| batches::wilson(&run.batches(batches::BATCHES), Confidence::P99).unwrap();
    let covered = coverage(text, 0.8, batch_means);
    assert!((9_750..=9_970).contains(&covered), "{covered}");
    let plain = |run: &Simulated| run.availability().unwrap().wilson(Confidence::P99);
    let plain = coverage(text, 0.8, plain);
    assert!(plain < 9_000, "{plain}");
}

#[test]
fn where_no_formula_holds_the_long_run_is_played_and_says_how_sure_it_is() {
    let text = "title = \"t\"\n[load]\nrate = 200\nfor = \"10s\"\n[service.a]\ncalls = [\"b\"]\n[service.b]\n\
                [faults.down]\nkind = \"error\"\non = [\"b\"]\nup = \"1s\"\ndown = \"50ms\"\n\
                [policy.retry]\nretries = 3\nbackoff = \"3ms\"\n";
    let prediction = predict(&plan(text));
    let played = prediction.played.unwrap();
    assert!(played.contains(prediction.availability), "{prediction:?}");
    assert!(played.width() < 0.01, "{played:?}");
    // Between no retries and as many as if each attempt had its own luck.
    assert!(
        (0.953..0.99).contains(&prediction.availability.get()),
        "{prediction:?}"
    );
}

#[test]
fn a_closed_load_of_a_day_is_predicted_in_seconds() {
    let text = "title = \"t\"\n[load]\nmodel = \"closed\"\nworkers = 1000\nfor = \"24h\"\n[chain]\nrelays = 1\n";
    let run = simulate::simulate(&plan(text), 0);
    assert!(
        (250_000..=1_000_000).contains(&run.offered),
        "{}",
        run.offered
    );
}
