//! What a `[service.NAME]` does besides calling others.

use super::{Check, Checked};
use crate::{
    raw::RawService,
    topology::{Name, Order, Relay, Slots, Work},
};
use std::{num::NonZeroU32, time::Duration};
use toml::Spanned;
use types::names;

const MOST: u32 = 1_000_000;

impl Check<'_> {
    pub(super) fn relay(
        &mut self,
        name: &str,
        raw: &RawService,
        calls: Checked<Vec<Name>>,
    ) -> Checked<Relay> {
        let order = self.order(name, raw);
        let soft = raw.soft.iter().map(|soft| self.soft(name, soft, raw));
        let soft: Vec<_> = soft.collect();
        let work = raw.work.as_ref().map(|work| self.work(name, work));
        let slots = self.slots(name, raw);
        let replicas = raw.replicas.as_ref().map_or(Ok(1), |replicas| {
            self.number_of_replicas(&["service", name, "replicas"], replicas)
        });
        let work = match (work.transpose(), replicas) {
            (Ok(work), Ok(replicas)) => self.together(name, raw, work, replicas),
            (work, _) => work,
        };
        let takeover = raw.takeover.as_ref();
        let takeover = self.optional_duration(&["service", name, "takeover"], takeover);
        Ok(Relay {
            name: name.into(),
            calls: calls?,
            order: order?,
            soft: soft.into_iter().collect::<Checked<_>>()?,
            work: work?,
            slots: slots?,
            replicas: replicas?,
            takeover: takeover?,
        })
    }

    fn order(&mut self, name: &str, raw: &RawService) -> Checked<Order> {
        let Some(word) = &raw.order else {
            return Ok(Order::default());
        };
        match word.get_ref().as_str() {
            "sequence" => Ok(Order::Sequence),
            "parallel" => Ok(Order::Parallel),
            _ => self.refuse(&["service", name, "order"], word),
        }
    }

    /// Only those that are called can be left out.
    fn soft(&mut self, name: &str, soft: &Spanned<String>, raw: &RawService) -> Checked<Name> {
        let called = || raw.calls.iter().map(|callee| callee.get_ref().as_str());
        if called().any(|callee| callee == soft.get_ref()) {
            return Ok(soft.get_ref().as_str().into());
        }
        let reason = names::no_such("service among its calls", soft.get_ref(), called);
        self.conflict(&["service", name, "soft"], soft, reason)
    }

    fn work(&mut self, name: &str, text: &Spanned<String>) -> Checked<Work> {
        const HOUR: Duration = Duration::from_hours(1);
        let path = ["service", name, "work"];
        let Some((kind, time)) = text.get_ref().split_once(':') else {
            return self.refuse(&path, text);
        };
        let whole = |time: &Duration| time.subsec_nanos().is_multiple_of(1_000_000);
        let fits = |time: &Duration| !time.is_zero() && *time <= HOUR && whole(time);
        match (kind, humantime::parse_duration(time).ok().filter(fits)) {
            ("cpu", Some(time)) => Ok(Work::Cpu(time)),
            ("wait", Some(time)) => Ok(Work::Wait(time)),
            _ => self.refuse(&path, text),
        }
    }

    fn slots(&mut self, name: &str, raw: &RawService) -> Checked<Option<Slots>> {
        let queue = raw
            .queue
            .as_ref()
            .map(|queue| self.up_to(name, "queue", queue));
        let Some(slots) = &raw.slots else {
            return match &raw.queue {
                Some(queue) => {
                    let reason = "nobody waits where there are no slots; allowed: with `slots`";
                    self.conflict(&["service", name, "queue"], queue, reason.to_owned())
                }
                None => Ok(None),
            };
        };
        let Some(number) = NonZeroU32::new(self.up_to(name, "slots", slots)?) else {
            return self.refuse(&["service", name, "slots"], slots);
        };
        Ok(Some(Slots {
            slots: number,
            queue: queue.transpose()?,
        }))
    }

    fn up_to(&mut self, name: &str, key: &str, stated: &Spanned<i64>) -> Checked<u32> {
        let number = u32::try_from(*stated.get_ref()).ok();
        let number = number.filter(|number| *number <= MOST);
        number.map_or_else(|| self.refuse(&["service", name, key], stated), Ok)
    }
}
