//! `[load]`.

use super::{Check, Checked, Reported};
use crate::{
    plan::{Length, Load, Model},
    raw::RawLoad,
    source::Span,
};
use std::time::Duration;
use toml::Spanned;

/// How long a client waits that states nothing else.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);

const WORKERS: &[&str] = &["load", "workers"];
const MOST_WORKERS: u32 = 10_000;
/// How long an answer takes at least, for the rate of a closed load: what one exchange on one
/// machine takes.
const SHORTEST: Duration = Duration::from_millis(1);
const HIGHEST_RATE: f64 = 1e6;
pub(super) const MOST_REQUESTS: u32 = 10_000_000;
const LONGEST_RUN: Duration = Duration::from_hours(24);

impl Check<'_> {
    pub(super) fn load(&mut self, load: Option<Spanned<RawLoad>>) -> Checked<Load> {
        let Some(load) = load else {
            return self.missing(&["load"], 0..0);
        };
        let (table, load) = (load.span(), load.into_inner());
        let model = self.model(&table, &load);
        let rate = match (&load.rate, model) {
            (_, Ok(Model::Closed { workers, think })) => {
                Ok(f64::from(workers) / (think + SHORTEST).as_secs_f64())
            }
            (Some(rate), _) => self.rate(&["load", "rate"], rate),
            (None, Ok(Model::Open)) => self.missing(&["load", "rate"], table.clone()),
            (None, Err(reported)) => Err(reported),
        };
        let length = match (&load.requests, &load.r#for) {
            (Some(requests), None) => self.requests(requests, model, rate),
            (None, Some(duration)) => self.run_duration(duration, model, rate),
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
            model: model?,
            length: length?,
            patience,
        })
    }

    fn model(&mut self, table: &Span, load: &RawLoad) -> Checked<Model> {
        let word = load.model.as_ref().map(Spanned::get_ref);
        match (word.map(String::as_str), &load.model) {
            (Some("closed"), _) => self.closed(table, load),
            (Some("open") | None, _) => self.open(load),
            (Some(_), Some(word)) => self.refuse(&["load", "model"], word),
            (Some(_), None) => Err(Reported),
        }
    }

    fn open(&mut self, load: &RawLoad) -> Checked<Model> {
        let reason = "only a closed load has it; allowed: with model = \"closed\"".to_owned();
        if let Some(workers) = &load.workers {
            return self.conflict(WORKERS, workers, reason);
        }
        if let Some(think) = &load.think {
            return self.conflict(&["load", "think"], think, reason);
        }
        Ok(Model::Open)
    }

    fn closed(&mut self, table: &Span, load: &RawLoad) -> Checked<Model> {
        if let Some(rate) = &load.rate {
            let reason = "a closed load asks when it was answered; allowed: leave it out";
            return self.conflict(&["load", "rate"], rate, reason.to_owned());
        }
        let think = self.optional_duration(&["load", "think"], load.think.as_ref());
        let Some(stated) = &load.workers else {
            return self.missing(WORKERS, table.clone());
        };
        let workers = u32::try_from(*stated.get_ref()).ok();
        match workers.filter(|workers| (1..=MOST_WORKERS).contains(workers)) {
            Some(workers) => Ok(Model::Closed {
                workers,
                think: think?.unwrap_or_default(),
            }),
            None => self.refuse(WORKERS, stated),
        }
    }

    pub(super) fn rate(&mut self, path: &[&str], rate: &Spanned<f64>) -> Checked<f64> {
        let value = *rate.get_ref();
        let fits = value > 0.0 && value <= HIGHEST_RATE;
        if fits {
            Ok(value)
        } else {
            self.refuse(path, rate)
        }
    }

    fn requests(
        &mut self,
        requests: &Spanned<i64>,
        model: Checked<Model>,
        rate: Checked<f64>,
    ) -> Checked<Length> {
        const KEY: &[&str] = &["load", "requests"];
        let number = u32::try_from(*requests.get_ref()).ok();
        let fits = number.filter(|number| (1..=MOST_REQUESTS).contains(number));
        let Some(number) = fits else {
            return self.refuse(KEY, requests);
        };
        let seconds = f64::from(number) / rate?;
        if model? == Model::Open && seconds > LONGEST_RUN.as_secs_f64() {
            let reason =
                format!("takes {seconds:.0} s at this rate; allowed: a run of at most 24 h");
            return self.conflict(KEY, requests, reason);
        }
        Ok(Length::Requests(number.into()))
    }

    fn run_duration(
        &mut self,
        text: &Spanned<String>,
        model: Checked<Model>,
        rate: Checked<f64>,
    ) -> Checked<Length> {
        const KEY: &[&str] = &["load", "for"];
        let duration = self.duration(KEY, text, LONGEST_RUN)?;
        let requests = rate? * duration.as_secs_f64();
        // How many a closed load makes is known when it is over.
        let fits = (1.0..=f64::from(MOST_REQUESTS)).contains(&requests);
        if model? == Model::Open && !fits {
            let reason =
                format!("makes {requests} requests at this rate; allowed: 1 to {MOST_REQUESTS}");
            return self.conflict(KEY, text, reason);
        }
        Ok(Length::For(duration))
    }
}
