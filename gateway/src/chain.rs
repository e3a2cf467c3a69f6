//! One function for each call to a service below.
//!
//! A service below answers with a problem where the client's request is at fault. Those that
//! are expected are passed on; any other answer is not what was promised, and a failure of
//! that service.

use crate::{
    authorization::User,
    keys::Keys,
    queue::Queue,
    soft::{Got, Soft},
};
use chassis::{Answer, Call, CallError, PeerAddress, Refusal, RequestContext, Upstream};
use http::{StatusCode, header::IF_NONE_MATCH};
use types::{
    Outcome, Problem,
    audit::{Event, Events, NewEvent},
    auth::{
        IntrospectRequest, Introspection, LoginRequest, LoginResponse, RegisterRequest,
        RegisterResponse, RevokeRequest,
    },
    database::{PutRecord, Record, Records},
    header::{ACTOR, CLIENT_ADDRESS, IDEMPOTENCY_KEY},
    is_name,
    profile::{Profile, PutProfile, View},
    relay::Relayed,
};

/// The services below.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Who is it?
    pub auth: Upstream,
    /// What is on their page?
    pub profile: Upstream,
    /// The records it names.
    pub database: Upstream,
    /// What happened, where that is recorded.
    pub audit: Option<Upstream>,
    /// Where readings wait to be told to it, if they do not go there at once.
    pub queue: Option<Queue>,
    /// How pages are to look, where that is asked.
    pub config: Option<Upstream>,
    /// The keys of auth, if it is not asked about tokens.
    pub keys: Option<Keys>,
    /// Those that a page can do without.
    pub soft: Vec<Soft>,
}

/// The path of a profile.
const PROFILE: &str = "/v1/profiles/{user}";

impl Chain {
    /// `auth.register`: the identifier of the new user, or of the one who was registered so
    /// before. Whatever auth has against the request is passed on.
    pub(crate) async fn register(
        &self,
        context: &RequestContext,
        client: Option<PeerAddress>,
        request: &RegisterRequest,
    ) -> Result<String, Refusal> {
        // Sent again with the same password, it has the same answer.
        let call = Call::post("auth.register", "/v1/accounts").repeatable();
        let call = on_behalf_of(client, call.json(request));
        let answer = self.auth.call(context, call).await.map_err(too_many)?;
        pass_on(&answer, |_| true)?;
        let RegisterResponse { user } = answer.json()?;
        // It becomes a part of a path.
        if is_name(&user) {
            Ok(user)
        } else {
            Err(answer.corrupt().into())
        }
    }

    /// `auth.login`: a token. Whatever auth has against the request is passed on.
    pub(crate) async fn login(
        &self,
        context: &RequestContext,
        client: Option<PeerAddress>,
        request: &LoginRequest,
    ) -> Result<LoginResponse, Refusal> {
        let call = Call::post("auth.login", "/v1/login").json(request);
        let call = on_behalf_of(client, call);
        let answer = self.auth.call(context, call).await.map_err(too_many)?;
        pass_on(&answer, |_| true)?;
        Ok(answer.json()?)
    }

    /// `auth.revoke`: the token is not good any more.
    pub(crate) async fn revoke(
        &self,
        context: &RequestContext,
        token: String,
    ) -> Result<(), Refusal> {
        let call = Call::post("auth.revoke", "/v1/revoke").json(&RevokeRequest { token });
        let answer = self.auth.call(context, call.repeatable()).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(answer.corrupt().into())
        }
    }

    /// The user whose token this is; none, if it is not good.
    pub(crate) async fn who(
        &self,
        context: &RequestContext,
        token: String,
    ) -> Result<Option<User>, Refusal> {
        match &self.keys {
            Some(keys) => keys.user(&token).await,
            None => self.introspect(context, token).await,
        }
    }

    /// `auth.introspect`: the user whose token this is; none, if it is not good.
    async fn introspect(
        &self,
        context: &RequestContext,
        token: String,
    ) -> Result<Option<User>, Refusal> {
        let call = Call::post("auth.introspect", "/v1/introspect");
        // A question, asked by POST to keep the token out of logs.
        let call = call.json(&IntrospectRequest { token }).repeatable();
        let answer = self.auth.call(context, call).await?;
        let found: Introspection = answer.json()?;
        match found.subject {
            _ if !found.active => Ok(None),
            Some(id) if is_name(&id) => Ok(Some(User {
                id,
                roles: found.roles,
            })),
            _ => Err(answer.corrupt().into()),
        }
    }

    /// `profile.create`: the profile of `user`, who has none yet; what is there stays.
    pub(crate) async fn create_profile(
        &self,
        context: &RequestContext,
        user: &str,
        new: &PutProfile,
    ) -> Result<Profile, Refusal> {
        let path = format!("/v1/profiles/{user}");
        let call = Call::put("profile.create", PROFILE).at(&path).json(new);
        let call = call.header(IF_NONE_MATCH.as_str(), "*");
        let answer = self.profile.call(context, call).await?;
        if answer.status() != StatusCode::PRECONDITION_FAILED {
            return Ok(answer.json()?);
        }
        let call = Call::get("profile.read", PROFILE).at(&path);
        Ok(self.profile.call(context, call).await?.json()?)
    }

    /// `profile.view`: the user's profile, and what their page consists of.
    pub(crate) async fn view(
        &self,
        context: &RequestContext,
        user: &str,
    ) -> Result<Got<View>, Refusal> {
        self.view_by(context, view_of(user).cacheable()).await
    }

    /// The same as it is now, never from a cache: what a write may touch.
    pub(crate) async fn view_now(
        &self,
        context: &RequestContext,
        user: &str,
    ) -> Result<View, Refusal> {
        let got = self.view_by(context, view_of(user)).await?;
        Ok(got.value)
    }

    async fn view_by(&self, context: &RequestContext, call: Call) -> Result<Got<View>, Refusal> {
        let answer = self.profile.call(context, call).await?;
        pass_on(&answer, |problem| problem.code == "not-found")?;
        let view: View = answer.json()?;
        // They become parts of a path.
        if is_name(&view.collection) && view.keys.iter().all(|key| is_name(key)) {
            Ok(got(&answer, view))
        } else {
            Err(answer.corrupt().into())
        }
    }

    /// `database.records`: the records of the page, all in one call.
    pub(crate) async fn records(
        &self,
        context: &RequestContext,
        view: &View,
    ) -> Result<Got<Vec<Record>>, Refusal> {
        let keys = view.keys.join(",");
        let path = format!("/v1/records/{}?keys={keys}", view.collection);
        let call = Call::get("database.records", "/v1/records/{collection}");
        let call = call.at(&path).cacheable();
        let answer = self.database.call(context, call).await?;
        let Records { records, .. } = answer.json()?;
        Ok(got(&answer, records))
    }

    /// `relay.relay`: how pages are to look, where somebody says so.
    pub(crate) async fn settings(&self, context: &RequestContext) -> Result<Got<()>, Refusal> {
        let Some(config) = &self.config else {
            return Ok(nothing_missing());
        };
        let call = Call::get("config.read", "/v1/relay").cacheable();
        let answer = config.call(context, call).await?;
        answer.json::<Relayed>()?;
        Ok(got(&answer, ()))
    }

    /// `database.put`: writes the record under `key` for `actor`, once for each `once`.
    pub(crate) async fn put(
        &self,
        context: &RequestContext,
        (collection, key): (&str, &str),
        (actor, once): (&str, &str),
        record: &PutRecord,
    ) -> Result<Record, Refusal> {
        let path = format!("/v1/records/{collection}/{key}");
        let call = Call::put("database.put", "/v1/records/{collection}/{key}");
        let call = call.at(&path).json(record);
        let call = call.header(IDEMPOTENCY_KEY, once).header(ACTOR, actor);
        let answer = self.database.call(context, call).await?;
        pass_on(&answer, |problem| problem.code == "idempotency-key-reused")?;
        Ok(answer.json()?)
    }

    /// Records that something was done, where that is wanted: now, or once the audit log can.
    pub(crate) async fn record(
        &self,
        context: &RequestContext,
        event: NewEvent,
    ) -> Result<Got<()>, Refusal> {
        match &self.queue {
            Some(queue) => queue.push(event).await.map(|()| nothing_missing()),
            None => self.append(context, &event).await,
        }
    }

    /// Records that a page was written, where that is wanted. With a queue it is not: then
    /// the database service tells of each write, whose event is kept in the same transaction.
    pub(crate) async fn record_write(
        &self,
        context: &RequestContext,
        event: &NewEvent,
    ) -> Result<Got<()>, Refusal> {
        match &self.queue {
            Some(_) => Ok(nothing_missing()),
            None => self.append(context, event).await,
        }
    }

    /// `audit.append`: records that it happened.
    async fn append(&self, context: &RequestContext, event: &NewEvent) -> Result<Got<()>, Refusal> {
        let Some(audit) = &self.audit else {
            return Ok(nothing_missing());
        };
        // Appended once for each key in the event, however often it is sent.
        let call = Call::post("audit.append", "/v1/events")
            .json(event)
            .repeatable();
        let answer = audit.call(context, call).await?;
        answer.json::<Event>()?;
        Ok(got(&answer, ()))
    }

    /// Ends what goes on beside requests.
    pub(crate) async fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.close().await;
        }
    }

    /// `audit.events`: a part of the log, where there is one.
    pub(crate) async fn events(
        &self,
        context: &RequestContext,
        after: u64,
        limit: u32,
    ) -> Result<Events, Refusal> {
        let Some(audit) = &self.audit else {
            return Err(Refusal::not_found(
                "nothing is recorded: there is no audit service",
            ));
        };
        let path = format!("/v1/events?after={after}&limit={limit}");
        let call = Call::get("audit.events", "/v1/events").at(&path);
        let answer = audit.call(context, call).await?;
        pass_on(&answer, |problem| problem.code == "bad-request")?;
        Ok(answer.json()?)
    }
}

fn view_of(user: &str) -> Call {
    let path = format!("/v1/profiles/{user}/view");
    Call::get("profile.view", "/v1/profiles/{user}/view").at(&path)
}

fn got<T>(answer: &Answer, value: T) -> Got<T> {
    let outcome = answer.outcome();
    Got { value, outcome }
}

/// What is not asked for can't be missing.
const fn nothing_missing() -> Got<()> {
    Got {
        value: (),
        outcome: Outcome::Ok,
    }
}

/// Tells the service below whose request it is, which it could not see itself.
fn on_behalf_of(client: Option<PeerAddress>, call: Call) -> Call {
    match client {
        Some(PeerAddress(address)) => call.header(CLIENT_ADDRESS, &address.to_string()),
        None => call,
    }
}

/// Passes on to the client that it has asked too often: it alone can do something about it.
fn too_many(error: CallError) -> Refusal {
    let wait = error.retry_after;
    match error.problem {
        Some(problem) if problem.status == 429 => match wait {
            Some(wait) => problem.retry_after(wait).into(),
            None => Refusal(problem),
        },
        _ => error.into(),
    }
}

/// Ends the request with the problem in the answer, if it is one that is expected.
fn pass_on(answer: &Answer, is_expected: fn(&Problem) -> bool) -> Result<(), Refusal> {
    if !answer.status().is_client_error() {
        return Ok(());
    }
    let problem: Option<Problem> = serde_json::from_slice(answer.response().body()).ok();
    let same = |problem: &Problem| problem.status == answer.status().as_u16();
    match problem.filter(|problem| same(problem) && is_expected(problem)) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use types::{Cause, StoppedBy};

    #[test]
    fn when_to_try_again_is_passed_on_to_a_client_that_logs_in_too_often() {
        let problem = Problem::new(429, "too-many-logins", "Too many attempts");
        let error = CallError {
            callee: "auth".into(),
            cause: Cause::Shed,
            stopped_by: StoppedBy::NotRetryable,
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            problem: Some(problem.into()),
            retry_after: Some(Duration::from_secs(7)),
            settled: false,
        };
        assert_eq!(too_many(error).0.retry_after, Some(7));
    }
}
