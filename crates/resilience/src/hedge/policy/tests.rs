use super::*;

fn refused(change: impl FnOnce(&mut HedgeSettings)) -> String {
    let mut settings = HedgeSettings::default();
    change(&mut settings);
    HedgePolicy::new(settings).unwrap_err().to_string()
}

#[test]
fn a_setting_that_can_not_be_is_refused_with_field_value_and_what_is_allowed() {
    let cases = [
        (
            refused(|it| it.delay = Duration::ZERO),
            "delay: 0s can't be; allowed: a duration",
        ),
        (refused(|it| it.delay = 2 * HOUR), "delay: 2h"),
        (refused(|it| it.quantile = Some(0.0)), "quantile: 0"),
        (refused(|it| it.quantile = Some(1.0)), "quantile: 1"),
        (refused(|it| it.quantile = Some(f64::NAN)), "quantile: NaN"),
        (refused(|it| it.budget.ratio = -1.0), "budget.ratio: -1"),
        (refused(|it| it.budget.capacity = 0), "budget.capacity: 0"),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn settings_are_written_as_people_write_them_and_read_back() {
    let text = r#"{"delay":"20ms","quantile":0.95,"budget":{"ratio":0.05}}"#;
    let policy: HedgePolicy = serde_json::from_str(text).unwrap();
    assert_eq!(policy.settings().delay, 20 * MS);
    assert!((policy.settings().budget.ratio - 0.05).abs() < 1e-9);
    for policy in [policy, HedgePolicy::default()] {
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<HedgePolicy>(&text).unwrap(), policy);
    }
    assert!(serde_json::from_str::<HedgePolicy>(r#"{"dely":"1s"}"#).is_err());
}

#[test]
fn the_default_can_be_and_adds_a_tenth_of_load_at_most() {
    let policy = HedgePolicy::new(HedgeSettings::default()).unwrap();
    assert_eq!(policy, HedgePolicy::default());
    assert!((policy.settings().budget.ratio - 0.1).abs() < 1e-9);
}
