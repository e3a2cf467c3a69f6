//! `[load]`.

use super::{Check, Checked};
use crate::{
    plan::{Length, Load},
    raw::RawLoad,
};
use std::time::Duration;
use toml::Spanned;

/// How long a client waits that states nothing else.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);

const HIGHEST_RATE: f64 = 1e6;
const MOST_REQUESTS: u32 = 10_000_000;
const LONGEST_RUN: Duration = Duration::from_hours(24);

impl Check<'_> {
    pub(super) fn load(&mut self, load: Option<Spanned<RawLoad>>) -> Checked<Load> {
        let Some(load) = load else {
            return self.missing(&["load"], 0..0);
        };
        let (table, load) = (load.span(), load.into_inner());
        let rate = match &load.rate {
            Some(rate) => self.rate(rate),
            None => self.missing(&["load", "rate"], table.clone()),
        };
        let length = match (&load.requests, &load.r#for) {
            (Some(requests), None) => self.requests(requests, rate),
            (None, Some(duration)) => self.run_duration(duration, rate),
            (None, None) => self.missing(&["load", "requests"], table),
            (Some(_), Some(duration)) => {
                let reason = "`load.requests` is stated as well; allowed: exactly one of the two";
                self.conflict(&["load", "for"], duration, reason.to_owned())
            }
        };
        let patience = self.optional_duration(&["load", "patience"], load.patience.as_ref());
        let patience = patience?.unwrap_or(DEFAULT_PATIENCE);
        Ok(Load {
            rate: rate?,
            length: length?,
            patience,
        })
    }

    fn rate(&mut self, rate: &Spanned<f64>) -> Checked<f64> {
        let value = *rate.get_ref();
        let fits = value > 0.0 && value <= HIGHEST_RATE;
        if fits {
            Ok(value)
        } else {
            self.refuse(&["load", "rate"], rate)
        }
    }

    fn requests(&mut self, requests: &Spanned<i64>, rate: Checked<f64>) -> Checked<Length> {
        const KEY: &[&str] = &["load", "requests"];
        let number = u32::try_from(*requests.get_ref()).ok();
        let fits = number.filter(|number| (1..=MOST_REQUESTS).contains(number));
        let Some(number) = fits else {
            return self.refuse(KEY, requests);
        };
        let seconds = f64::from(number) / rate?;
        if seconds > LONGEST_RUN.as_secs_f64() {
            let reason =
                format!("takes {seconds:.0} s at this rate; allowed: a run of at most 24 h");
            return self.conflict(KEY, requests, reason);
        }
        Ok(Length::Requests(number.into()))
    }

    fn run_duration(&mut self, text: &Spanned<String>, rate: Checked<f64>) -> Checked<Length> {
        const KEY: &[&str] = &["load", "for"];
        let duration = self.duration(KEY, text, LONGEST_RUN)?;
        let requests = rate? * duration.as_secs_f64();
        if !(1.0..=f64::from(MOST_REQUESTS)).contains(&requests) {
            let reason =
                format!("makes {requests} requests at this rate; allowed: 1 to {MOST_REQUESTS}");
            return self.conflict(KEY, text, reason);
        }
        Ok(Length::For(duration))
    }
}
