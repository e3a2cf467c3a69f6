//! When a fault acts: `up`, `down` and `law`, or `windows`.

use super::{
    Check, Checked,
    faults::{Id, Tables},
};
use crate::{
    plan::PlannedFault,
    raw::{Named, RawFault, RawWindow},
};
use faults::{InvalidFault, Law, Renewal, When, Window};
use humantime::format_duration;
use std::time::Duration;
use toml::Spanned;

const DAY: Duration = Duration::from_hours(24);
const MOST_WINDOWS: usize = 1_000;

impl Check<'_> {
    pub(super) fn when(&mut self, tables: Tables, id: &Id, raw: &RawFault) -> Checked<When> {
        let Some(windows) = &raw.windows else {
            return self.renewal(tables, id, raw);
        };
        let path = tables.key(id, "windows");
        let others = [("up", &raw.up), ("down", &raw.down), ("law", &raw.law)];
        if let Some((other, _)) = others.into_iter().find(|(_, other)| other.is_some()) {
            let reason = format!("`{other}` is stated as well; allowed: one of the two");
            return self.conflict(&path, windows, reason);
        }
        if matches!(tables, Tables::OfPhase) {
            let reason = "the phase is the window; allowed: leave it out".to_owned();
            return self.conflict(&path, windows, reason);
        }
        if windows.get_ref().len() > MOST_WINDOWS {
            let reason =
                format!("too many; allowed: {MOST_WINDOWS}, or outages with `up` and `down`");
            return self.conflict(&path, windows, reason);
        }
        let each: Vec<_> = windows.get_ref().iter().collect();
        let each: Vec<_> = each
            .iter()
            .map(|raw| self.fault_window(&path, raw))
            .collect();
        match When::windows(each.into_iter().collect::<Checked<_>>()?) {
            Ok(when) => Ok(when),
            Err(InvalidFault::WindowsMeet { at, end }) => {
                let (at, end) = (format_duration(at), format_duration(end));
                let reason = format!(
                    "the window at {at} begins before the one before it ends at {end}; allowed: \
                     each after the end of the one before"
                );
                self.conflict(&path, windows, reason)
            }
            Err(_) => self.refuse(&path, windows),
        }
    }

    /// Refuses windows that all lie behind the end of the run: their fault would never act.
    pub(super) fn within(
        &mut self,
        raw: &Named<RawFault>,
        faults: &[PlannedFault],
        run: Duration,
    ) -> Checked<()> {
        let is_late = |planned: &&PlannedFault| match &planned.fault.when {
            When::Windows(windows) => windows.iter().all(|window| window.at >= run),
            _ => false,
        };
        let late = faults.iter().find(is_late);
        let stated = late.and_then(|late| {
            let mut all = raw.iter();
            let (name, fault) = all.find(|(name, _)| **name.get_ref() == *late.fault.id)?;
            Some((name.get_ref().clone(), fault.windows.as_ref()?))
        });
        let Some((name, windows)) = stated else {
            return Ok(());
        };
        let end = format_duration(run);
        let reason = format!("all begin after the run has ended, at {end}; allowed: one before");
        self.conflict(&["faults", &name, "windows"], windows, reason)
    }

    fn fault_window(&mut self, path: &[&str], raw: &Spanned<RawWindow>) -> Checked<Window> {
        let key = |key| [path, &[key]].concat();
        let (at, length) = (&raw.get_ref().at, &raw.get_ref().r#for);
        let at = match at {
            Some(at) => self.moment(&key("at"), at, |at| at <= DAY),
            None => self.missing(&key("at"), raw.span()),
        };
        let length = match length {
            Some(length) => self.duration(&key("for"), length, DAY),
            None => self.missing(&key("for"), raw.span()),
        };
        Ok(Window {
            at: at?,
            length: length?,
        })
    }

    fn renewal(&mut self, tables: Tables, id: &Id, raw: &RawFault) -> Checked<When> {
        let law = self.law(tables, id, raw);
        let (up, down) = match (&raw.up, &raw.down) {
            (None, None) => {
                return match &raw.law {
                    Some(law) => {
                        let reason = "only outages have it; allowed: with `up` and `down`";
                        self.conflict(&tables.key(id, "law"), law, reason.to_owned())
                    }
                    None => Ok(When::Always),
                };
            }
            (Some(_), None) => return self.missing(&tables.key(id, "down"), id.span()),
            (None, Some(_)) => return self.missing(&tables.key(id, "up"), id.span()),
            (Some(up), Some(down)) => (up, down),
        };
        let up = self.duration(&tables.key(id, "up"), up, DAY);
        let down = self.duration(&tables.key(id, "down"), down, DAY);
        Ok(When::Renewal(Renewal {
            up: up?,
            down: down?,
            law: law?,
        }))
    }

    fn law(&mut self, tables: Tables, id: &Id, raw: &RawFault) -> Checked<Law> {
        let Some(word) = &raw.law else {
            return Ok(Law::default());
        };
        match word.get_ref().as_str() {
            "exponential" => Ok(Law::Exponential),
            "fixed" => Ok(Law::Fixed),
            _ => self.refuse(&tables.key(id, "law"), word),
        }
    }
}
