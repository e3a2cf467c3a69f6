use super::*;

fn refused(change: impl FnOnce(&mut BalanceSettings)) -> String {
    let mut settings = BalanceSettings::default();
    change(&mut settings);
    BalancePolicy::new(settings).unwrap_err().to_string()
}

fn eject(change: impl FnOnce(&mut EjectSettings)) -> String {
    let mut eject = EjectSettings::default();
    change(&mut eject);
    refused(|it| it.eject = Some(eject))
}

fn check(change: impl FnOnce(&mut CheckSettings)) -> String {
    let mut check = CheckSettings::default();
    change(&mut check);
    refused(|it| it.check = Some(check))
}

#[test]
fn a_setting_that_can_not_be_is_refused_with_field_value_and_what_is_allowed() {
    let cases = [
        (refused(|it| it.panic_below = -0.1), "panic_below: -0.1"),
        (refused(|it| it.panic_below = 1.1), "panic_below: 1.1"),
        (refused(|it| it.panic_below = f64::NAN), "panic_below: NaN"),
        (
            refused(|it| it.pick = Pick::First),
            "check: none can't be; allowed: heartbeats",
        ),
        (eject(|it| it.consecutive = 0), "eject.consecutive: 0"),
        (
            eject(|it| it.consecutive = 10_001),
            "eject.consecutive: 10001",
        ),
        (eject(|it| it.time = Duration::ZERO), "eject.time: 0s"),
        (eject(|it| it.time = 2 * HOUR), "eject.time: 2h"),
        (eject(|it| it.max_time = MS), "eject.max_time: 1ms"),
        (eject(|it| it.max_time = 2 * HOUR), "eject.max_time: 2h"),
        (eject(|it| it.max_share = 0.0), "eject.max_share: 0"),
        (eject(|it| it.max_share = 1.0), "eject.max_share: 1"),
        (eject(|it| it.max_share = f64::NAN), "eject.max_share: NaN"),
        (check(|it| it.every = Duration::ZERO), "check.every: 0s"),
        (check(|it| it.timeout = Duration::ZERO), "check.timeout: 0s"),
        (check(|it| it.timeout = 2 * HOUR), "check.timeout: 2h"),
        (check(|it| it.misses = 0), "check.misses: 0"),
        (
            check(|it| it.hits = 0),
            "check.hits: 0 can't be; allowed: a whole number from 1 to 10000",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_defaults_and_the_plain_settings_can_be() {
    for settings in [BalanceSettings::default(), BalanceSettings::PLAIN] {
        let policy = BalancePolicy::new(settings).unwrap();
        assert_eq!(policy.settings(), &settings);
    }
    assert_eq!(BalancePolicy::PLAIN.settings(), &BalanceSettings::PLAIN);
    assert_eq!(
        BalancePolicy::default().settings(),
        &BalanceSettings::default()
    );
}

#[test]
fn a_heartbeat_may_take_longer_than_its_period() {
    let settings = BalanceSettings {
        pick: Pick::First,
        check: Some(CheckSettings {
            every: MS,
            timeout: HOUR,
            ..CheckSettings::default()
        }),
        ..BalanceSettings::default()
    };
    assert!(BalancePolicy::new(settings).is_ok());
}

#[test]
fn settings_are_written_as_people_write_them_and_read_back() {
    let text = r#"{"pick":"first","retry":"same","eject":{"time":"5s"},"check":true}"#;
    let policy: BalancePolicy = serde_json::from_str(text).unwrap();
    let settings = policy.settings();
    assert_eq!(
        (settings.pick, settings.retry),
        (Pick::First, RetryTo::Same)
    );
    assert_eq!(settings.eject.unwrap().time, Duration::from_secs(5));
    assert_eq!(settings.check, Some(CheckSettings::default()));
    for policy in [policy, BalancePolicy::PLAIN, BalancePolicy::default()] {
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(
            serde_json::from_str::<BalancePolicy>(&text).unwrap(),
            policy
        );
    }
}

#[test]
fn a_part_can_be_switched_off_even_where_the_default_has_it() {
    let read = |text| serde_json::from_str::<BalancePolicy>(text).unwrap();
    assert_eq!(read(r#"{"eject":false}"#).settings().eject, None);
    assert_eq!(read(r#"{"eject":null}"#).settings().eject, None);
    assert_eq!(read("{}").settings().eject, Some(EjectSettings::default()));
    assert_eq!(read("{}").settings().check, None);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let error = |text| {
        serde_json::from_str::<BalancePolicy>(text)
            .unwrap_err()
            .to_string()
    };
    assert!(error(r#"{"eject":{"tme":"5s"}}"#).contains("unknown field `tme`"));
    assert!(error(r#"{"eject":"no"}"#).contains("`false` for none"));
    assert!(error(r#"{"pick":"best"}"#).contains("less_loaded"));
}
