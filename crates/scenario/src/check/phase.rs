//! `[[phase]]`: windows in time, and the timeline that they make.

use super::{At, Check, Checked, Tables, load::MOST_REQUESTS};
use crate::{
    place::Place,
    plan::{Length, Load, Model, Phase, PlannedFault, Policy},
    raw::RawPhase,
    source::Span,
    topology::{Name, Topology},
};
use humantime::format_duration;
use std::time::Duration;
use toml::Spanned;

const AT: &[&str] = &["phase", "at"];
const FOR: &[&str] = &["phase", "for"];
const RATE: &[&str] = &["phase", "rate"];
const MOST_WINDOWS: usize = 100;

/// A stretch of the run in which something is different; windows may overlap.
#[derive(Debug)]
pub(super) struct Window {
    title: Option<String>,
    start: Duration,
    end: Duration,
    faults: Vec<PlannedFault>,
    rate: Option<Spanned<f64>>,
    policy: Option<Spanned<Policy>>,
    /// Where it is written, and where its faults are.
    place: Spanned<()>,
}

impl Window {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn covers(&self, instant: Duration) -> bool {
        (self.start..self.end).contains(&instant)
    }
}

impl Check<'_> {
    /// The windows in the order of the file.
    pub(super) fn windows(
        &mut self,
        phases: &[Spanned<RawPhase>],
        load: Option<&Load>,
        topology: Option<&Topology>,
    ) -> Checked<Vec<Window>> {
        let Some(first) = phases.first() else {
            return Ok(Vec::new());
        };
        if phases.len() > MOST_WINDOWS {
            return self.refuse(&["phase"], first);
        }
        if let Some(Length::Requests(_)) = load.map(|load| load.length) {
            let reason = "a timeline needs a run that ends at a stated time; \
                          allowed: `load.for` in place of `load.requests`";
            return self.conflict(&["phase"], first, reason.to_owned());
        }
        let windows: Vec<_> = phases
            .iter()
            .map(|phase| self.window(phase, load, topology))
            .collect();
        windows.into_iter().collect()
    }

    fn window(
        &mut self,
        phase: &Spanned<RawPhase>,
        load: Option<&Load>,
        topology: Option<&Topology>,
    ) -> Checked<Window> {
        let (place, raw) = (phase.span(), phase.get_ref());
        let title = raw.title.as_ref();
        let title = title.map(|title| self.line(&["phase", "title"], title));
        let run = load.and_then(|load| match load.length {
            Length::For(run) => Some(run),
            Length::Requests(_) => None,
        });
        let times = self.times(raw, place.clone(), run);
        let is_nothing = raw.faults.is_empty() && raw.rate.is_none() && raw.policy.is_none();
        let faults = if is_nothing {
            self.missing(&["phase", "faults"], place.clone())
        } else {
            self.faults(Tables::OfPhase, &raw.faults, topology)
        };
        let rate = raw.rate.as_ref().map(|rate| self.rate_of(rate, load));
        let policy = raw.policy.as_ref().map(|policy| {
            let checked = self.policy(At::phase(place.start), policy.get_ref());
            checked.map(|checked| Spanned::new(policy.span(), checked))
        });
        let (start, end) = times?;
        Ok(Window {
            title: title.transpose()?,
            start,
            end,
            faults: faults?,
            rate: rate.transpose()?,
            policy: policy.transpose()?,
            place: Spanned::new(place, ()),
        })
    }

    fn rate_of(&mut self, rate: &Spanned<f64>, load: Option<&Load>) -> Checked<Spanned<f64>> {
        if matches!(load.map(|load| load.model), Some(Model::Closed { .. })) {
            let reason = "a closed load has no rate; allowed: leave it out".to_owned();
            return self.conflict(RATE, rate, reason);
        }
        let value = self.rate(RATE, rate)?;
        Ok(Spanned::new(rate.span(), value))
    }

    /// Refuses rates and policies that overlap: only one of each can hold.
    pub(super) fn alone(&mut self, windows: &[Window]) -> Checked<()> {
        let mut all = Ok(());
        for (place, window) in windows.iter().enumerate() {
            let before = || {
                let others = windows[..place].iter();
                others.filter(|other| window.overlaps(other))
            };
            let other = before().find_map(|other| other.rate.as_ref());
            if let (Some(here), Some(other)) = (&window.rate, other) {
                let reason = self.twice(&other.span());
                all = self.conflict(RATE, here, reason);
            }
            let other = before().find_map(|other| other.policy.as_ref());
            if let (Some(here), Some(other)) = (&window.policy, other) {
                let reason = self.twice(&other.span());
                all = self.conflict(&["phase", "policy"], here, reason);
            }
        }
        all
    }

    /// Refuses rates that together make more requests than a run may have.
    pub(super) fn few_enough(&mut self, phases: &[Phase], windows: &[Window]) -> Checked<()> {
        let requests: f64 = phases.iter().map(Phase::expected_requests).sum();
        let stated = windows.iter().filter_map(|window| window.rate.as_ref());
        let highest = stated.max_by(|a, b| a.get_ref().total_cmp(b.get_ref()));
        match highest {
            Some(rate) if requests > f64::from(MOST_REQUESTS) => {
                let reason = format!(
                    "the run makes {requests:.0} requests in all; allowed: at most {MOST_REQUESTS}"
                );
                self.conflict(RATE, rate, reason)
            }
            _ => Ok(()),
        }
    }

    fn twice(&self, other: &Span) -> String {
        let (line, column) = self.source.position(other.start);
        format!(
            "a stretch that overlaps states one as well (line {line}, column {column}); \
             allowed: one at a time"
        )
    }

    /// Start and end of a window, within the run.
    fn times(
        &mut self,
        raw: &RawPhase,
        place: Span,
        run: Option<Duration>,
    ) -> Checked<(Duration, Duration)> {
        let start = match &raw.at {
            Some(at) => self.instant(at, run),
            None => self.missing(AT, place.clone()),
        };
        let Some(length) = &raw.r#for else {
            return self.missing(FOR, place);
        };
        let lasts = self.duration(FOR, length, Duration::from_hours(24))?;
        let start = start?;
        let end = start.saturating_add(lasts);
        match run {
            Some(run) if end > run => {
                let (end, run) = (format_duration(end), format_duration(run));
                let reason = format!("ends at {end}, after the run; allowed: up to {run}");
                self.conflict(FOR, length, reason)
            }
            _ => Ok((start, end)),
        }
    }

    fn instant(&mut self, text: &Spanned<String>, run: Option<Duration>) -> Checked<Duration> {
        self.moment(AT, text, |at| run.is_none_or(|run| at < run))
    }

    /// A point of the run, in whole milliseconds from its start.
    pub(super) fn moment(
        &mut self,
        path: &[&str],
        text: &Spanned<String>,
        inside: impl Fn(Duration) -> bool,
    ) -> Checked<Duration> {
        let whole = |at: Duration| at.subsec_nanos().is_multiple_of(1_000_000);
        match humantime::parse_duration(text.get_ref()) {
            Ok(at) if whole(at) && inside(at) => Ok(at),
            _ => self.refuse(path, text),
        }
    }

    /// Refuses faults that have the same name on the same service at the same time: they
    /// could not be told apart, and one would take the place of the other.
    pub(super) fn distinct(&mut self, run: &[PlannedFault], windows: &[Window]) -> Checked<()> {
        let mut all = Ok(());
        for (place, window) in windows.iter().enumerate() {
            let before = windows[..place]
                .iter()
                .filter(|other| window.overlaps(other));
            let others = before.flat_map(|other| &other.faults).chain(run);
            if let Some((fault, place)) = clash(&window.faults, others) {
                let reason = format!(
                    "its fault `{fault}` is on `{place}` at the same time as another of that \
                     name; allowed: a name of its own"
                );
                all = self.conflict(&["phase", "faults"], &window.place, reason);
            }
        }
        all
    }
}

/// A name that a fault here shares with one of the others, and a place that has both.
fn clash<'a>(
    here: &[PlannedFault],
    others: impl Iterator<Item = &'a PlannedFault>,
) -> Option<(Name, Place)> {
    let others: Vec<_> = others.collect();
    here.iter().find_map(|fault| {
        let same = others
            .iter()
            .filter(|other| other.fault.id == fault.fault.id);
        let taken: Vec<_> = same.flat_map(|other| &other.on).collect();
        let met = |place: &&Place| taken.iter().any(|taken| taken.meets(place));
        let place = fault.on.iter().find(met)?;
        Some((fault.fault.id.clone(), place.clone()))
    })
}

/// The run, cut wherever a window begins or ends.
pub(super) fn timeline(
    load: Load,
    policy: &Policy,
    faults: &[PlannedFault],
    windows: &[Window],
) -> Vec<Phase> {
    let run = match load.length {
        Length::For(run) => Some(run),
        Length::Requests(_) => None,
    };
    let edges = windows.iter().flat_map(|window| [window.start, window.end]);
    let mut cuts: Vec<_> = edges.chain([Duration::ZERO]).chain(run).collect();
    cuts.sort_unstable();
    cuts.dedup();
    // The end of the run is no start.
    let starts = cuts.iter().filter(|cut| run.is_none_or(|run| **cut < run));
    let phase = |(place, start): (usize, &Duration)| {
        let active = || windows.iter().filter(|window| window.covers(*start));
        let titles: Vec<_> = active()
            .filter_map(|window| window.title.as_deref())
            .collect();
        let more = active().flat_map(|window| &window.faults);
        let end = cuts.get(place + 1).copied().or(run);
        let rate = active().find_map(|window| window.rate.as_ref());
        let own = active().find_map(|window| window.policy.as_ref());
        Phase {
            title: (!titles.is_empty()).then(|| titles.join(", ")),
            start: *start,
            length: end.map(|end| end.saturating_sub(*start)),
            load: Load {
                rate: rate.map_or(load.rate, |rate| *rate.get_ref()),
                ..load
            },
            faults: faults.iter().chain(more).cloned().collect(),
            policy: own.map_or(*policy, |own| *own.get_ref()),
        }
    };
    starts.enumerate().map(phase).collect()
}
