//! What editors need to check a scenario while it is written.

use scenario::{builtin, json_schema};
use std::{fs, path::Path};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/schema.json");

#[test]
fn the_published_schema_is_the_one_of_this_program() {
    let current = format!("{:#}\n", json_schema());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(SCHEMA, &current).unwrap();
    }
    let published = fs::read_to_string(Path::new(SCHEMA)).unwrap();
    assert!(
        published == current,
        "UPDATE_GOLDEN=1 cargo test -p scenario --test editors"
    );
}

#[test]
fn every_built_in_scenario_tells_editors_where_the_schema_is() {
    for scenario in builtin() {
        let first = scenario.text.lines().next();
        assert_eq!(first, Some("#:schema ../schema.json"), "{}", scenario.name);
    }
}
