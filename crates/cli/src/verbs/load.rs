//! `nines load`: load on any service, and honest percentiles.

mod outcome;

use crate::{
    args::Load,
    exit::{Done, Failure},
    interrupt, json,
    progress::Bar,
    say,
};
use bytes::Bytes;
use http::{Request, Uri, header::AUTHORIZATION};
use lab::{LabError, Progress, measure::measure, tokens::Lifetime};
use scenario::Plan;
use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use url::Url;

/// What is sent where nothing else is said.
const RATE: f64 = 200.0;
/// For how long.
const LENGTH: Duration = Duration::from_secs(10);

/// Sends the load and says what came of it.
pub fn load(args: &Load) -> Result<Done, Failure> {
    let plan = plan(args)?;
    let (server, request) = request(args)?;
    if let Some(note) = expiry(&request, &plan) {
        say::err(format!("note: {note}"));
    }
    chassis::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let broken = |error: io::Error| LabError::Broken(error.to_string());
    let measured = runtime.map_err(broken)?.block_on(async {
        let stop = interrupt::token().map_err(broken)?;
        let bar = Bar::new(1);
        bar.begin(args.url.as_str(), 1);
        measure(&plan, server, request, &bar, &stop).await
    })?;
    let outcome = outcome::Outcome::new(args, &measured);
    if args.json {
        json::print("load", 1, &outcome.json());
    } else {
        say::out(outcome.text());
    }
    if measured.interrupted {
        return Err(LabError::Interrupted.into());
    }
    Ok(if outcome.is_inconclusive() {
        Done::Inconclusive
    } else {
        Done::Fine
    })
}

/// That the token of the request expires before the load ends, if so. It can't be renewed here:
/// only its user could log in.
fn expiry(request: &Request<Bytes>, plan: &Plan) -> Option<String> {
    let token = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let lifetime = Lifetime::of(token.strip_prefix("Bearer ")?)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let left = Duration::from_secs(lifetime.exp).saturating_sub(now);
    let load = plan.load().expected_duration();
    let when = match left {
        Duration::ZERO => "has expired".to_owned(),
        left if left > load => return None,
        left => format!("expires in {} s, before the load ends", left.as_secs()),
    };
    Some(format!(
        "the bearer token {when}: later requests will be answered 401; use a newer one"
    ))
}

/// The load as a plan, so that it has the limits and the generator of scenarios.
fn plan(args: &Load) -> Result<Plan, Failure> {
    let ms = |time: Duration| format!("\"{}ms\"", time.as_millis());
    let model = match args.workers {
        None => format!("rate = {:?}", args.rate.unwrap_or(RATE)),
        Some(workers) => {
            let think = args.think.map(|think| format!("think = {}", ms(think)));
            let think = think.unwrap_or_default();
            format!("model = \"closed\"\nworkers = {workers}\n{think}")
        }
    };
    let length = match args.requests {
        None => format!("for = {}", ms(args.length.unwrap_or(LENGTH))),
        Some(requests) => format!("requests = {requests}"),
    };
    let (seed, patience) = (args.seed, ms(args.patience));
    let text = format!(
        "title = \"load\"\nseed = {seed}\n[load]\n{model}\n{length}\npatience = {patience}\n\
         [chain]\nrelays = 1\n"
    );
    scenario::parse("the load", &text).map_err(|errors| Failure::BadInput(errors.to_string()))
}

/// The server, and the request it gets.
fn request(args: &Load) -> Result<(Url, Request<Bytes>), Failure> {
    let path = &args.url[url::Position::BeforePath..url::Position::AfterQuery];
    let uri: Uri = path.parse().map_err(|error| {
        Failure::BadInput(format!(
            "URL {}: {error}; allowed: http://address:port/path",
            args.url
        ))
    })?;
    let mut request = Request::new(args.body.clone().unwrap_or_default());
    *request.method_mut() = args.method.clone();
    *request.uri_mut() = uri;
    let from_file = args.header_file.iter().flat_map(|headers| &headers.0);
    for (name, value) in from_file.chain(&args.token).chain(&args.header) {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    let mut server = args.url.clone();
    server.set_path("/");
    server.set_query(None);
    server.set_fragment(None);
    Ok((server, request))
}
