//! Where a value lies on a canvas.

/// Values from `low` to `high`, laid out between two places. A value beyond an end lies on it:
/// nothing is drawn outside of its axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    places: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    /// Equal steps of the value are equal steps on the canvas.
    pub(crate) fn linear(low: f64, high: f64, places: (f64, f64)) -> Self {
        let (low, high) = wide(low, high);
        Self {
            low,
            high,
            places,
            logarithmic: false,
        }
    }

    /// Equal factors of the value are equal steps on the canvas; for values above 0.
    pub(crate) fn logarithmic(low: f64, high: f64, places: (f64, f64)) -> Self {
        let positive = |value: f64| if value > 0.0 { value } else { 1.0 };
        let (low, high) = wide(positive(low).log10(), positive(high).log10());
        Self {
            low,
            high,
            places,
            logarithmic: true,
        }
    }

    /// The place of `value`. One that is not a number lies at the low end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        };
        let share = (value.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        let share = if share.is_finite() { share } else { 0.0 };
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    /// About `most` round values: evenly spaced, or powers of ten with 2 and 5 between them
    /// where there is room.
    pub(crate) fn ticks(&self, most: u32) -> Vec<f64> {
        if !self.logarithmic {
            return multiples(self.low, self.high, round_step(self.high - self.low, most));
        }
        let step = round_step(self.high - self.low, most).max(1.0);
        let decades = multiples((self.low - 1.0).floor(), self.high, step);
        let times = |factors: &[f64]| -> Vec<f64> {
            let ticks = decades.iter().flat_map(|decade| {
                let power = 10_f64.powf(*decade);
                factors.iter().map(move |factor| factor * power)
            });
            let inside = |tick: &f64| (self.low..=self.high).contains(&tick.log10());
            ticks.filter(inside).collect()
        };
        let close = times(&[1.0, 2.0, 5.0]);
        if step > 1.0 || close.len() > most as usize {
            times(&[1.0])
        } else {
            close
        }
    }
}

/// The multiples of `step` from `low` to `high`.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    /// More than any axis has room for.
    const MOST: u32 = 40;
    // A hair of slack, for 0.1 is no sum of binary fractions.
    let slack = step * 1e-9;
    let first = ((low - slack) / step).ceil();
    let all = (0..MOST).map(|nth| (first + f64::from(nth)) * step);
    all.take_while(|tick| *tick <= high + slack).collect()
}

/// Two ends that are numbers and apart.
fn wide(low: f64, high: f64) -> (f64, f64) {
    match (low.is_finite(), high.is_finite()) {
        (true, true) if high - low > 1e-9 => (low, high),
        (true, _) => (low - 0.5, low + 0.5),
        _ => (0.0, 1.0),
    }
}

/// A step of 1, 2 or 5 times a power of ten, of which at most `most` fit into `span`.
fn round_step(span: f64, most: u32) -> f64 {
    let least = span / f64::from(most.max(1));
    let power = 10_f64.powf(least.log10().floor());
    let fits = |factor: &&f64| **factor * power >= least * (1.0 - 1e-9);
    [1.0, 2.0, 5.0].iter().find(fits).unwrap_or(&10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let percent = Scale::linear(0.94, 1.0, (0.0, 100.0));
        let ticks: Vec<_> = percent.ticks(4).iter().map(|t| format!("{t:.2}")).collect();
        assert_eq!(ticks, ["0.94", "0.96", "0.98", "1.00"]);
        let ms = Scale::logarithmic(0.5, 300.0, (0.0, 100.0));
        let ticks: Vec<_> = ms.ticks(5).iter().map(|t| format!("{t:.0}")).collect();
        assert_eq!(ticks, ["1", "10", "100"]);
        let ms = Scale::logarithmic(40.0, 300.0, (0.0, 100.0));
        let ticks: Vec<_> = ms.ticks(5).iter().map(|t| format!("{t:.0}")).collect();
        assert_eq!(ticks, ["50", "100", "200"]);
    }

    proptest! {
        #[test]
        fn nothing_lies_outside_of_its_axis(
            low in proptest::num::f64::ANY, high in proptest::num::f64::ANY,
            value in proptest::num::f64::ANY,
        ) {
            for scale in [Scale::linear(low, high, (100.0, 20.0)), Scale::logarithmic(low, high, (100.0, 20.0))] {
                let at = scale.at(value);
                prop_assert!((20.0..=100.0).contains(&at), "{scale:?} {at}");
                prop_assert!(scale.ticks(5).len() <= 11);
            }
        }
    }
}
