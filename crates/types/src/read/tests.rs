use super::{from_slice, from_str, from_value, position};
use crate::{Content, Probability};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only whether they can be read matters")]
struct Order {
    count: u32,
    #[serde(default)]
    price: f64,
    #[serde(default)]
    size: Size,
    #[serde(default)]
    parts: Vec<Part>,
    #[serde(default)]
    limits: BTreeMap<String, u8>,
    #[serde(default)]
    gift: Option<bool>,
    #[serde(default)]
    note: Option<Content>,
    #[serde(default, deserialize_with = "even")]
    pairs: u32,
}

/// A type that is read as another and then refuses some of its values.
fn even<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if number.is_multiple_of(2) {
        return Ok(number);
    }
    let unexpected = Unexpected::Unsigned(number.into());
    Err(D::Error::invalid_value(unexpected, &"an even number"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Size {
    #[default]
    Small,
    Large,
    ExtraLarge,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "RawPart")]
struct Part;

#[derive(Debug, Deserialize)]
struct RawPart {
    id: String,
    share: Probability,
}

impl TryFrom<RawPart> for Part {
    type Error = String;
    fn try_from(raw: RawPart) -> Result<Self, String> {
        match (raw.id.as_str(), raw.share) {
            ("", _) => Err("id: \"\" can't be; allowed: a name".to_owned()),
            ("none", Probability::ZERO) => Err("Nothing: of it".to_owned()),
            _ => Ok(Self),
        }
    }
}

/// A text, and all that is said about it.
const CASES: &[(&str, &str)] = &[
    (r"{}", "count: missing; this field is needed"),
    (
        r#"{"count":"two"}"#,
        r#"count: invalid value "two", expected a whole number from 0 to 4294967295"#,
    ),
    (
        r#"{"count":-1}"#,
        "count: invalid value -1, expected a whole number from 0 to 4294967295",
    ),
    (
        r#"{"count":1.5}"#,
        "count: invalid value 1.5, expected a whole number from 0 to 4294967295",
    ),
    (
        r#"{"count":null}"#,
        "count: invalid value null, expected a whole number from 0 to 4294967295",
    ),
    (
        r#"{"count":1,"price":[1]}"#,
        "price: invalid value (a list), expected a number",
    ),
    (
        r#"{"count":1,"coutn":1}"#,
        "coutn: unknown field: did you mean `count`?",
    ),
    (
        r#"{"count":1,"elephant":1}"#,
        "elephant: unknown field, expected `count`, `price`, `size`, `parts`, `limits`, `gift`, \
         `note` or `pairs`",
    ),
    (
        r#"{"count":1,"size":"larg"}"#,
        r#"size: invalid value "larg", expected `small`, `large` or `extra_large`: did you mean `large`?"#,
    ),
    (
        r#"{"count":1,"size":3}"#,
        "size: invalid value 3, expected `small`, `large` or `extra_large`",
    ),
    (
        r#"{"count":1,"parts":{}}"#,
        "parts: invalid value (an object), expected a list",
    ),
    (
        r#"{"count":1,"parts":[7]}"#,
        "parts[0]: invalid value 7, expected an object",
    ),
    (
        r#"{"count":1,"parts":[{"id":"a","share":1},{"id":"b"}]}"#,
        "parts[1].share: missing; this field is needed",
    ),
    (
        r#"{"count":1,"parts":[{"id":"a","share":2}]}"#,
        "parts[0].share: 2 is not a probability; allowed: 0 to 1",
    ),
    (
        r#"{"count":1,"parts":[{"id":"","share":1}]}"#,
        r#"parts[0].id: "" can't be; allowed: a name"#,
    ),
    (
        r#"{"count":1,"parts":[{"id":"none","share":0}]}"#,
        "parts[0]: Nothing: of it",
    ),
    (
        r#"{"count":1,"limits":{"cpu":256}}"#,
        "limits.cpu: invalid value 256, expected a whole number from 0 to 255",
    ),
    (
        r#"{"count":1,"gift":"yes"}"#,
        r#"gift: invalid value "yes", expected true or false"#,
    ),
    (
        r#"{"count":1,"pairs":3}"#,
        "pairs: invalid value 3, expected an even number",
    ),
    (r#"{"count":1,"count":2}"#, "the same field is given twice"),
    ("7", "invalid value 7, expected an object"),
    (
        r#"{"count":1"#,
        "not valid JSON: it ends too early (line 1, column 10)",
    ),
    (
        "{\"count\":1,\n \"gift\":yes}",
        "not valid JSON: expected value (line 2, column 9)",
    ),
    (
        r#"{"count":"two",}"#,
        "not valid JSON: trailing comma (line 1, column 16)",
    ),
];

#[test]
fn an_error_names_the_field_its_value_and_what_is_expected() {
    for (text, expected) in CASES {
        let error = from_str::<Order>(text).unwrap_err();
        assert_eq!(error.to_string(), *expected, "{text}");
        assert_eq!(error.is_syntax(), expected.starts_with("not valid JSON"));
    }
}

#[test]
fn what_fits_is_read_also_where_a_part_is_kept_as_text() {
    let text = r#"{"count":1,"size":"large","parts":[{"id":"a","share":0.5}],"note":{"a":[1]}}"#;
    assert_eq!(from_slice::<Order>(text.as_bytes()).unwrap().count, 1);
    let value = json!({ "count": 2, "gift": null, "note": { "a": [1] } });
    assert_eq!(from_value::<Order>(&value).unwrap().count, 2);
    // What is wrong is found behind such a part, too.
    let error = from_str::<Order>(r#"{"note":{"count":1},"count":"x"}"#).unwrap_err();
    assert_eq!(error.path(), "count");
}

#[test]
fn an_error_in_a_file_has_line_and_column() {
    let error = from_str::<Order>("{\n  \"count\": \"two\"\n}").unwrap_err();
    assert!(
        error.in_file().ends_with("(line 2, column 16)"),
        "{}",
        error.in_file()
    );
    let syntax = from_str::<Order>("{\n  \"count\": two\n}").unwrap_err();
    assert_eq!(syntax.in_file(), syntax.to_string());
}

#[test]
fn long_values_are_shortened() {
    let long = "x".repeat(1_000);
    let error = from_value::<u32>(&json!(long)).unwrap_err();
    assert!(error.to_string().chars().count() < 150, "{error}");
}

#[test]
fn positions_count_characters_from_one() {
    let text = "a\nüb = 1\n";
    assert_eq!(position(text, 0), (1, 1));
    assert_eq!(position(text, 4), (2, 2));
    assert_eq!(position(text, 99), (3, 1));
}
