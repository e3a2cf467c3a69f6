use crate::{
    error::Problem,
    parse,
    schema::{Inside, Key, ROOT},
};
use toml::{Table, Value};

/// What serde and toml say of a value of the wrong type.
const RAW: [&str; 8] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "missing field",
    "unknown field",
    "unknown variant",
    "did not match",
    "struct ",
];

/// A value of each type, none of which can be more than some keys' value.
fn values() -> Vec<Value> {
    let table = Table::from_iter([("zzz".to_owned(), Value::Integer(1))]);
    vec![
        Value::Integer(-7),
        Value::Float(0.123),
        Value::String("?!".to_owned()),
        Value::Boolean(true),
        Value::Array(vec![Value::Boolean(true)]),
        Value::Array(vec![Value::Array(Vec::new())]),
        Value::Table(table),
        "when = 1979-05-27".parse::<Table>().unwrap()["when"].clone(),
    ]
}

/// Every key, with a way to put a value there.
fn each(keys: &'static [Key], wrap: &dyn Fn(Value) -> Value, visit: &mut dyn FnMut(&str, Value)) {
    for key in keys {
        let at_key = |value| {
            let table = Table::from_iter([(key.name.to_owned(), value)]);
            wrap(Value::Table(table))
        };
        for value in values() {
            visit(key.name, at_key(value));
        }
        match key.inside {
            Inside::Table(keys) | Inside::OffOr(keys) | Inside::WordOr(_, keys) => {
                each(keys, &at_key, visit);
            }
            Inside::Named(keys) => {
                let named = |value| {
                    let table = Table::from_iter([("name".to_owned(), value)]);
                    at_key(Value::Table(table))
                };
                for value in values() {
                    visit(key.name, named(value));
                }
                each(keys, &named, visit);
            }
            Inside::List(keys) => each(keys, &|value| at_key(Value::Array(vec![value])), visit),
            Inside::Values(_) | Inside::Value(_) | Inside::Later => {}
        }
    }
}

#[test]
fn a_value_of_any_type_at_any_key_is_refused_in_plain_words_with_key_and_place() {
    let mut tried = 0;
    each(ROOT, &|value| value, &mut |key, document| {
        let text = toml::to_string(&document).unwrap();
        tried += 1;
        // Some values fit, such as a table at a key for tables; the scenario is still none.
        let errors = parse("s.toml", &text).unwrap_err();
        for error in &errors.errors {
            let said = error.to_string();
            assert!(!matches!(error.problem, Problem::Syntax(_)), "{text}{said}");
            assert!(
                RAW.iter().all(|raw| !said.contains(raw)),
                "{key}: {text}{said}"
            );
            assert!(
                said.contains('`') && said.contains("(line "),
                "{text}{said}"
            );
        }
    });
    assert!(tried > 1_000, "{tried}");
}
