//! `nines run`: scenarios on real processes.

use crate::{
    args::{Lab, Spans},
    exit::{Done, Failure},
    interrupt, output,
    progress::Bar,
    scenarios::{self, Named},
};
use lab::{LabError, Setup, experiment};
use report::results::{Results, ScenarioResult};

/// Runs the scenarios that `arguments` name.
pub fn run(arguments: &[String], lab: &Lab) -> Result<Done, Failure> {
    experiments(scenarios::load(arguments)?, lab)
}

/// Runs `scenarios` one after the other, shows each as soon as it has ended, and writes the
/// files.
pub fn experiments(scenarios: Vec<Named>, lab: &Lab) -> Result<Done, Failure> {
    output::check_folder(&lab.out)?;
    scenarios.iter().for_each(Named::warn);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| LabError::Broken(error.to_string()))?;
    let results = runtime.block_on(all(scenarios, lab))?;
    let done = Done::of(&results);
    let results = Results::new(results);
    output::write(&results, &lab.out)?;
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
        stop: interrupt::token().map_err(broken)?,
    };
    let bar = Bar::new(scenarios.len());
    let mut results = Vec::new();
    for Named { name, plan } in scenarios {
        let result = experiment(&name, plan, &setup, &bar).await?;
        if !lab.json {
            bar.print(&output::scenario(&result));
        }
        results.push(result);
    }
    Ok(results)
}
