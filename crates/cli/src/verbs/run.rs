//! `nines run`: scenarios on real processes.

use crate::{
    args::{Lab, Spans},
    exit::{Done, Failure},
    interrupt, output,
    progress::Bar,
    scenarios::{self, Named},
};
use availability::Verdict;
use lab::{LabError, Setup, experiment, fix};
use report::results::{Results, ScenarioResult, VariantOf};
use scenario::{Plan, builtin};

/// Runs the scenarios that `arguments` name, or `all` that are built in.
pub fn run(arguments: &[String], all: bool, lab: &Lab) -> Result<Done, Failure> {
    let built_in = builtin().iter().filter(|_| all);
    let built_in = built_in.map(|scenario| scenario.name.to_owned());
    let names: Vec<String> = arguments.iter().cloned().chain(built_in).collect();
    experiments(scenarios::load(&names)?, lab)
}

/// Runs `scenarios` one after the other, shows each as soon as it has ended, and writes the
/// files.
pub fn experiments(scenarios: Vec<Named>, lab: &Lab) -> Result<Done, Failure> {
    output::check_folder(&lab.out)?;
    lab.junit.as_deref().map_or(Ok(()), output::check_file)?;
    check_fix(&scenarios, lab)?;
    scenarios.iter().for_each(Named::warn);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| LabError::Broken(error.to_string()))?;
    let results = runtime.block_on(all(scenarios, lab))?;
    let done = Done::of(&results);
    let results = Results::new(results);
    output::write(&results, &lab.out)?;
    if let Some(file) = &lab.junit {
        output::write_junit(&results, file)?;
    }
    if lab.json {
        output::print_json(&results)?;
    } else {
        output::close(&results, &lab.out);
    }
    Ok(done)
}

async fn all(scenarios: Vec<Named>, lab: &Lab) -> Result<Vec<ScenarioResult>, LabError> {
    let broken = |error: std::io::Error| LabError::Broken(error.to_string());
    let setup = Setup {
        program: std::env::current_exe().map_err(broken)?,
        out: lab.out.clone(),
        otlp: lab.otlp.clone(),
        all_spans: lab.spans == Spans::All,
        repeat: lab.repeat,
        stop: interrupt::token().map_err(broken)?,
    };
    let trials: Vec<_> = scenarios.into_iter().flat_map(trials).collect();
    let bar = Bar::new(trials.len());
    let show = |result: &ScenarioResult| {
        if !lab.json {
            bar.print(&output::scenario(result));
        }
    };
    let mut results = Vec::new();
    for trial in trials {
        let (name, plan) = (trial.name.clone(), trial.plan.clone());
        let mut result = experiment(&name, plan, &setup, &bar).await?;
        result.variant = trial.variant.clone();
        let fixed = match &lab.fix {
            Some(hop) => Some(fixed(hop, trial, &mut result, &setup, &bar).await?),
            None => None,
        };
        for result in [result].into_iter().chain(fixed) {
            show(&result);
            results.push(result);
        }
    }
    Ok(results)
}

/// One plan to be run.
struct Trial {
    name: String,
    plan: Plan,
    variant: Option<VariantOf>,
}

/// A scenario, and what it is compared with.
fn trials(Named { name, plan }: Named) -> Vec<Trial> {
    let variants = plan.variants().to_vec();
    let of = |title| {
        (!variants.is_empty()).then(|| VariantOf {
            scenario: name.clone(),
            title,
        })
    };
    let first = Trial {
        name: name.clone(),
        variant: of(plan.variant().map(str::to_owned)),
        plan,
    };
    let others = variants.iter().map(|variant| Trial {
        name: format!("{name}.{}", scenarios::file_name(&variant.title)),
        plan: variant.plan.clone(),
        variant: of(Some(variant.title.clone())),
    });
    [first].into_iter().chain(others).collect()
}

/// The same plan, in which `hop` never fails; and in `before`, whether that kept its promise.
async fn fixed(
    hop: &str,
    Trial { name, plan, .. }: Trial,
    before: &mut ScenarioResult,
    setup: &Setup,
    bar: &Bar,
) -> Result<ScenarioResult, LabError> {
    let plan = plan.without_failures_of(hop);
    let after = experiment(&format!("{name}.fixed"), plan, setup, bar).await?;
    before.fix = fix::check(hop, before, &after);
    let agrees = before.fix.as_ref().is_none_or(|fix| fix.agrees);
    if !agrees {
        before.judgement = before.judgement.clone().and(Verdict::Fails.into());
    }
    Ok(after)
}

/// Refuses a service to be fixed that a scenario does not have.
fn check_fix(scenarios: &[Named], lab: &Lab) -> Result<(), Failure> {
    let Some(hop) = &lab.fix else {
        return Ok(());
    };
    let lacks = |scenario: &&Named| !scenario.plan.services().iter().any(|name| **name == **hop);
    let Some(scenario) = scenarios.iter().find(lacks) else {
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
