use super::*;

fn refused(change: impl FnOnce(&mut LimitSettings)) -> String {
    let mut settings = LimitSettings::default();
    change(&mut settings);
    LimitPolicy::new(settings).unwrap_err().to_string()
}

#[test]
fn a_setting_that_can_not_be_is_refused_with_field_value_and_what_is_allowed() {
    let cases = [
        (
            refused(|it| it.max = 0),
            "max: 0 can't be; allowed: a whole number from 1",
        ),
        (refused(|it| it.max = 1_000_001), "max: 1000001"),
        (refused(|it| it.min = Some(0)), "min: 0"),
        (
            refused(|it| (it.adaptive, it.min) = (true, Some(101))),
            "min: 101 can't be; allowed: a whole number from 1 to `max`",
        ),
        (
            refused(|it| it.min = Some(2)),
            "min: 2 can't be; allowed: only with",
        ),
        (refused(|it| it.wait = Some(Duration::ZERO)), "wait: 0s"),
        (refused(|it| it.wait = Some(2 * HOUR)), "wait: 2h"),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn the_largest_and_smallest_settings_can_be() {
    for max in [1, MOST] {
        let settings = LimitSettings {
            max,
            adaptive: true,
            min: Some(max),
            wait: Some(HOUR),
        };
        assert!(LimitPolicy::new(settings).is_ok());
    }
    let default = LimitPolicy::new(LimitSettings::default()).unwrap();
    assert_eq!(default, LimitPolicy::default());
}

#[test]
fn settings_are_written_as_people_write_them_and_read_back() {
    let text = r#"{"max":8,"wait":"20ms"}"#;
    let policy: LimitPolicy = serde_json::from_str(text).unwrap();
    assert_eq!(policy.settings().wait, Some(Duration::from_millis(20)));
    let again = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<LimitPolicy>(&again).unwrap(), policy);
    assert!(serde_json::from_str::<LimitPolicy>(r#"{"most":8}"#).is_err());
}

#[test]
fn the_lowest_adaptive_limit_is_4_unless_another_is_stated_or_the_most_is_less() {
    for (max, min, lowest) in [
        (100, None, 4),
        (2, None, 2),
        (100, Some(1), 1),
        (9, Some(9), 9),
    ] {
        let settings = LimitSettings {
            max,
            adaptive: true,
            min,
            wait: None,
        };
        let policy = LimitPolicy::new(settings).unwrap();
        assert_eq!(policy.settings().lowest(), lowest, "{max}, {min:?}");
    }
}
