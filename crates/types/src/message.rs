//! What a client is told of a value that is not valid.

/// How much of a value is shown, in characters.
const SHOWN: usize = 120;

/// Names the field, the value as far as it helps, and what is allowed.
pub fn not_valid(field: &str, value: &str, allowed: &str) -> String {
    let shown: String = value.chars().take(SHOWN).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("{field}: {shown:?}{more} is not valid; allowed: {allowed}")
}

#[cfg(test)]
mod tests {
    use super::not_valid;

    #[test]
    fn a_value_is_named_and_a_long_one_not_in_full() {
        let told = not_valid("limit", "x\n", "1 to 9");
        assert_eq!(told, r#"limit: "x\n" is not valid; allowed: 1 to 9"#);
        let told = not_valid("key", &"é".repeat(100_000), "less");
        let expected = format!("key: \"{}\"… is not valid; allowed: less", "é".repeat(120));
        assert_eq!(told, expected);
    }
}
