//! `[[phase]]`: windows in time, and the timeline that they make.

use super::{Check, Checked, Tables};
use crate::{
    plan::{Length, Load, Phase, PlannedFault, Policy},
    raw::RawPhase,
    source::Span,
    topology::{Name, Topology},
};
use humantime::format_duration;
use std::{collections::BTreeSet, time::Duration};
use toml::Spanned;

const AT: &[&str] = &["phase", "at"];
const FOR: &[&str] = &["phase", "for"];
const MOST_WINDOWS: usize = 100;

/// A stretch of the run in which more goes wrong; windows may overlap.
#[derive(Debug)]
pub(super) struct Window {
    title: Option<String>,
    start: Duration,
    end: Duration,
    faults: Vec<PlannedFault>,
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
        let run = match load.map(|load| load.length) {
            Some(Length::For(run)) => Some(run),
            Some(Length::Requests(_)) => {
                let reason = "a timeline needs a run that ends at a stated time; \
                              allowed: `load.for` in place of `load.requests`";
                return self.conflict(&["phase"], first, reason.to_owned());
            }
            None => None,
        };
        let windows: Vec<_> = phases
            .iter()
            .map(|phase| self.window(phase, run, topology))
            .collect();
        windows.into_iter().collect()
    }

    fn window(
        &mut self,
        phase: &Spanned<RawPhase>,
        run: Option<Duration>,
        topology: Option<&Topology>,
    ) -> Checked<Window> {
        let (place, raw) = (phase.span(), phase.get_ref());
        let title = raw.title.as_ref();
        let title = title.map(|title| self.line(&["phase", "title"], title));
        let times = self.times(raw, place.clone(), run);
        let faults = if raw.faults.is_empty() {
            self.missing(&["phase", "faults"], place.clone())
        } else {
            self.faults(Tables::OfPhase, &raw.faults, topology)
        };
        let (start, end) = times?;
        Ok(Window {
            title: title.transpose()?,
            start,
            end,
            faults: faults?,
            place: Spanned::new(place, ()),
        })
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

    /// A point of the run, in whole milliseconds from its start.
    fn instant(&mut self, text: &Spanned<String>, run: Option<Duration>) -> Checked<Duration> {
        let whole = |at: &Duration| at.subsec_nanos().is_multiple_of(1_000_000);
        let inside = |at: &Duration| run.is_none_or(|run| *at < run);
        match humantime::parse_duration(text.get_ref()) {
            Ok(at) if whole(&at) && inside(&at) => Ok(at),
            _ => self.refuse(AT, text),
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
            if let Some((fault, service)) = clash(&window.faults, others) {
                let reason = format!(
                    "its fault `{fault}` is on `{service}` at the same time as another of that \
                     name; allowed: a name of its own"
                );
                all = self.conflict(&["phase", "faults"], &window.place, reason);
            }
        }
        all
    }
}

/// A name that a fault here shares with one of the others, and a service that has both.
fn clash<'a>(
    here: &[PlannedFault],
    others: impl Iterator<Item = &'a PlannedFault>,
) -> Option<(Name, Name)> {
    let pairs = |fault: &PlannedFault| {
        let id = fault.fault.id.clone();
        let pair = |service: &Name| (id.clone(), service.clone());
        fault.on.iter().map(pair).collect::<Vec<_>>()
    };
    let taken: BTreeSet<_> = others.flat_map(pairs).collect();
    here.iter()
        .flat_map(pairs)
        .find(|pair| taken.contains(pair))
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
        Phase {
            title: (!titles.is_empty()).then(|| titles.join(", ")),
            start: *start,
            length: end.map(|end| end.saturating_sub(*start)),
            load,
            faults: faults.iter().chain(more).cloned().collect(),
            policy: *policy,
        }
    };
    starts.enumerate().map(phase).collect()
}
