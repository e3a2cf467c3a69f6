//! One request: wait for a slot, work, call, answer.

use crate::{Work, slots::Slots, target::Order};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chassis::{
    Call, Degraded, Json, Refusal, RequestContext, Upstream,
    openapi::{BadRequest, ChainFailures},
};
use futures_util::future::try_join_all;
use std::sync::Arc;
use types::{Outcome, relay::Relayed};
use utoipa_axum::{router::OpenApiRouter, routes};

/// A relay, as it was told to be.
#[derive(Debug)]
pub(crate) struct Relay {
    pub name: String,
    pub callees: Vec<Callee>,
    pub order: Order,
    pub work: Option<Work>,
    pub slots: Option<Arc<Slots>>,
}

/// A service that it calls.
#[derive(Debug)]
pub(crate) struct Callee {
    pub upstream: Upstream,
    /// Whether there is an answer without it.
    pub is_soft: bool,
}

pub(crate) fn router() -> OpenApiRouter<Arc<Relay>> {
    OpenApiRouter::default().routes(routes!(relay))
}

/// Works, calls the others, and answers.
#[utoipa::path(get, path = "/v1/relay", responses(
    (status = 200, description = "All have answered, or all but soft ones", body = Relayed),
    BadRequest, ChainFailures,
))]
async fn relay(
    State(relay): State<Arc<Relay>>,
    context: RequestContext,
) -> Result<Response, Refusal> {
    let _slot = match &relay.slots {
        Some(slots) => Some(slots.take().await?),
        None => None,
    };
    if let Some(work) = relay.work {
        work.run().await;
    }
    let below = relay.call_all(&context).await?;
    Ok(answer(&relay.name, below))
}

impl Relay {
    /// What those below answered; what a soft one failed to say is missing.
    async fn call_all(&self, context: &RequestContext) -> Result<Vec<Heard>, Refusal> {
        let calls = self.callees.iter().map(|callee| callee.call(context));
        match self.order {
            Order::AtOnce => try_join_all(calls).await,
            Order::InTurn => {
                let mut answers = Vec::with_capacity(self.callees.len());
                for call in calls {
                    answers.push(call.await?);
                }
                Ok(answers)
            }
        }
    }
}

impl Callee {
    async fn call(&self, context: &RequestContext) -> Result<Heard, Refusal> {
        match self.ask(context).await {
            Err(_) if self.is_soft => Ok(self.nothing()),
            answer => answer,
        }
    }

    async fn ask(&self, context: &RequestContext) -> Result<Heard, Refusal> {
        let call = Call::get("relay.relay", "/v1/relay").cacheable();
        let answer = self.upstream.call(context, call).await?;
        Ok(Heard {
            relayed: answer.json()?,
            outcome: answer.outcome(),
        })
    }

    /// What is there of a callee that failed.
    fn nothing(&self) -> Heard {
        let name = self.upstream.name().to_owned();
        Heard {
            relayed: Relayed {
                service: name.clone(),
                hops: 0,
                missing: vec![name],
            },
            outcome: Outcome::Degraded,
        }
    }
}

/// What one of those below answered, and whether it is complete: an old answer, that stands in
/// for one that could not be had, is not.
struct Heard {
    relayed: Relayed,
    outcome: Outcome,
}

fn answer(name: &str, below: Vec<Heard>) -> Response {
    let is_complete = below.iter().all(|one| one.outcome == Outcome::Ok);
    let below: Vec<_> = below.into_iter().map(|one| one.relayed).collect();
    let answer = Relayed {
        service: name.to_owned(),
        hops: below
            .iter()
            .fold(1, |hops, one| hops.saturating_add(one.hops)),
        missing: below.into_iter().flat_map(|one| one.missing).collect(),
    };
    if is_complete && answer.missing.is_empty() {
        Json(answer).into_response()
    } else {
        Degraded(Json(answer)).into_response()
    }
}

#[cfg(test)]
mod tests;
