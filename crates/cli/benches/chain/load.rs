//! Logins, and load: the lab's generator where the rate matters, a few clients that wait for
//! their answers where only the number does. Their own CPU is in no figure.

use crate::{chain::Chain, trouble::Trouble};
use chassis::{
    Call, Instruments, Policy, PolicyControl, RequestContext, Upstream,
    outbound::{self, Outbound},
};
use lab::{
    LabError, Silent,
    load::{Target, generate, get},
    tokens::Tokens,
};
use scenario::Plan;
use std::time::Duration;
use telemetry::{AnchoredClock, Export, Identity, Telemetry};
use tokio::task::JoinSet;
use types::{
    auth::{LoginRequest, LoginResponse},
    service,
};

/// Users who ask in turn.
pub const USERS: u32 = 8;
/// Requests under way at once, where the rate does not matter.
const LANES: u32 = 32;
/// A machine that stalls for a moment must not spoil a long run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends requests to chains.
#[derive(Debug)]
pub struct Sender {
    telemetry: Telemetry,
    client: reqwest::Client,
    tokens: Vec<String>,
}

impl Sender {
    /// A sender for users who log in at `chain`, each once. The tokens are good for all
    /// chains on the same stores.
    pub async fn log_in(chain: &Chain) -> Result<Self, Trouble> {
        let identity = Identity {
            service: service::CLIENT.into(),
            replica: "client-0".into(),
        };
        let mut sender = Self {
            telemetry: Telemetry::start(&identity, &Export::Environment)?,
            client: outbound::client()?,
            tokens: Vec::new(),
        };
        let edge = sender.edge(chain)?;
        for user in 1..=USERS {
            sender.tokens.push(log_in(&edge, user).await?);
        }
        Ok(sender)
    }

    /// Sends `requests` for the page to `chain`, `rate` a second. All must be answered.
    pub async fn send(&self, chain: &Chain, requests: u64, rate: f64) -> Result<(), Trouble> {
        let target = Target {
            edge: self.edge(chain)?,
            call: "gateway.me",
            request: get("/v1/me"),
            tokens: Tokens::new(self.tokens.clone()),
            prefix: "bench-".to_owned(),
            patience: PATIENCE,
            policy: PolicyControl::default(),
        };
        let counts = generate(
            target,
            &plan(requests, rate)?,
            AnchoredClock::read(),
            &Silent,
        )
        .await
        .counts;
        all_ok(chain, counts.offered, counts.ok)
    }

    /// The same before anything is measured: it does no harm if some are not answered.
    pub async fn warm_up(&self, chain: &Chain, requests: u64, rate: f64) -> Result<(), Trouble> {
        match self.send(chain, requests, rate).await {
            Err(trouble) if trouble.is_disturbance() => Ok(()),
            done => done,
        }
    }

    /// Sends `requests` for the page to `chain`, as fast as it answers. All must be answered.
    pub async fn send_at_once(&self, chain: &Chain, requests: u64) -> Result<(), Trouble> {
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let (edge, tokens) = (self.edge(chain)?, self.tokens.clone());
            lanes.spawn(async move {
                let mut ok = 0;
                for n in (lane.into()..requests).step_by(LANES as usize) {
                    ok += u64::from(page(&edge, &tokens, n).await);
                }
                ok
            });
        }
        let ok: u64 = lanes.join_all().await.into_iter().sum();
        all_ok(chain, requests, ok)
    }

    fn edge(&self, chain: &Chain) -> Result<Upstream, Trouble> {
        Ok(Upstream::new(&Outbound {
            callee: service::GATEWAY.into(),
            replicas: chain.urls(service::GATEWAY)?.into(),
            tracer: self.telemetry.tracer(),
            instruments: Instruments::new(&self.telemetry.metrics().meter()),
            client: self.client.clone(),
            policy: Policy {
                attempt_timeout: Some(PATIENCE),
                ..Policy::default()
            }
            .into(),
        }))
    }
}

/// The load as a plan; the same seed, so that requests arrive at the same moments at every
/// chain.
fn plan(requests: u64, rate: f64) -> Result<Plan, Trouble> {
    let text = format!(
        "title = \"bench\"\nseed = 1\n[load]\nrate = {rate:?}\nrequests = {requests}\n\
         patience = \"{}s\"\n[chain]\nrelays = 1\n",
        PATIENCE.as_secs()
    );
    let plan = scenario::parse("bench", &text);
    plan.map_err(|errors| LabError::Broken(errors.to_string()).into())
}

/// Whether request number `n` for the page gets it.
async fn page(edge: &Upstream, tokens: &[String], n: u64) -> bool {
    let user = usize::try_from(n).unwrap_or_default() % tokens.len();
    let context = RequestContext::new(format!("bench-{n}"));
    let bearer = format!("Bearer {}", tokens[user]);
    let call = Call::get("gateway.me", "/v1/me").header("authorization", &bearer);
    let answer = edge.call(&context, call).await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

fn all_ok(chain: &Chain, offered: u64, ok: u64) -> Result<(), Trouble> {
    match offered - ok {
        0 => Ok(()),
        not_ok => Err(Trouble::NotOk {
            chain: chain.kind().name(),
            not_ok,
            offered,
        }),
    }
}

async fn log_in(edge: &Upstream, user: u32) -> Result<String, Trouble> {
    let user = format!("user-{user}");
    let request = LoginRequest {
        password: user.replace("user", "password"),
        username: user.clone(),
    };
    let context = RequestContext::new(format!("login-{user}"));
    let call = Call::post("gateway.login", "/v1/login").json(&request);
    let answer = edge.call(&context, call).await;
    let login = answer.and_then(|answer| answer.json::<LoginResponse>());
    match login {
        Ok(login) => Ok(login.token),
        Err(source) => Err(Trouble::Login { user, source }),
    }
}
