//! `nines up`: a chain that is kept running.

use crate::{
    args::{CHAIN, Up},
    exit::{Done, Failure},
    interrupt, json, output,
    progress::Bar,
    say, scenarios,
};
use lab::{
    LabError, Progress,
    running::RunningChain,
    tokens::Lifetime,
    up::{Keep, up as keep_up},
};
use scenario::Plan;
use serde_json::{Value, json};
use std::{fmt::Write, fs, io, path::Path};

/// All services and no faults. The load is of no use here, and a scenario needs one.
const HEALTHY: &str = r#"
title = "A healthy chain"
[load]
rate = 1
requests = 1
[chain]
hops = ["auth", "profile", "database"]
"#;

/// Starts the chain and keeps it until it is told to stop.
pub fn up(args: &Up) -> Result<Done, Failure> {
    let scenario = match &args.scenario {
        Some(argument) => scenarios::load(std::slice::from_ref(argument))?.pop(),
        None => Some(scenarios::parse("healthy", "healthy", HEALTHY)?),
    };
    let Some(scenario) = scenario else {
        return Err(Failure::BadInput("no scenario".to_owned()));
    };
    output::check_folder(&args.out)?;
    scenario.warn();
    for note in notes(&scenario.plan) {
        say::err(format!("note: {note}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let broken = |error: io::Error| LabError::Broken(error.to_string());
    runtime
        .map_err(broken)?
        .block_on(keep(&scenario.name, &scenario.plan, args))
}

/// What the scenario asks for, and a chain that is kept does not do.
fn notes(plan: &Plan) -> Vec<String> {
    let phases = plan.phases().len();
    let phases = (phases > 1).then(|| {
        format!("of its {phases} phases the first is in force; `nines run` goes through all")
    });
    let scale = plan.scale().map(|scale| {
        let service = &scale.service;
        let replicas = plan.topology().replicas(service);
        let plural = if replicas == 1 { "" } else { "s" };
        format!("{service} keeps {replicas} replica{plural}; `nines run` scales it with the load")
    });
    let restart = plan
        .restart()
        .map(|_| "nothing is restarted; `nines run` does that".to_owned());
    let variants = plan.variants().len();
    let variants = match plan.swept() {
        Some(service) => Some(format!(
            "{service} has the first number of replicas of its [sweep]; `nines run` tries all"
        )),
        None if variants > 0 => Some(format!(
            "of its {} versions ([[compare]]) the first is in force; `nines run` compares all",
            variants + 1
        )),
        None => None,
    };
    let all = [phases, scale, restart, variants];
    all.into_iter().flatten().collect()
}

async fn keep(name: &str, plan: &Plan, args: &Up) -> Result<Done, Failure> {
    let broken = |error: io::Error| LabError::Broken(error.to_string());
    let file = args.out.join("chain.json");
    refuse_second(&file).await?;
    let keep = Keep {
        program: std::env::current_exe().map_err(broken)?,
        listen: args.listen,
        otlp: args.otlp.clone(),
        token_lifetime: args.tokens.token_lifetime,
        stop: interrupt::token().map_err(broken)?,
    };
    let bar = Bar::new(1);
    bar.begin(name, 1);
    let mut guard = None;
    let ready = |running: &RunningChain, logs: &Path| {
        let unwritable = |source| LabError::Output {
            path: file.clone(),
            source,
        };
        running.write(&file).map_err(unwritable)?;
        guard = Some(Removed(&file));
        bar.rest();
        if args.json {
            json::print("up", 1, &as_json(running, &file));
        } else {
            say::out(as_text(plan.title(), running, args, logs));
        }
        Ok(())
    };
    // All readers of the file find a token that is good.
    let renewed = |running: &RunningChain| {
        if let Err(error) = running.write(&file) {
            say::err(format!(
                "{}: the new token was not written: {error}",
                file.display()
            ));
        }
    };
    keep_up(plan, &keep, &bar, ready, renewed).await?;
    Ok(Done::Fine)
}

/// Removes the file when the chain is gone.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        // Whoever removed it before has done our work.
        let _ = fs::remove_file(self.0);
    }
}

/// Two chains can't share one file; one that was killed left its own behind.
async fn refuse_second(file: &Path) -> Result<(), Failure> {
    match RunningChain::read(file) {
        Ok(running) if running.is_up().await => Err(Failure::Environment(format!(
            "--out: the chain of {} still runs; allowed: a folder of its own for each chain",
            file.display()
        ))),
        _ => Ok(()),
    }
}

fn as_json(running: &RunningChain, file: &Path) -> Value {
    json!({
        "edge": running.edge,
        "services": running.services,
        "chain": file,
    })
}

fn as_text(title: &str, running: &RunningChain, args: &Up, logs: &Path) -> String {
    let mut text = format!("{title}: the chain is up; Ctrl-C drains and stops it\n\n");
    let mut line = |line: String| {
        // Writing to memory can't fail.
        let _ = writeln!(text, "{line}");
    };
    line(format!(
        "{:12} {:30} {}",
        "service", "requests", "probes, metrics, faults, policy"
    ));
    for (name, addresses) in &running.services {
        let (public, admin) = (format!("http://{}", addresses.public), addresses.admin);
        line(format!("{name:12} {public:30} http://{admin}"));
    }
    line(String::new());
    line(format!("try it       {}", try_it(running)));
    if let Some(edge) = running.services.get(&running.edge) {
        line(format!("metrics      http://{}/metrics", edge.admin));
        line(format!("OpenAPI      http://{}/openapi.json", edge.admin));
    }
    let file = args.out.join("chain.json");
    line(format!(
        "tokens       {} (for you alone; removed at the end){}",
        file.display(),
        renewed(running)
    ));
    let service = weakest(running);
    line(format!(
        "faults       nines fault set {service} error --probability 0.1{}",
        chain_flag(&file)
    ));
    line(match &args.otlp {
        Some(url) => format!("traces       {url}"),
        None => {
            "traces       nowhere; --otlp http://127.0.0.1:4318 sends them to Jaeger, for example"
                .to_owned()
        }
    });
    line(format!("logs         {}", logs.join("*.log").display()));
    text.trim_end().to_owned()
}

/// How long the user's token is good, and where the next one is.
fn renewed(running: &RunningChain) -> String {
    let lifetime = running.user_token.as_deref().and_then(Lifetime::of);
    let words = |lifetime: Lifetime| {
        let length = humantime::format_duration(lifetime.length());
        format!(
            "\n             the user's token is good for {length}; the file gets a new one in time"
        )
    };
    lifetime.map(words).unwrap_or_default()
}

/// A command that gets an answer when pasted.
fn try_it(running: &RunningChain) -> String {
    let edge = running.services.get(&running.edge);
    let base = edge
        .map(|edge| format!("http://{}", edge.public))
        .unwrap_or_default();
    match &running.user_token {
        Some(token) => format!("curl -H 'Authorization: Bearer {token}' {base}/v1/me"),
        None => format!("curl {base}/v1/relay"),
    }
}

/// How other commands are told of a chain that is not where they look by themselves.
fn chain_flag(file: &Path) -> String {
    if file == Path::new(CHAIN) {
        return String::new();
    }
    format!(" --chain {}", file.display())
}

/// A service that an example can break: not the edge, if there is another.
fn weakest(running: &RunningChain) -> &str {
    let other = running.services.keys().find(|name| **name != running.edge);
    other.unwrap_or(&running.edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes_of(name: &str) -> String {
        let text = scenario::find(name).unwrap().text;
        notes(&scenario::parse(name, text).unwrap()).join("; ")
    }

    #[test]
    fn what_only_a_run_does_is_noted() {
        assert_eq!(notes_of("a1"), "");
        for (name, parts) in [
            ("restart-in-turn", &["nothing is restarted"][..]),
            (
                "r12-scaling",
                &["back has the first number", "of its 2 phases"],
            ),
            ("r12-autoscaling", &["of its 3 versions", "of its 3 phases"]),
        ] {
            let notes = notes_of(name);
            for part in parts {
                assert!(notes.contains(part), "{name}, {part}: {notes}");
            }
        }
        let text = "title = \"t\"\n[load]\nrate = 1\nfor = \"9s\"\n[service.a]\ncalls = [\"b\"]\n\
                    [service.b]\nslots = 1\nwork = \"wait:1ms\"\n[scale]\nservice = \"b\"\nmax = 2\n";
        let scaled = notes(&scenario::parse("t", text).unwrap());
        assert_eq!(
            scaled,
            ["b keeps 1 replica; `nines run` scales it with the load"]
        );
    }
}
