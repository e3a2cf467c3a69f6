//! Any JSON value, kept as the text that it came as.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, fmt};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// How deep arrays and objects may lie in each other: readers of JSON commonly stop at 128.
const MAX_DEPTH: usize = 100;

/// Any JSON value, which nobody but its owner looks into.
///
/// It is kept as text, byte for byte: parsed, a small one can take a hundred times its room
/// (a list of empty objects does), and numbers would come out written in another way.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Content(Box<RawValue>);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if depth(raw.get()) > MAX_DEPTH {
            let what = format!("nested deeper than allowed; allowed: up to {MAX_DEPTH}");
            return Err(D::Error::custom(what));
        }
        Ok(Self(raw))
    }
}

/// How deep arrays and objects lie in each other, in a text that is JSON.
fn depth(json: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

impl From<Value> for Content {
    /// A value always serialises.
    fn from(value: Value) -> Self {
        Self(serde_json::value::to_raw_value(&value).unwrap_or_default())
    }
}

/// `null`
impl Default for Content {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

/// The same text.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// The same value, however it is written.
impl PartialEq<Value> for Content {
    fn eq(&self, other: &Value) -> bool {
        serde_json::from_str::<Value>(self.0.get()).is_ok_and(|value| value == *other)
    }
}

/// The text.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

impl PartialSchema for Content {
    fn schema() -> RefOr<Schema> {
        Value::schema()
    }
}

impl ToSchema for Content {
    fn name() -> Cow<'static, str> {
        "Content".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_content_comes_out_as_it_came_in() {
        for text in ["1e15", "{ \"b\":1,\"a\":1.50 }", "null", "\"\\u0041\""] {
            let content: Content = serde_json::from_str(text).unwrap();
            assert_eq!(content.to_string(), text);
            assert_eq!(serde_json::to_string(&content).unwrap(), text);
        }
        assert_eq!(Content::from(json!({ "a": 1 })).to_string(), "{\"a\":1}");
    }

    #[test]
    fn what_is_no_json_or_nested_too_deep_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(serde_json::from_str::<Content>(&nested(MAX_DEPTH)).is_ok());
        let deeper = nested(MAX_DEPTH + 1);
        let bad = ["", "{", "nul", "[1,]", &deeper, &nested(200_000)];
        for text in bad {
            assert!(
                serde_json::from_str::<Content>(text).is_err(),
                "{}",
                text.len()
            );
        }
        let brackets_in_text = format!("\"{}\\\"{}\"", "[".repeat(500), "{".repeat(500));
        assert!(serde_json::from_str::<Content>(&brackets_in_text).is_ok());
    }
}
