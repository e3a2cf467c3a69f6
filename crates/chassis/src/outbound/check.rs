//! Heartbeats: each replica is asked every now and then whether it takes requests.
//!
//! A call finds out that a replica is down by failing. Heartbeats find out without a call, at
//! the price of some load, and they notice when it is back. Where one replica serves and the
//! others stand by, they carry who it is, too.

use super::{Outbound, replica::Replica, switch::Parts};
use opentelemetry::{Context, KeyValue, trace::SpanBuilder};
use resilience::balance::{Board, CheckSettings, Failover, Heartbeats, Pick};
use std::sync::{Arc, Mutex, PoisonError};
use telemetry::request;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use types::{attribute, header};

/// The heartbeats of a callee's replicas, which end when this is dropped.
#[derive(Debug)]
pub(super) struct Checks(#[expect(dead_code, reason = "dropped, it ends them")] JoinSet<()>);

impl Checks {
    /// Asks the replicas of a stack from now on, if its policy says so, and tells its board.
    pub(super) fn start(outbound: &Outbound, parts: &Parts) -> Option<Self> {
        let (Parts { replicas, .. }, board) = (parts, &parts.known.0);
        let settings = board.policy().settings().check?;
        let has_roles = board.policy().settings().pick == Pick::First;
        let shared = Arc::new(Shared {
            outbound: outbound.clone(),
            board: board.clone(),
            settings,
            failover: has_roles.then(|| Mutex::new(failover(board))),
            beats: replicas.iter().map(|_| Notify::new()).collect(),
            replicas: replicas.clone(),
            name: rand::random(),
        });
        shared.succeed();
        let mut tasks = JoinSet::new();
        for place in 0..replicas.len() {
            tasks.spawn(shared.clone().follow(place));
        }
        Some(Self(tasks))
    }
}

#[derive(Debug)]
struct Shared {
    outbound: Outbound,
    board: Arc<Board>,
    replicas: Vec<Replica>,
    settings: CheckSettings,
    /// Who is active, where one of them is.
    failover: Option<Mutex<Failover>>,
    /// Asks a replica at once, of which there is news to tell.
    beats: Vec<Notify>,
    /// What tells these heartbeats from those of others.
    name: u32,
}

/// Who is active, by what is known already.
fn failover(board: &Board) -> Failover {
    let up = board.replicas().iter().map(|replica| replica.is_up());
    Failover::of(up.collect(), board.active())
}

impl Shared {
    async fn follow(self: Arc<Self>, place: usize) {
        let is_up = self.board.replicas()[place].is_up();
        let mut heartbeats = Heartbeats::new(&self.settings, is_up);
        let mut period = interval(self.settings.every);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0;
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = self.beats[place].notified() => {}
            }
            let answered = self.ask(place, number).await;
            number += 1;
            if let Some(up) = heartbeats.heard(answered) {
                self.changed(place, up);
            }
        }
    }

    /// Whether the replica says in time that it takes requests.
    async fn ask(&self, place: usize, number: u64) -> bool {
        let replica = &self.replicas[place];
        // Chance strikes each heartbeat of each caller for itself.
        let id = format!("heartbeat-{:08x}-{place}-{number}", self.name);
        let request = self.outbound.client.get(format!("{}/readyz", replica.url));
        let mut request = request.header(header::REQUEST_ID, id);
        if self.failover.is_some() {
            let is_active = self.board.active() == place;
            let role = [header::ROLE_STANDBY, header::ROLE_ACTIVE][usize::from(is_active)];
            request = request.header(header::ROLE, role);
        }
        let answer = timeout(self.settings.timeout, request.send()).await;
        answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status().is_success()))
    }

    /// A replica has gone down, or come back.
    fn changed(&self, place: usize, up: bool) {
        let replica = &self.replicas[place];
        let Outbound {
            callee,
            instruments,
            ..
        } = &self.outbound;
        tracing::warn!(%callee, replica = %replica.name, up, "heartbeats");
        self.board.set_up(place, up);
        instruments.replica_changed(callee, up);
        let news = if up {
            attribute::REPLICA_UP
        } else {
            attribute::REPLICA_DOWN
        };
        self.tell(news, replica);
        let Some(failover) = &self.failover else {
            return;
        };
        let mut failover = failover.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = failover.heard(place, up) {
            self.board.set_active(active);
            drop(failover);
            self.failed_over(active);
        }
    }

    /// Whoever was active may be known to be down already, or be on the list no more.
    fn succeed(&self) {
        let Some(failover) = &self.failover else {
            return;
        };
        let failover = failover.lock().unwrap_or_else(PoisonError::into_inner);
        let active = failover.active();
        drop(failover);
        if active != self.board.active() {
            self.board.set_active(active);
            self.failed_over(active);
        }
    }

    /// Another replica is the active one now, and hears of it at once.
    fn failed_over(&self, active: usize) {
        let Outbound {
            callee,
            instruments,
            ..
        } = &self.outbound;
        tracing::warn!(%callee, active, "failover");
        instruments.failed_over(callee);
        self.tell(attribute::REPLICA_ACTIVE, &self.replicas[active]);
        self.beats[active].notify_one();
    }

    /// There is no request to which the news belongs: it has a span of its own.
    fn tell(&self, news: &'static str, replica: &Replica) {
        let span = SpanBuilder::from_name(attribute::REPLICA_SPAN);
        let context = request::start(&self.outbound.tracer, span, &Context::new());
        let about = vec![
            KeyValue::new(attribute::PEER, self.outbound.callee.clone()),
            KeyValue::new(attribute::REPLICA, replica.name.clone()),
        ];
        request::add_event(&context, news, about);
        request::end(&context);
    }
}
