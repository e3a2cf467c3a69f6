//! The pictures of a report as files of their own, for slides and papers.

use crate::{
    facts::groups,
    html::{
        compare,
        pictures::{Captioned, over_time, small},
    },
    results::{Results, ScenarioResult},
};

/// An SVG file: its name, and what is in it.
pub struct File {
    /// The name, with its ending.
    pub name: String,
    /// The picture.
    pub svg: String,
}

/// All pictures of all scenarios, and of those side by side.
pub fn files(results: &Results) -> Vec<File> {
    let groups = groups(&results.scenarios);
    let compared = groups.iter().filter(|group| group.len() > 1);
    let compared = compared.flat_map(|group| {
        let id = format!("{}.side-by-side", group[0].name);
        let pictures = compare::pictures(&id, group);
        pictures
            .into_iter()
            .map(move |one| file(&id, &one))
            .collect::<Vec<_>>()
    });
    let alone = results.scenarios.iter().flat_map(of_scenario);
    alone.chain(compared).collect()
}

fn of_scenario(result: &ScenarioResult) -> Vec<File> {
    let Some(run) = result.shown() else {
        return Vec::new();
    };
    let mut pictures = small(&result.name, result, run);
    pictures.extend(over_time(&result.name, result, run));
    pictures.iter().map(|one| file(&result.name, one)).collect()
}

fn file(scenario: &str, one: &Captioned) -> File {
    File {
        name: format!("{scenario}.{}.svg", one.name),
        svg: one.picture.file(),
    }
}
