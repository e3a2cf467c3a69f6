//! `nines run`: scenarios on real processes.

use crate::{
    args::{Deployed, Lab, Overrides, Spans},
    exit::{Done, Failure},
    folder::RunFolder,
    interrupt, json, output,
    progress::Bar,
    say,
    scenarios::{self, Named},
};
use availability::Verdict;
use lab::{LabError, Label, Setup, deployed::Deployment, experiment, fix};
use report::results::{self, Results, ScenarioResult, VariantOf};
use scenario::builtin;
use std::collections::BTreeSet;

/// Runs the scenarios that `arguments` name, or `all` that are built in.
pub fn run(
    (arguments, all): (&[String], bool),
    overrides: &Overrides,
    deployed: &Deployed,
    lab: &Lab,
) -> Result<Done, Failure> {
    let built_in = builtin().iter().filter(|_| all);
    let built_in = built_in.map(|scenario| scenario.name.to_owned());
    let names: Vec<String> = arguments.iter().cloned().chain(built_in).collect();
    let deployment = deployed.deployment().map_err(Failure::BadInput)?;
    let scenarios = scenarios::load_with(&names, &overrides.values())?;
    let title = title(&scenarios);
    experiments(scenarios, &title, deployment, lab)
}

/// What a folder with the results of these scenarios is called.
fn title(scenarios: &[Named]) -> String {
    let first = scenarios.first().map_or("", |scenario| &scenario.name);
    match scenarios.len() {
        0 | 1 => first.to_owned(),
        number => format!("{first}-and-{}-more", number - 1),
    }
}

/// Runs `scenarios` one after the other, shows each as soon as it has ended, and writes the
/// files into a folder of their own, called `title`.
pub fn experiments(
    scenarios: Vec<Named>,
    title: &str,
    deployed: Option<Deployment>,
    lab: &Lab,
) -> Result<Done, Failure> {
    let folder = RunFolder::create(&lab.out, title)?;
    lab.junit.as_deref().map_or(Ok(()), output::check_file)?;
    let trials = trials(scenarios);
    check_fix(&trials, lab)?;
    check_jaeger(deployed.as_ref(), lab)?;
    check_deployed(&trials, deployed.as_ref())?;
    warn(&trials);
    chassis::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| LabError::Broken(error.to_string()))?;
    let (results, ended) = runtime.block_on(all(trials, deployed, (lab, &folder)));
    let mut results = Results::new(results);
    // Whatever was measured is kept, also if something went wrong afterwards.
    if ended.is_ok() || !results.scenarios.is_empty() {
        write(&mut results, lab, folder)?;
    }
    ended?;
    Ok(Done::of(&results.scenarios))
}

/// Writes the files, and shows what is shown at the end.
fn write(results: &mut Results, lab: &Lab, folder: RunFolder) -> Result<(), LabError> {
    let complete = folder.complete();
    results.move_files(&folder.path(), &complete);
    output::write(results, &folder.path())?;
    folder.finish()?;
    if let Some(file) = &lab.junit {
        output::write_junit(results, file)?;
    }
    if lab.json {
        json::print("run", results::VERSION, results);
    } else {
        output::close(results, &complete);
    }
    Ok(())
}

/// The results so far, and whether all went well.
async fn all(
    trials: Vec<Trial>,
    deployed: Option<Deployment>,
    lab: (&Lab, &RunFolder),
) -> (Vec<ScenarioResult>, Result<(), LabError>) {
    let mut results = Vec::new();
    // On the heap: what a run remembers is too much for the stack.
    let ended = Box::pin(one_by_one(trials, deployed, lab, &mut results)).await;
    (results, ended)
}

async fn one_by_one(
    trials: Vec<Trial>,
    deployed: Option<Deployment>,
    (lab, folder): (&Lab, &RunFolder),
    results: &mut Vec<ScenarioResult>,
) -> Result<(), LabError> {
    let setup = setup(deployed, lab, folder)?;
    let bar = Bar::new(trials.len() * if lab.fix.is_some() { 2 } else { 1 });
    let show = |result: &ScenarioResult| {
        if !lab.json {
            bar.print(&output::scenario(result));
        }
    };
    for Trial { scenario, variant } in trials {
        let setup = Setup {
            label: label(&scenario, variant.as_ref()),
            ..setup.clone()
        };
        let mut result = experiment(&scenario.name, scenario.plan, &setup, &bar).await?;
        result.variant = variant;
        let Some(hop) = &lab.fix else {
            show(&result);
            results.push(result);
            continue;
        };
        let (after, check) = Box::pin(fix::check(hop, &result, &setup, &bar)).await?;
        if check
            .as_ref()
            .is_some_and(|check| check.agrees == Some(false))
        {
            result.judgement = result.judgement.and(Verdict::Fails.into());
        }
        if check.is_none() {
            let name = &result.name;
            say::err(format!(
                "--fix {hop}: nothing was lost in {name}, so nothing can be gained"
            ));
        }
        result.fix = check;
        for result in [result, after] {
            show(&result);
            results.push(result);
        }
    }
    Ok(())
}

/// How all runs are made.
fn setup(deployed: Option<Deployment>, lab: &Lab, folder: &RunFolder) -> Result<Setup, LabError> {
    let broken = |error: std::io::Error| LabError::Broken(error.to_string());
    Ok(Setup {
        program: std::env::current_exe().map_err(broken)?,
        out: folder.path(),
        label: Label::default(),
        // The Jaeger that spans are read from shows them as well.
        jaeger: lab
            .jaeger
            .clone()
            .or_else(|| deployed.as_ref().map(|it| it.traces.clone())),
        deployed,
        otlp: lab.otlp.clone(),
        all_spans: lab.spans == Spans::All,
        token_lifetime: lab.tokens.token_lifetime,
        repeat: lab.repeat,
        stop: interrupt::token().map_err(broken)?,
    })
}

/// What names the runs of a scenario in their spans.
fn label(scenario: &Named, variant: Option<&VariantOf>) -> Label {
    let of = variant.map_or(&scenario.name, |variant| &variant.scenario);
    let title = variant.and_then(|variant| variant.title.as_deref());
    Label {
        scenario: of.clone(),
        variant: title.map(scenarios::file_name),
        ..Label::default()
    }
}

/// Says what is probably not meant in these plans.
pub(super) fn warn(trials: &[Trial]) {
    scenarios::warn(trials.iter().map(|trial| &trial.scenario));
}

/// One plan to be run.
pub(super) struct Trial {
    pub(super) scenario: Named,
    variant: Option<VariantOf>,
}

/// All scenarios with what they are compared with, each under a name of its own.
pub(super) fn trials(scenarios: Vec<Named>) -> Vec<Trial> {
    let mut trials: Vec<Trial> = scenarios.into_iter().flat_map(with_variants).collect();
    let mut taken = BTreeSet::new();
    for Trial { scenario, .. } in &mut trials {
        let base = scenario.name.clone();
        let mut copies = 1;
        while !taken.insert(scenario.name.clone()) {
            copies += 1;
            scenario.name = format!("{base}-{copies}");
        }
    }
    trials
}

fn with_variants(Named { name, plan }: Named) -> Vec<Trial> {
    let variants = plan.variants().to_vec();
    let of = |title| {
        (!variants.is_empty()).then(|| VariantOf {
            scenario: name.clone(),
            title,
        })
    };
    let others = variants.iter().map(|variant| Trial {
        scenario: Named {
            name: format!("{name}.{}", scenarios::file_name(&variant.title)),
            plan: variant.plan.clone(),
        },
        variant: of(Some(variant.title.clone())),
    });
    let first = Trial {
        variant: of(plan.variant().map(str::to_owned)),
        scenario: Named {
            name: name.clone(),
            plan,
        },
    };
    [first].into_iter().chain(others).collect()
}

/// Refuses links to a Jaeger that has none of the traces: whoever follows them finds nothing.
fn check_jaeger(deployed: Option<&Deployment>, lab: &Lab) -> Result<(), Failure> {
    match &lab.jaeger {
        Some(url) if deployed.is_none() && lab.otlp.is_none() => Err(Failure::BadInput(format!(
            "--jaeger {url}: no spans are sent to it, so its links would lead nowhere; \
             allowed: together with --otlp URL or --traces URL"
        ))),
        _ => Ok(()),
    }
}

/// Refuses plans that need more of a deployed chain than there is a way to.
fn check_deployed(trials: &[Trial], deployed: Option<&Deployment>) -> Result<(), Failure> {
    let Some(deployment) = deployed else {
        return Ok(());
    };
    let why = |trial: &Trial| {
        let why = deployment.refuses(&trial.scenario.plan)?;
        Some(format!("--target: {} {why}", trial.scenario.name))
    };
    match trials.iter().find_map(why) {
        Some(why) => Err(Failure::BadInput(why)),
        None => Ok(()),
    }
}

/// Refuses a service to be fixed that is not there.
fn check_fix(trials: &[Trial], lab: &Lab) -> Result<(), Failure> {
    let Some(hop) = &lab.fix else {
        return Ok(());
    };
    let lacks = |scenario: &&Named| !scenario.plan.services().iter().any(|name| **name == **hop);
    let mut scenarios = trials.iter().map(|trial| &trial.scenario);
    let Some(scenario) = scenarios.find(lacks) else {
        return Ok(());
    };
    let services = scenario.plan.services();
    let names: Vec<_> = services.iter().rev().map(|name| &**name).collect();
    Err(Failure::BadInput(format!(
        "--fix {hop}: {} has no such service; allowed: {}",
        scenario.name,
        names.join(", ")
    )))
}
