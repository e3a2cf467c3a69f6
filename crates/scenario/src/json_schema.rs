//! The format as a JSON Schema (draft 7, which editors of TOML know), made from the table of
//! keys: whoever writes a scenario is told of a wrong key while they write.
//!
//! A schema says less than the check does: that two keys exclude each other, or that a phase
//! ends within the run, only the check knows.

use crate::schema::{Inside, Key, ROOT, Shape};
use serde_json::{Map, Value, json};

/// How names of services and faults are written.
const NAME: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$";
/// Numbers with units, as in `1m 30s`.
const TIME: &str = "^\\s*([0-9]+\\s*[a-zA-Z]+\\s*)+$";

/// The schema of a scenario.
pub fn json_schema() -> Value {
    let mut schema = table(ROOT);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("A scenario of nines");
    schema
}

fn table(keys: &[Key]) -> Value {
    let supported = keys
        .iter()
        .filter(|key| !matches!(key.inside, Inside::Later));
    let properties: Map<_, _> = supported
        .map(|key| (key.name.to_owned(), described(key)))
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// What is allowed for the key, with the words of its error messages.
fn described(key: &Key) -> Value {
    let mut schema = inside(&key.inside);
    schema["description"] = json!(format!("allowed: {}", key.allowed));
    schema
}

fn inside(inside: &Inside) -> Value {
    match inside {
        Inside::Value(shape) => value(*shape),
        Inside::Table(keys) => table(keys),
        Inside::OffOr(keys) => json!({ "anyOf": [{ "const": false }, table(keys)] }),
        Inside::WordOr(word, keys) => json!({ "anyOf": [{ "const": word }, table(keys)] }),
        Inside::Named(keys) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": table(keys),
        }),
        Inside::Values(shape) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": value(*shape),
        }),
        Inside::List(keys) => json!({ "type": "array", "items": table(keys) }),
        Inside::Later => Value::Bool(false),
    }
}

fn value(shape: Shape) -> Value {
    match shape {
        Shape::Line => json!({ "type": "string", "minLength": 1, "maxLength": 200 }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::From(min, max) => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::Above(min, max) => {
            json!({ "type": "number", "exclusiveMinimum": min, "maximum": max })
        }
        Shape::Between(min, max) => {
            json!({ "type": "number", "exclusiveMinimum": min, "exclusiveMaximum": max })
        }
        Shape::Time => json!({ "type": "string", "pattern": TIME }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Wholes(min, max) => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": min, "maximum": max },
            "minItems": 2,
        }),
        Shape::Names => json!({ "type": "array", "items": { "type": "string", "pattern": NAME } }),
        Shape::Lists(lists) => json!({ "enum": lists }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SHAPE, builtin};
    use jsonschema::Validator;

    fn validator() -> Validator {
        jsonschema::draft7::new(&json_schema()).unwrap()
    }

    fn json(text: &str) -> Value {
        let toml: toml::Table = text.parse().unwrap();
        serde_json::to_value(toml).unwrap()
    }

    #[test]
    fn every_scenario_that_is_built_in_fits_and_so_does_the_one_that_shows_every_key() {
        let validator = validator();
        let all = builtin().iter().map(|one| (one.name, one.text));
        for (name, text) in all.chain([("shape", SHAPE)]) {
            let errors: Vec<_> = validator
                .iter_errors(&json(text))
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }

    #[test]
    fn what_the_check_refuses_by_its_shape_does_not_fit() {
        let validator = validator();
        for text in [
            "titel = \"x\"",
            "seed = -1",
            "seed = 1.5",
            "[load]\nrate = 0",
            "[load]\nfor = 5",
            "[load]\nfor = \"soon\"",
            "[chain]\nhops = [\"auth\"]",
            "[faults.every]\nkind = \"eror\"",
            "[faults.\"a b\"]\nkind = \"error\"",
            "[faults.every]\nprobability = 2",
            "[policy.retry]\nretries = 0",
            "[[phase]]\nat = 1",
            "[expect]\navailability = \"measured\"",
            "[expect]\navailability = { min = 2 }",
            "[compare]\nx = 1",
        ] {
            assert!(!validator.is_valid(&json(text)), "{text}");
            assert!(crate::parse("s.toml", text).is_err(), "{text}");
        }
    }
}
