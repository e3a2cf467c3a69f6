//! One function for each call to a service below.
//!
//! A service below answers with a problem where the client's request is at fault. Those that
//! are expected are passed on; any other answer is not what was promised, and a failure of
//! that service.

use chassis::{Answer, Call, Refusal, RequestContext, Upstream};
use types::{
    Problem,
    audit::{Event, NewEvent},
    auth::{IntrospectRequest, Introspection, LoginRequest, LoginResponse},
    database::{PutRecord, Record, Records},
    header::IDEMPOTENCY_KEY,
    is_name,
    profile::View,
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
}

impl Chain {
    /// `auth.login`: a token. Whatever auth has against the request is passed on.
    pub(crate) async fn login(
        &self,
        context: &RequestContext,
        request: &LoginRequest,
    ) -> Result<LoginResponse, Refusal> {
        let call = Call::post("auth.login", "/v1/login").json(request);
        let answer = self.auth.call(context, call).await?;
        pass_on(&answer, |_| true)?;
        Ok(answer.json()?)
    }

    /// `auth.introspect`: the user whose token this is; none, if it is not good.
    pub(crate) async fn introspect(
        &self,
        context: &RequestContext,
        token: String,
    ) -> Result<Option<String>, Refusal> {
        let call = Call::post("auth.introspect", "/v1/introspect");
        // A question, asked by POST to keep the token out of logs.
        let call = call.json(&IntrospectRequest { token }).repeatable();
        let answer = self.auth.call(context, call).await?;
        let found: Introspection = answer.json()?;
        match found.subject {
            _ if !found.active => Ok(None),
            Some(user) if is_name(&user) => Ok(Some(user)),
            _ => Err(answer.corrupt().into()),
        }
    }

    /// `profile.view`: the user's profile, and what their page consists of.
    pub(crate) async fn view(&self, context: &RequestContext, user: &str) -> Result<View, Refusal> {
        let call = Call::get("profile.view", &format!("/v1/profiles/{user}/view"));
        let answer = self.profile.call(context, call).await?;
        pass_on(&answer, |problem| problem.code == "not-found")?;
        let view: View = answer.json()?;
        // They become parts of a path.
        if is_name(&view.collection) && view.keys.iter().all(|key| is_name(key)) {
            Ok(view)
        } else {
            Err(answer.corrupt().into())
        }
    }

    /// `database.records`: the records of the page, all in one call.
    pub(crate) async fn records(
        &self,
        context: &RequestContext,
        view: &View,
    ) -> Result<Vec<Record>, Refusal> {
        let keys = view.keys.join(",");
        let path = format!("/v1/records/{}?keys={keys}", view.collection);
        let call = Call::get("database.records", &path);
        let Records { records } = self.database.call(context, call).await?.json()?;
        Ok(records)
    }

    /// `database.put`: writes the record under `key`, once for each `idempotency_key`.
    pub(crate) async fn put(
        &self,
        context: &RequestContext,
        (collection, key): (&str, &str),
        idempotency_key: &str,
        record: &PutRecord,
    ) -> Result<Record, Refusal> {
        let path = format!("/v1/records/{collection}/{key}");
        let call = Call::put("database.put", &path).json(record);
        let call = call.header(IDEMPOTENCY_KEY, idempotency_key);
        let answer = self.database.call(context, call).await?;
        pass_on(&answer, |problem| problem.code == "idempotency-key-reused")?;
        Ok(answer.json()?)
    }

    /// `audit.append`: records that it happened, where that is wanted.
    pub(crate) async fn append(
        &self,
        context: &RequestContext,
        event: &NewEvent,
    ) -> Result<(), Refusal> {
        let Some(audit) = &self.audit else {
            return Ok(());
        };
        // Appended once for each key in the event, however often it is sent.
        let call = Call::post("audit.append", "/v1/events")
            .json(event)
            .repeatable();
        let answer = audit.call(context, call).await?;
        pass_on(&answer, |problem| problem.code == "event-key-reused")?;
        answer.json::<Event>()?;
        Ok(())
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
