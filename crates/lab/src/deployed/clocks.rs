//! Outages come by the clocks of services: how far are these from this machine's?

use super::differences::differs;
use crate::{LabError, control::Control, member::Member};
use faults::When;
use futures_util::future::try_join_all;
use reqwest::header::DATE;
use scenario::Plan;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

/// How far the clock of a service may be from this machine's.
const APART: Duration = Duration::from_secs(2);
/// Less than this share of the shortest outage does not matter.
const MATTERS: f64 = 0.1;
/// How often a service is asked what time it is, and for how long at most. It tells the second,
/// and once in a second another one.
const POLL: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3);

/// Refuses a chain with a clock that is too far from this machine's. How far the farthest is that
/// matters, by which outages come earlier or later than predicted; none if none does.
pub(super) async fn check(
    control: &Control,
    members: &[Member],
    plan: &Plan,
) -> Result<Option<Duration>, LabError> {
    let Some(shortest) = shortest_outage(plan) else {
        return Ok(None);
    };
    let clocks = members.iter().map(|member| clock(control, member));
    let clocks = try_join_all(clocks).await?;
    let clocks = || members.iter().zip(&clocks);
    let clocks = || clocks().filter_map(|(member, clock)| Some((member, clock.as_ref()?)));
    if let Some((member, clock)) = clocks().find(|(_, clock)| clock.at_least() > APART) {
        return Err(differs(format!(
            "the clock of {} is {:.1} s from this machine's; allowed: {:.1} s, \
             for the scenario's outages come by the clock",
            member.name,
            clock.apart.as_secs_f64(),
            APART.as_secs_f64()
        )));
    }
    let matters = |clock: &&Clock| clock.at_least() > shortest.mul_f64(MATTERS);
    let off = clocks().map(|(_, clock)| clock).filter(matters);
    Ok(off.map(|clock| clock.apart).max())
}

/// The shortest time for which a fault of the plan lasts that comes and goes: of those whose
/// times are drawn, on average.
fn shortest_outage(plan: &Plan) -> Option<Duration> {
    let faults = plan.phases().iter().flat_map(|phase| &phase.faults);
    let shortest = |when: &When| match when {
        When::Always => None,
        When::Renewal(renewal) => Some(renewal.down),
        When::Windows(windows) => windows.iter().map(|window| window.length).min(),
    };
    faults
        .filter_map(|planned| shortest(&planned.fault.when))
        .min()
}

/// What is known of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    /// How far it is from this machine's.
    apart: Duration,
    /// By how much that may be wrong.
    give_or_take: Duration,
}

impl Clock {
    /// It began to show the second `said` when this machine's was between these two.
    fn new(said: SystemTime, (earlier, later): (SystemTime, SystemTime)) -> Self {
        let half = later.duration_since(earlier).unwrap_or_default() / 2;
        let here = earlier + half;
        let behind = here.duration_since(said);
        Self {
            apart: behind.unwrap_or_else(|ahead| ahead.duration()),
            give_or_take: half,
        }
    }

    fn at_least(&self) -> Duration {
        self.apart.saturating_sub(self.give_or_take)
    }
}

/// The clock of `member`, if it tells the time.
async fn clock(control: &Control, member: &Member) -> Result<Option<Clock>, LabError> {
    let give_up = Instant::now() + LONG;
    let mut before = None;
    while Instant::now() < give_up {
        let asked = SystemTime::now();
        let Some(said) = second(control, member).await? else {
            return Ok(None);
        };
        match before {
            Some((earlier, other)) if other != said => {
                return Ok(Some(Clock::new(said, (earlier, SystemTime::now()))));
            }
            _ => before = Some((asked, said)),
        }
        sleep(POLL).await;
    }
    Ok(None)
}

/// What time it is at `member`, in whole seconds.
async fn second(control: &Control, member: &Member) -> Result<Option<SystemTime>, LabError> {
    let Some(answer) = control.find(member, "livez").await? else {
        return Ok(None);
    };
    let date = answer.headers().get(DATE).and_then(|it| it.to_str().ok());
    Ok(date.and_then(|date| httpdate::parse_http_date(date).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_is_as_far_as_its_seconds_begin_before_or_after_ours() {
        let ms = Duration::from_millis;
        let said = SystemTime::UNIX_EPOCH + SECOND * 1_000;
        let seen = |from, to| Clock::new(said, (said + from, said + to));
        let ahead = Clock::new(said + SECOND, (said + ms(590), said + ms(610)));
        for clock in [seen(ms(390), ms(410)), ahead] {
            assert_eq!((clock.apart, clock.give_or_take), (ms(400), ms(10)));
            assert_eq!(clock.at_least(), ms(390));
        }
        let same = Clock::new(said, (said - ms(4), said + ms(6)));
        assert_eq!(same.at_least(), Duration::ZERO);
    }

    #[test]
    fn the_shortest_outage_decides_how_far_clocks_may_be_apart() {
        let outage = |faults: &str| {
            let text = format!(
                "title = \"t\"\n[load]\nrate = 1\nfor = \"9s\"\n[chain]\nrelays = 1\n{faults}"
            );
            shortest_outage(&scenario::parse("t", &text).unwrap())
        };
        let always = "[faults.a]\nkind = \"error\"\nprobability = 0.1\n";
        assert_eq!(outage(always), None);
        let long = "[faults.b]\nkind = \"error\"\nup = \"2s\"\ndown = \"1s\"\n";
        assert_eq!(outage(long), Some(SECOND));
        let short = "[faults.c]\nkind = \"error\"\nup = \"2s\"\ndown = \"10ms\"\n";
        let all = format!("{always}{long}{short}");
        assert_eq!(outage(&all), Some(Duration::from_millis(10)));
    }
}
