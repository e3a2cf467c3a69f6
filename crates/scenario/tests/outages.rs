//! Faults in time: how they are written, and what is predicted of them.

use faults::{Law, Renewal, When, Window};
use scenario::{Class, Plan, Prediction, find, parse, predict};
use std::time::Duration;

const HEAD: &str = "title = \"t\"\n[load]\nrate = 100\nfor = \"10s\"\n";
const SEQUENCE: &str = "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n";

/// The fault on the database, and whatever follows.
fn text(fault: &str) -> String {
    format!("{HEAD}{SEQUENCE}[faults.f]\nkind = \"error\"\non = [\"database\"]\n{fault}")
}

fn plan(fault: &str) -> Plan {
    parse("x.toml", &text(fault)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn of(fault: &str) -> Prediction {
    predict(&plan(fault))
}

fn when(plan: &Plan) -> When {
    plan.phases()[0].faults[0].fault.when.clone()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[track_caller]
fn assert_close(actual: impl Into<f64>, expected: f64) {
    let actual = actual.into();
    assert!(
        (actual - expected).abs() < 1e-12,
        "{actual} is not {expected}"
    );
}

const RENEWAL: &str = "up = \"190ms\"\ndown = \"10ms\"\n";

#[test]
fn outages_and_windows_are_read_and_need_no_probability() {
    let renewal = |law| {
        When::Renewal(Renewal {
            up: ms(190),
            down: ms(10),
            law,
        })
    };
    assert_eq!(when(&plan(RENEWAL)), renewal(Law::Exponential));
    let fixed = format!("{RENEWAL}law = \"fixed\"\n");
    assert_eq!(when(&plan(&fixed)), renewal(Law::Fixed));
    let windows =
        plan("windows = [{ at = \"0s\", for = \"1s\" }, { at = \"1s\", for = \"5ms\" }]\n");
    let window = |at, length| Window { at, length };
    let expected = vec![window(ms(0), ms(1_000)), window(ms(1_000), ms(5))];
    assert_eq!(when(&windows), When::Windows(expected));
    for plan in [plan(RENEWAL), windows] {
        assert_close(plan.phases()[0].faults[0].fault.probability, 1.0);
    }
}

#[test]
fn outages_may_also_stand_in_a_phase() {
    let phase = "[[phase]]\nat = \"1s\"\nfor = \"1s\"\n[phase.faults.g]\nkind = \"error\"\n";
    let plan = plan(&format!("{RENEWAL}{phase}{RENEWAL}"));
    let ids = plan.phases()[1].faults_of("auth", 0);
    assert!(matches!(ids[0].when, When::Renewal(_)));
}

#[test]
fn what_can_not_be_in_time_is_refused() {
    let windows = "windows = [{ at = \"0s\", for = \"1s\" }]\n";
    let cases = [
        (
            "up = \"1s\"\n".to_owned(),
            "`faults.f.down` is missing; allowed: a duration from \"1ms\" to \"24h\" in whole milliseconds (line 7, column 9)",
        ),
        (
            "down = \"1s\"\n".to_owned(),
            "`faults.f.up` is missing; allowed: a duration from \"1ms\" to \"24h\" in whole milliseconds (line 7, column 9)",
        ),
        (
            "up = \"0s\"\ndown = \"1s\"\n".to_owned(),
            "`faults.f.up` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"24h\" in whole milliseconds (line 10, column 6)",
        ),
        (
            "up = \"1s\"\ndown = \"25h\"\n".to_owned(),
            "`faults.f.down` = \"25h\" can't be; allowed: a duration from \"1ms\" to \"24h\" in whole milliseconds (line 11, column 8)",
        ),
        (
            format!("{RENEWAL}law = \"normal\"\n"),
            "`faults.f.law` = \"normal\" can't be; allowed: \"exponential\" or \"fixed\" (line 12, column 7)",
        ),
        (
            "probability = 1\nlaw = \"fixed\"\n".to_owned(),
            "`faults.f.law` = \"fixed\": only outages have it; allowed: with `up` and `down` (line 11, column 7)",
        ),
        (
            format!("{RENEWAL}{windows}"),
            "`faults.f.windows` = [{ at = \"0s\", for = \"1s\" }]: `up` is stated as well; allowed: one of the two (line 12, column 11)",
        ),
        (
            "windows = []\n".to_owned(),
            "`faults.f.windows` = [] can't be; allowed: a list such as [{ at = \"1s\", for = \"500ms\" }], each after the end of the one before (line 10, column 11)",
        ),
        (
            "windows = [{ at = \"0s\" }]\n".to_owned(),
            "`faults.f.windows.for` is missing; allowed: a duration from \"1ms\" to \"24h\" in whole milliseconds (line 10, column 12)",
        ),
        (
            "windows = [{ at = \"-1s\", for = \"1s\" }]\n".to_owned(),
            "`faults.f.windows.at` = \"-1s\" can't be; allowed: a duration from \"0s\" to \"24h\" in whole milliseconds (line 10, column 19)",
        ),
        (
            "windows = [{ at = \"0s\", for = \"0s\" }]\n".to_owned(),
            "`faults.f.windows.for` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"24h\" in whole milliseconds (line 10, column 31)",
        ),
        (
            "windows = [{ at = \"5s\", for = \"1s\" }, { at = \"5s\", for = \"1s\" }]\n".to_owned(),
            "`faults.f.windows` = [{ at = \"5s\", for = \"1s\" }, { at = \"5s\", for = \"1s\" }]: the window at 5s begins before the one before it ends at 6s; allowed: each after the end of the one before (line 10, column 11)",
        ),
        (
            format!(
                "{RENEWAL}[[phase]]\nat = \"0s\"\nfor = \"1s\"\n[phase.faults.g]\nkind = \"error\"\n{windows}"
            ),
            "`phase.faults.g.windows` = [{ at = \"0s\", for = \"1s\" }]: the phase is the window; allowed: leave it out (line 17, column 11)",
        ),
    ];
    for (fault, expected) in cases {
        let errors = parse("x.toml", &text(&fault)).unwrap_err();
        assert_eq!(errors.to_string(), format!("x.toml: {expected}"), "{fault}");
    }
}

#[test]
fn an_outage_counts_by_its_share_of_time() {
    let prediction = of(RENEWAL);
    assert_close(prediction.availability, 0.95);
    assert_eq!(prediction.class, Class::Exact);
    let half = of(&format!("{RENEWAL}probability = 0.5\n"));
    assert_close(half.availability, 0.975);
    // 2 of 10 s, and of the window at the end only what lies within the run.
    let windows = of("windows = [{ at = \"1s\", for = \"1s\" }, { at = \"9s\", for = \"5s\" }]\n");
    assert_close(windows.availability, 0.8);
    assert_eq!(windows.class, Class::Exact);
}

#[test]
fn four_services_with_outages_in_time_are_up_together_as_often_as_by_chance() {
    let builtin = find("a8").unwrap();
    let prediction = predict(&parse(builtin.name, builtin.text).unwrap());
    assert_close(prediction.availability, 0.814_506_25);
    assert_eq!(prediction.class, Class::Exact);
}

#[test]
fn where_outages_meet_what_remembers_them_their_mean_is_only_near() {
    let retry = "[policy.retry]\nbackoff = \"1ms\"\n";
    let breaker = "[policy.breaker]\nconsecutive = 1000\n";
    for policy in [retry, breaker] {
        assert!(
            of(&format!("{RENEWAL}{policy}")).class >= Class::Approximate,
            "{policy}"
        );
    }
    let closed = text(RENEWAL).replace("rate = 100", "model = \"closed\"\nworkers = 4");
    assert_eq!(
        predict(&parse("x.toml", &closed).unwrap()).class,
        Class::Approximate
    );
    // Two services that are down in the same seconds are not down by chance.
    let both =
        text("windows = [{ at = \"1s\", for = \"1s\" }]\n").replace("on = [\"database\"]\n", "");
    assert_eq!(
        predict(&parse("x.toml", &both).unwrap()).class,
        Class::Approximate
    );
}
