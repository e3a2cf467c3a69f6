//! Availabilities and rates as text, the same everywhere.

/// Failures below this share are rounding errors: a run would need 10¹² requests to see one.
const NOISE: f64 = 1e-12;

/// An availability in percent: `96.06 %`, `99.9875 %`.
///
/// It has three significant digits of what is missing to 100 %, and two decimals at least, so
/// that more nines always look different from fewer. It is `100.00 %` only if nothing is missing,
/// and `unknown` for something that is no number.
pub fn percent(availability: f64) -> String {
    if availability.is_nan() {
        return "unknown".to_owned();
    }
    format!("{} %", percent_digits(availability))
}

/// The ends of an interval of availabilities: `95.70 – 96.38 %`.
pub fn percent_interval(low: f64, high: f64) -> String {
    format!("{} – {}", percent_digits(low), percent(high))
}

/// An availability as a number from 0 to 1, for programs: at least six decimals, and as many as
/// [`percent`] shows.
pub fn share(availability: f64) -> String {
    let missing = (1.0 - availability).abs();
    let decimals = if missing < NOISE {
        0
    } else {
        decimals(missing) + 2
    };
    format!("{availability:.decimals$}", decimals = decimals.max(6))
}

fn percent_digits(availability: f64) -> String {
    let missing = (1.0 - availability).abs();
    if missing < NOISE {
        return "100.00".to_owned();
    }
    let share = availability * 100.0;
    format!("{share:.decimals$}", decimals = decimals(missing))
}

/// The decimals of a percentage that show three significant digits of `missing`, a share of 1.
fn decimals(missing: f64) -> usize {
    // The exponent after rounding to three digits: 0.00099999 is 1.00e-3.
    let rounded = format!("{missing:.2e}");
    let exponent = rounded.split_once('e').and_then(|(_, e)| e.parse().ok());
    let exponent: i32 = exponent.unwrap_or_default();
    // 1.23e-4 of 1 is 0.0123 %: four decimals.
    usize::try_from(-exponent).unwrap_or_default().max(2)
}

/// Something per second, in four significant digits: `0.4/s`, `235.3/s`, `1500/s`.
pub fn rate(per_s: f64) -> String {
    format!("{}/s", rate_digits(per_s))
}

/// The ends of an interval of rates: `228.1 – 241.9/s`.
pub fn rate_interval(low: f64, high: f64) -> String {
    format!("{} – {}", rate_digits(low), rate(high))
}

fn rate_digits(per_s: f64) -> String {
    let rounded = format!("{per_s:.3e}");
    let exponent = rounded.split_once('e').and_then(|(_, e)| e.parse().ok());
    let exponent: i32 = exponent.unwrap_or_default();
    let decimals = usize::try_from(3 - exponent).unwrap_or_default();
    let text = format!("{per_s:.decimals$}");
    if text.contains('.') {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return text.to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_availability_shows_three_digits_of_what_is_missing() {
        for (value, text) in [
            (0.0, "0.00 %"),
            (0.5, "50.00 %"),
            (0.960_596_01, "96.06 %"),
            (0.989_999, "99.00 %"),
            (0.99, "99.00 %"),
            (0.995_87, "99.587 %"),
            (0.999_875, "99.9875 %"),
            (0.999_001, "99.9001 %"),
            (0.999, "99.900 %"),
            (0.999_999_6, "99.9999600 %"),
        ] {
            assert_eq!(percent(value), text, "{value}");
        }
        assert_eq!(percent_interval(0.957, 0.963_8), "95.70 – 96.38 %");
        assert_eq!(percent_interval(0.995, 1.0), "99.500 – 100.00 %");
    }

    #[test]
    fn only_what_lost_nothing_is_100_percent() {
        assert_eq!(percent(1.0), "100.00 %");
        // Products of ones may miss it by a rounding error.
        assert_eq!(percent(1.0 - f64::EPSILON), "100.00 %");
        assert_eq!(percent(1.0 + f64::EPSILON), "100.00 %");
        for exponent in 1..=11 {
            let text = percent(1.0 - 10_f64.powi(-exponent));
            assert!(!text.starts_with("100"), "{text}");
        }
        assert_eq!(percent(f64::NAN), "unknown");
    }

    #[test]
    fn programs_read_no_fewer_digits_than_people() {
        assert_eq!(share(0.5), "0.500000");
        assert_eq!(share(1.0), "1.000000");
        assert_eq!(share(0.999_875), "0.999875");
        assert_eq!(share(0.999_999_6), "0.999999600");
    }

    #[test]
    fn a_rate_shows_four_digits_and_no_trailing_zeros() {
        for (value, text) in [
            (0.0, "0/s"),
            (0.4, "0.4/s"),
            (0.001_234_5, "0.001234/s"),
            (1.0, "1/s"),
            (9.999_96, "10/s"),
            (33.333_3, "33.33/s"),
            (235.29, "235.3/s"),
            (1500.0, "1500/s"),
            (12_345.6, "12346/s"),
        ] {
            assert_eq!(rate(value), text, "{value}");
        }
        assert_eq!(rate_interval(0.25, 1400.0), "0.25 – 1400/s");
    }
}
