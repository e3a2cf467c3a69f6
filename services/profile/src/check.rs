//! What a profile may say. An error names the field, the value, and what is allowed.

use std::collections::HashSet;
use types::{
    NAME_ALLOWED, is_name, not_valid,
    profile::{Page, PutProfile},
};

/// The longest name of a user: the keys made of it must be names too.
const MAX_USER: usize = 48;
const USER_ALLOWED: &str = "1 to 48 letters, digits, `.`, `_` or `-`, not beginning with `.`";
const MAX_KEYS: usize = 100;
const MAX_DISPLAY_NAME: usize = 100;
/// RFC 5646, section 4.4.1: longer tags are not used.
const MAX_LANGUAGE: usize = 35;

/// What is wrong with the user's identifier, if anything.
pub(crate) fn user(user: &str) -> Result<(), String> {
    if user.len() <= MAX_USER && is_name(user) {
        Ok(())
    } else {
        Err(not_valid("user", user, USER_ALLOWED))
    }
}

/// What is wrong with the new page, if anything.
pub(crate) fn page(page: &Page) -> Result<(), String> {
    if !is_name(&page.collection) {
        return Err(not_valid("collection", &page.collection, NAME_ALLOWED));
    }
    if page.keys.len() > MAX_KEYS {
        let count = page.keys.len();
        return Err(format!(
            "keys: {count} of them are too many; allowed: up to {MAX_KEYS}"
        ));
    }
    if let Some(key) = page.keys.iter().find(|key| !is_name(key)) {
        return Err(not_valid("keys", key, NAME_ALLOWED));
    }
    let mut seen = HashSet::new();
    match page.keys.iter().find(|key| !seen.insert(*key)) {
        Some(key) => Err(not_valid("keys", key, "each key once")),
        None => Ok(()),
    }
}

/// What is wrong with the new profile, if anything.
pub(crate) fn profile(put: &PutProfile) -> Result<(), String> {
    let (name, language) = (&put.display_name, &put.language);
    if !is_display_name(name) {
        let allowed = "1 to 100 characters, not all of them blank, no control characters";
        return Err(not_valid("display_name", name, allowed));
    }
    if !is_language_tag(language) {
        let allowed = "a language tag such as en, en-GB or zh-Hant-TW";
        return Err(not_valid("language", language, allowed));
    }
    Ok(())
}

fn is_display_name(name: &str) -> bool {
    let characters = name.chars().count();
    characters <= MAX_DISPLAY_NAME && !name.trim().is_empty() && !name.chars().any(char::is_control)
}

/// The shape of a language tag (RFC 5646, section 2.1): a language of 2 to 8 letters, then
/// subtags of 1 to 8 letters and digits. Whether they are registered is not looked up.
fn is_language_tag(tag: &str) -> bool {
    let (language, rest) = tag
        .split_once('-')
        .map_or((tag, None), |(l, r)| (l, Some(r)));
    let is_subtag = |subtag: &str| {
        (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    tag.len() <= MAX_LANGUAGE
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && rest.is_none_or(|rest| rest.split('-').all(is_subtag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(display_name: &str, language: &str) -> PutProfile {
        PutProfile {
            display_name: display_name.to_owned(),
            language: language.to_owned(),
        }
    }

    #[test]
    fn what_is_allowed_is_accepted() {
        let hundred = "é".repeat(100);
        for name in ["A", "Ada Lovelace", "李", &hundred] {
            assert_eq!(profile(&put(name, "en")), Ok(()), "{name}");
        }
        for tag in [
            "en",
            "en-GB",
            "zh-Hant-TW",
            "sl-rozaj-biske-1994",
            "de-1996",
        ] {
            assert_eq!(profile(&put("A", tag)), Ok(()), "{tag}");
        }
    }

    #[test]
    fn what_is_not_is_refused_with_the_field_the_value_and_what_is_allowed() {
        let long = "x".repeat(101);
        for name in ["", "   ", "a\nb", &long] {
            let error = profile(&put(name, "en")).unwrap_err();
            let start = format!("display_name: {name:?} is not valid; allowed: 1 to 100");
            assert!(error.starts_with(&start), "{error}");
        }
        for tag in [
            "",
            "e",
            "en_GB",
            "en-",
            "-en",
            "en--GB",
            "e1",
            "é",
            "en-abcdefghi",
        ] {
            let error = profile(&put("A", tag)).unwrap_err();
            let start = format!("language: {tag:?} is not valid; allowed: a language tag");
            assert!(error.starts_with(&start), "{error}");
        }
        assert!(profile(&put("A", &format!("en{}", "-a1b2c3".repeat(6)))).is_err());
        assert!(user("..").unwrap_err().starts_with("user: \"..\""));
        assert!(user(&"x".repeat(48)).is_ok() && user(&"x".repeat(49)).is_err());
    }

    #[test]
    fn a_page_names_each_record_once_and_not_too_many() {
        let page_of = |collection: &str, keys: Vec<String>| {
            let collection = collection.to_owned();
            page(&Page { collection, keys })
        };
        let numbered = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(page_of("pages", numbered(100)), Ok(()));
        assert_eq!(page_of("pages", vec![]), Ok(()));
        for (collection, keys, expected) in [
            ("a/b", vec![], "collection: \"a/b\""),
            ("pages", vec!["a,b".to_owned()], "keys: \"a,b\""),
            ("pages", vec!["a".to_owned(); 2], "each key once"),
            ("pages", numbered(101), "keys: 101 of them"),
        ] {
            let error = page_of(collection, keys).unwrap_err();
            assert!(
                error.contains(expected) && error.contains("allowed:"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_very_long_value_is_not_repeated_in_full() {
        let error = profile(&put(&"x".repeat(100_000), "en")).unwrap_err();
        assert!(error.len() < 300, "{}", error.len());
    }
}
