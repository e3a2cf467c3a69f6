use super::*;

fn refused(change: impl FnOnce(&mut CacheSettings)) -> String {
    let mut settings = CacheSettings::default();
    change(&mut settings);
    CachePolicy::new(settings).unwrap_err().to_string()
}

#[test]
fn a_setting_that_can_not_be_is_refused_with_field_value_and_what_is_allowed() {
    let cases = [
        (
            refused(|it| it.fresh = Duration::ZERO),
            "fresh: 0s can't be; allowed: a duration",
        ),
        (refused(|it| it.fresh = 2 * WEEK), "fresh: 14days"),
        (refused(|it| it.stale = Some(Duration::ZERO)), "stale: 0s"),
        (refused(|it| it.stale = Some(2 * WEEK)), "stale: 14days"),
        (refused(|it| it.capacity = 0), "capacity: 0"),
        (refused(|it| it.capacity = MOST + 1), "capacity: 100000001"),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn settings_are_written_as_people_write_them_and_read_back() {
    let text = r#"{"fresh":"500ms","stale":"1m"}"#;
    let policy: CachePolicy = serde_json::from_str(text).unwrap();
    assert_eq!(policy.settings().stale, Some(Duration::from_mins(1)));
    for policy in [policy, CachePolicy::default()] {
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<CachePolicy>(&text).unwrap(), policy);
    }
    assert!(serde_json::from_str::<CachePolicy>(r#"{"ttl":"1s"}"#).is_err());
}

#[test]
fn the_default_can_be() {
    let policy = CachePolicy::new(CacheSettings::default()).unwrap();
    assert_eq!(policy, CachePolicy::default());
}
