//! Numbers in words: every one with its unit, every estimate with its interval.

use availability::{Interval, Probability};

/// A share in percent with two decimals: `96.06 %`.
pub fn percent(value: f64) -> String {
    format!("{:.2} %", value * 100.0)
}

/// A probability in percent.
pub fn probability(value: Probability) -> String {
    percent(value.get())
}

/// An interval in percent: `95.70 – 96.38 %`.
pub fn interval(interval: &Interval) -> String {
    let (low, high) = (interval.low.get() * 100.0, interval.high.get() * 100.0);
    format!("{low:.2} – {high:.2} %")
}

/// A count with its thousands apart: `20,000`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups = groups.map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}

/// A time in milliseconds, in the unit that suits it: `3.2 ms`, `5.00 s`.
pub fn millis(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units_and_thousands_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.960_596_01), "96.06 %");
        assert_eq!(millis(3.21), "3.2 ms");
        assert_eq!(millis(5000.0), "5.00 s");
    }
}
