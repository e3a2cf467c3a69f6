//! `[scale]` on real processes: looks how busy the replicas of a service are, starts more, and
//! takes some away without losing a request.
//!
//! A replica that is to go is first taken off the lists of its callers; then it ends what it has
//! begun; then it is told to stop. One that comes is put onto the lists when it serves. The
//! decisions are those of [`scenario::scale`], which also plays the run before.

use crate::{
    LabError,
    chain::Ground,
    control::Metrics,
    drive::Drive,
    member::Member,
    process::{Process, Spec},
};
use futures_util::{
    future::{BoxFuture, FutureExt},
    stream::{FuturesUnordered, StreamExt},
};
use report::results::Scaled;
use scenario::scale::{Scale, Scaler, Seen, Staff};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use telemetry::AnchoredClock;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often a replica that is to go is asked whether it is done, and for how long at most. One
/// that is not done then still drains.
const POLL: Duration = Duration::from_millis(25);
const LEAVE: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Replicas over time.
    pub scaled: Option<Scaled>,
    /// What those that are gone had counted, by service.
    pub gone: BTreeMap<String, Metrics>,
    /// Whether that is all: one that was stopped before it had ended what it had begun counts
    /// that when nobody can ask it any more.
    pub is_counted: bool,
}

/// Nobody came or went.
impl Default for Outcome {
    fn default() -> Self {
        Self {
            scaled: None,
            gone: BTreeMap::new(),
            is_counted: true,
        }
    }
}

impl Drive<'_> {
    /// Scales the service that the plan says, until the load ends.
    pub(crate) async fn scale(&self, begin: AnchoredClock) -> Result<Outcome, LabError> {
        let ground = self.site.read().await.ground().cloned();
        let (Some(scale), Some(ground)) = (self.plan.scale(), ground) else {
            return Ok(Outcome::default());
        };
        let end = begin.at + self.plan.load().expected_duration();
        let mut crew = Crew::new(self, scale, &ground, begin);
        let mut next = begin.at + scale.every;
        loop {
            tokio::select! {
                () = sleep_until(end) => break,
                () = sleep_until(next) => {
                    crew.look().await?;
                    next = (next + scale.every).max(Instant::now());
                }
                Some(started) = crew.starting.next() => {
                    let (replica, process) = started?;
                    crew.join(replica, process).await?;
                }
                Some(gone) = crew.leaving.next() => crew.left(gone?),
            }
        }
        while let Some(gone) = crew.leaving.next().await {
            crew.left(gone?);
        }
        let replica_s = crew.staff.replica_seconds(end - begin.at);
        let gone = [(scale.service.to_string(), crew.gone)];
        Ok(Outcome {
            scaled: Some(Scaled {
                service: scale.service.to_string(),
                staff: crew.staff,
                replica_s,
            }),
            gone: gone.into_iter().collect(),
            is_counted: crew.is_counted,
        })
    }
}

/// A replica by its number, once it runs.
type Started = Result<(u32, Process), LabError>;
/// The same when it has gone, and what it had counted; none if it was not done by then.
type Left = Result<(u32, Option<Metrics>), LabError>;

/// The replicas of the service, and what is known of them.
struct Crew<'a> {
    drive: &'a Drive<'a>,
    scale: &'a Scale,
    ground: &'a Ground,
    begin: AnchoredClock,
    scaler: Scaler,
    staff: Staff,
    serving: BTreeSet<u32>,
    starting: FuturesUnordered<BoxFuture<'a, Started>>,
    leaving: FuturesUnordered<BoxFuture<'a, Left>>,
    /// The numbers of all that have not ended.
    taken: BTreeSet<u32>,
    /// How long slots had been taken at the last look, and when that was.
    before: BTreeMap<u32, (f64, Instant)>,
    gone: Metrics,
    is_counted: bool,
}

impl<'a> Crew<'a> {
    fn new(
        drive: &'a Drive<'a>,
        scale: &'a Scale,
        ground: &'a Ground,
        begin: AnchoredClock,
    ) -> Self {
        let first: BTreeSet<_> = (0..drive.plan.topology().replicas(&scale.service)).collect();
        let mut staff = Staff::default();
        staff.change(Duration::ZERO, few(first.len()), 0);
        Self {
            drive,
            scale,
            ground,
            begin,
            scaler: Scaler::new(scale.clone()),
            staff,
            before: first.iter().map(|one| (*one, (0.0, begin.at))).collect(),
            taken: first.clone(),
            serving: first,
            starting: FuturesUnordered::new(),
            leaving: FuturesUnordered::new(),
            gone: Metrics::default(),
            is_counted: true,
        }
    }

    /// Decides how many there should be, and begins to make it so.
    async fn look(&mut self) -> Result<(), LabError> {
        let mut busy = 0.0;
        for member in self.members().await {
            busy += self.busy(&member).await?;
        }
        let (serving, starting) = (self.serving.len(), self.starting.len());
        let seen = Seen {
            serving: few(serving),
            starting: few(starting),
            busy,
        };
        let wanted = self.scaler.decide(self.begin.at.elapsed(), &seen);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        for _ in serving + starting..wanted {
            self.order().await;
        }
        if wanted < serving && starting == 0 {
            let leaving = self.serving.iter().rev().take(serving - wanted);
            let leaving: Vec<_> = leaving.copied().collect();
            self.dismiss(&leaving).await?;
        }
        self.note();
        Ok(())
    }

    /// The share of a replica's slots that was taken since the last look.
    async fn busy(&mut self, member: &Member) -> Result<f64, LabError> {
        let text = self.drive.control.get(member, "metrics").await?;
        let now = Instant::now();
        let read = |name| value(&text, name);
        let slots = read("nines_slots").filter(|slots| *slots > 0.0);
        let time = read("nines_slots_busy_seconds_total").unwrap_or_default();
        let before = self.before.insert(member.replica, (time, now));
        let (Some(slots), Some((earlier, at))) = (slots, before) else {
            return Ok(0.0);
        };
        let passed = (now - at).as_secs_f64();
        let share = (time - earlier) / (passed * slots).max(f64::MIN_POSITIVE);
        Ok(share.clamp(0.0, 1.0))
    }

    /// Starts one more. It serves when it is up, and not before the time that starting takes.
    async fn order(&mut self) {
        let Some(replica) = (0..=u32::MAX).find(|number| !self.taken.contains(number)) else {
            return;
        };
        self.taken.insert(replica);
        let site = self.drive.site.read().await;
        let place = (&*self.scale.service, replica);
        let Some(spec) = site.spec(place, self.drive.plan) else {
            return;
        };
        let serves = Instant::now() + self.scale.start;
        let start = start((replica, spec), self.ground, serves);
        self.starting.push(start.boxed());
    }

    /// One that has started serves from now on.
    async fn join(&mut self, replica: u32, process: Process) -> Result<(), LabError> {
        let drive = self.drive;
        // Nobody goes on to the next phase between the two: it would have the last one's faults.
        let mut site = drive.site.write().await;
        drive.prepare_one(process.member(), self.begin).await?;
        site.add(process);
        drop(site);
        self.serving.insert(replica);
        self.before.insert(replica, (0.0, Instant::now()));
        self.tell().await?;
        self.note();
        Ok(())
    }

    /// These get no more requests, and go when they have ended those that they have.
    async fn dismiss(&mut self, replicas: &[u32]) -> Result<(), LabError> {
        for replica in replicas {
            self.serving.remove(replica);
            self.before.remove(replica);
        }
        self.tell().await?;
        for replica in replicas {
            let leave = leave(self.drive, &self.scale.service, *replica);
            self.leaving.push(leave.boxed());
        }
        Ok(())
    }

    fn left(&mut self, (replica, counted): (u32, Option<Metrics>)) {
        self.taken.remove(&replica);
        match counted {
            Some(counted) => self.gone.add(&counted),
            None => self.is_counted = false,
        }
    }

    /// Tells every caller who serves.
    async fn tell(&self) -> Result<(), LabError> {
        let topology = self.drive.plan.topology();
        let site = self.drive.site.read().await;
        let service = &self.scale.service;
        let urls: Vec<_> = site
            .urls(service)
            .into_iter()
            .filter(|(replica, _)| self.serving.contains(replica))
            .map(|(_, url)| url)
            .collect();
        let told = BTreeMap::from([(service.to_string(), urls)]);
        let calls = |member: &&Member| topology.calls(&member.service).contains(service);
        for caller in site.members().filter(calls) {
            self.drive.control.put(caller, "replicas", &told).await?;
        }
        Ok(())
    }

    async fn members(&self) -> Vec<Member> {
        let site = self.drive.site.read().await;
        let serves = |member: &&Member| {
            *member.service == *self.scale.service && self.serving.contains(&member.replica)
        };
        site.members().filter(serves).cloned().collect()
    }

    fn note(&mut self) {
        let at = self.begin.at.elapsed();
        let (serving, starting) = (few(self.serving.len()), few(self.starting.len()));
        self.staff.change(at, serving, starting);
    }
}

async fn start((replica, spec): (u32, Spec), ground: &Ground, serves: Instant) -> Started {
    let process = Process::start(&ground.program, &spec, &ground.folder).await?;
    sleep_until(serves).await;
    Ok((replica, process))
}

/// Lets a replica that nobody calls any more end what it has begun, and stops it.
async fn leave(drive: &Drive<'_>, service: &str, replica: u32) -> Left {
    let is_it = |member: &&Member| (&*member.service, member.replica) == (service, replica);
    let member = drive.site.read().await.members().find(is_it).cloned();
    let Some(member) = member else {
        return Ok((replica, Some(Metrics::default())));
    };
    // A call that began just before its caller was told may still come.
    let idle = async {
        loop {
            sleep(POLL).await;
            let before = drive.control.read(&member).await?;
            sleep(POLL).await;
            let now = drive.control.read(&member).await?;
            if now.active == 0 && now == before {
                return Ok::<_, LabError>(now);
            }
        }
    };
    let counted = match timeout(LEAVE, idle).await {
        Ok(counted) => Some(counted?),
        Err(_) => None,
    };
    let process = drive.site.write().await.take(service, replica);
    if let Some(process) = process
        && !process.stop().await
    {
        tracing::warn!(service = member.name, "did not end well");
    }
    Ok((replica, counted))
}

/// A value in Prometheus' text format, whatever its labels.
fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let found = series.split_once('{').map_or(series, |(name, _)| name);
        (found == name).then(|| value.parse().ok()).flatten()
    })
}

/// A number of replicas.
fn few(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_that_of_its_whole_name_whatever_its_labels() {
        let text = "# TYPE nines_slots gauge\nnines_slots{otel_scope_name=\"nines\"} 4\n\
                    nines_slots_busy_seconds_total 1.25\n";
        assert_eq!(value(text, "nines_slots"), Some(4.0));
        assert_eq!(value(text, "nines_slots_busy_seconds_total"), Some(1.25));
        assert_eq!(value(text, "nines_slots_busy"), None);
    }
}
