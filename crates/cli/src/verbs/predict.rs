//! `nines predict`: what a scenario must come to, without running it, and what about its
//! time limits is probably not meant.

use super::run::{Trial, trials, warn};
use crate::{
    args::Overrides,
    exit::{Done, Failure},
    json, say, scenarios,
};
use scenario::{predict as predict_plan, sizes, warnings};
use serde_json::json;

/// Prints the prediction of each scenario, and of what it is compared with.
pub fn predict(
    arguments: &[String],
    overrides: &Overrides,
    as_json: bool,
) -> Result<Done, Failure> {
    let trials = trials(scenarios::load_with(arguments, &overrides.values())?);
    if as_json {
        let all = trials.iter().map(|Trial { scenario, .. }| {
            let prediction = predict_plan(&scenario.plan);
            json!({
                "name": scenario.name,
                "plan": scenario.plan,
                "sizes": sizes(&scenario.plan, &prediction),
                "prediction": prediction,
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
    }
    warn(&trials);
    Ok(Done::Fine)
}
