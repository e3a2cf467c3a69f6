//! `nines predict`: what a scenario must come to, without running it, and what about its
//! time limits is probably not meant.

use super::run::{Trial, trials};
use crate::{
    exit::{Done, Failure},
    json, say, scenarios,
};
use scenario::{predict as predict_plan, warnings};
use serde_json::json;

/// Prints the prediction of each scenario, and of what it is compared with.
pub fn predict(arguments: &[String], as_json: bool) -> Result<Done, Failure> {
    let trials = trials(scenarios::load(arguments)?);
    if as_json {
        let all = trials.iter().map(|Trial { scenario, .. }| {
            json!({
                "name": scenario.name,
                "plan": scenario.plan,
                "prediction": predict_plan(&scenario.plan),
                "warnings": warnings(&scenario.plan),
            })
        });
        json::print(
            "predict",
            1,
            &json!({ "scenarios": all.collect::<Vec<_>>() }),
        );
        return Ok(Done::Fine);
    }
    for Trial { scenario, .. } in &trials {
        let prediction = predict_plan(&scenario.plan);
        say::out(report::terminal::prediction(&scenario.plan, &prediction));
        scenario.warn();
    }
    Ok(Done::Fine)
}
