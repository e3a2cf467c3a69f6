//! What may have been meant.

/// The candidate nearest to `word`, if one is near enough to be meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance = |candidate: &'a str| (strsim::osa_distance(word, candidate), candidate);
    let (edits, candidate) = candidates.into_iter().map(distance).min()?;
    let bearable = (candidate.chars().count() / 2).min(3);
    (edits <= bearable).then_some(candidate)
}

/// A question that follows a wrong word: ": did you mean …?", or nothing.
pub(crate) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

/// That there is no `word` among the names, which is nearest, and which there are.
pub(crate) fn no_such<'a, N>(what: &str, word: &str, names: impl Fn() -> N) -> String
where
    N: Iterator<Item = &'a str>,
{
    let allowed = quoted(names());
    match nearest(word, names()) {
        Some(name) => format!("no such {what}: did you mean `{name}`? Allowed: {allowed}"),
        None => format!("no such {what}; allowed: {allowed}"),
    }
}

/// Words as in a list: "`a`, `b`".
pub(crate) fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_suggested() {
        let services = ["gateway", "auth", "profile", "database"];
        assert_eq!(nearest("databse", services), Some("database"));
        assert_eq!(nearest("auht", services), Some("auth"));
        assert_eq!(nearest("elephant", services), None);
        assert_eq!(nearest("x", []), None);
    }
}
