//! Finds the name that was probably meant, for "did you mean" in errors.

/// The candidate nearest to `word`, if it is near enough to be meant: at most three edits, and at
/// most half of its letters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &'a str| (strsim::osa_distance(word, candidate), candidate);
    let (edits, candidate) = candidates.into_iter().map(distance).min()?;
    let bearable = (candidate.chars().count() / 2).min(3);
    (edits <= bearable).then_some(candidate)
}

/// The question that follows a wrong word: ": did you mean …?", or nothing.
pub fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

/// Says that `word` is none of the names, which name is nearest, and which names there are.
pub fn no_such<'a, N>(what: &str, word: &str, names: impl Fn() -> N) -> String
where
    N: Iterator<Item = &'a str>,
{
    let allowed = quoted(names());
    match nearest(word, names()) {
        Some(name) => format!("no such {what}: did you mean `{name}`? Allowed: {allowed}"),
        None => format!("no such {what}; allowed: {allowed}"),
    }
}

/// Lists words: "`a`, `b`".
pub fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
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
