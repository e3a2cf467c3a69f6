//! What it costs to refuse a request, beside serving one of 1 ms of work at the same hop.
//!
//! A service that is offered too much spends its time on refusals: if they were dear it would
//! do nothing else.

use crate::{
    chain::{ANY_PORT, Ground, environment},
    cpu::{SETTLE, Size},
    process::cpu_us,
    rounds::Rounds,
    spread::Spread,
    trouble::Trouble,
};
use lab::process::{Process, Spec};
use reqwest::StatusCode;
use tokio::time::sleep;

/// The most that a refusal should cost, as a share of a request served.
const TARGET: f64 = 0.1;
const NAME: &str = "relay";

/// Measures and prints.
pub async fn measure(ground: &Ground, size: &Size) -> Result<(), Trouble> {
    let serving = start("serving", &["--work=cpu:1ms"], ground).await?;
    let limit = r#"--shed={"max":1}"#;
    let refusing = start("refusing", &["--work=wait:1h", limit], ground).await?;
    let rounds = rounds(&serving, &refusing, size).await;
    for process in [serving, refusing] {
        process.stop().await;
    }
    rounds?.show(|rounds| print(rounds, size))
}

async fn start(name: &str, args: &[&str], ground: &Ground) -> Result<Process, Trouble> {
    let fixed = ["serve", NAME, "--drain=1ms"];
    let spec = Spec {
        service: NAME.to_owned(),
        replica: 0,
        name: name.to_owned(),
        args: fixed.iter().chain(args).map(ToString::to_string).collect(),
        listen: ANY_PORT,
        admin: ANY_PORT,
        env: environment(&ground.receiver),
    };
    let program = env!("CARGO_BIN_EXE_nines").as_ref();
    Ok(Process::start(program, &spec, &ground.folder).await?)
}

/// CPU of one request that is served, and of one that is refused, in microseconds.
type Round = [f64; 2];

async fn rounds(
    serving: &Process,
    refusing: &Process,
    size: &Size,
) -> Result<Rounds<Round>, Trouble> {
    let client = chassis::outbound::client()?;
    // It takes the only place, for an hour.
    let url = url(refusing);
    let mut hanging = Box::pin(client.get(&url).send());
    tokio::select! {
        _ = &mut hanging => return Err(Trouble::Gone(refusing.name().to_owned())),
        () = sleep(SETTLE) => {}
    }
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let rounds = Rounds::measure(size.rounds, async |number| {
        eprintln!("round {number} of {}: refusals", size.rounds);
        Ok([
            one(&client, serving, StatusCode::OK, size.requests).await?,
            one(&client, refusing, busy, size.requests).await?,
        ])
    });
    let rounds = rounds.await;
    drop(hanging);
    rounds
}

/// CPU per request in microseconds; all must be answered with `status`.
async fn one(
    client: &reqwest::Client,
    process: &Process,
    status: StatusCode,
    requests: u64,
) -> Result<f64, Trouble> {
    let gone = || Trouble::Gone(process.name().to_owned());
    let used = || process.id().and_then(cpu_us).ok_or_else(gone);
    let url = url(process);
    ask(client, &url).await?;
    sleep(SETTLE).await;
    let before = used()?;
    let mut other = 0;
    for _ in 0..requests {
        other += u64::from(ask(client, &url).await? != status);
    }
    sleep(SETTLE).await;
    let cost = (used()? - before) / requests as f64;
    match other {
        0 => Ok(cost),
        not_ok => Err(Trouble::NotOk {
            chain: NAME,
            not_ok,
            offered: requests,
        }),
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<StatusCode, Trouble> {
    let answer = client.get(url).send().await?;
    let status = answer.status();
    answer.bytes().await?;
    Ok(status)
}

fn url(process: &Process) -> String {
    format!("http://{}/v1/relay", process.addresses().public)
}

fn print(rounds: &[Round], size: &Size) {
    let spread = |of: fn(&Round) -> f64| Spread::of(rounds.iter().map(of));
    let ratios = spread(|[served, refused]| refused / served);
    println!();
    println!(
        "CPU per request in µs of a relay, medians of {} rounds of {} requests, one at a time",
        rounds.len(),
        size.requests
    );
    println!(
        "{:32}{:>8.1}",
        "served, with 1 ms of work",
        spread(|it| it[0]).median()
    );
    println!("{:32}{:>8.1}", "refused", spread(|it| it[1]).median());
    println!("refused : served, least – median – most of all rounds: {ratios:.3}");
    let met = if ratios.median() <= TARGET {
        "met"
    } else {
        "missed"
    };
    println!("target at most {TARGET}: {met}");
}
