//! When a client may ask again.

use std::time::{Duration, SystemTime};

/// The value of a `Retry-After` header (RFC 9110, section 10.2.3), read at `now`: seconds, or a
/// date. A date that has passed is no wait; none for anything else.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_mins(1);
        let asked = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(asked("7"), Some(7));
        assert_eq!(asked(" 7 "), Some(7));
        assert_eq!(asked("Thu, 01 Jan 1970 00:01:30 GMT"), Some(30));
        let over = asked("Thu, 01 Jan 1970 00:00:30 GMT");
        assert_eq!(over, Some(0), "it is over");
        for neither in ["soon", "-1", "1.5", ""] {
            assert_eq!(asked(neither), None, "{neither:?}");
        }
    }
}
