//! `nines predict`: what a scenario must come to, without running it, and what about its
//! time limits is probably not meant.

use crate::{
    exit::{Done, Failure},
    say, scenarios,
};
use scenario::{predict as predict_plan, warnings};
use serde_json::json;

/// Prints the prediction of each scenario.
pub fn predict(arguments: &[String], as_json: bool) -> Result<Done, Failure> {
    let scenarios = scenarios::load(arguments)?;
    if as_json {
        let all = scenarios.iter().map(|scenario| {
            json!({
                "name": scenario.name,
                "plan": scenario.plan,
                "prediction": predict_plan(&scenario.plan),
                "warnings": warnings(&scenario.plan),
            })
        });
        say::out(format!("{:#}", json!(all.collect::<Vec<_>>())));
        return Ok(Done::Fine);
    }
    for scenario in &scenarios {
        let prediction = predict_plan(&scenario.plan);
        say::out(report::terminal::prediction(&scenario.plan, &prediction));
        scenario.warn();
    }
    Ok(Done::Fine)
}
