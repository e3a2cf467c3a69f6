//! Results as one page: no script, nothing loaded from elsewhere, fit for a phone, for paper,
//! and for light and dark.
//!
//! Whatever comes from users, such as titles and names, is escaped by `maud`. The page is
//! well-formed XML as well, which is what lets tests read it with a strict parser.

mod caveats;
pub(crate) mod compare;
pub(crate) mod pictures;
mod scenario;
mod summary;
mod table;
mod waterfall;

#[cfg(test)]
mod tests;

use crate::{
    facts::groups,
    results::{Results, ScenarioResult},
    svg,
    words::count,
};
use availability::Verdict;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("html/page.css");
/// What `maud` has no closed form of.
const META: &str = r#"
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
"#;

/// The whole page.
pub fn page(results: &Results) -> String {
    let title = "Where the nines went";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (PreEscaped(META))
                title { (title) " · " (verdicts(&results.scenarios)) }
                style { (PreEscaped(svg::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                (textures())
                header.page {
                    h1 { (title) }
                    p { (verdicts(&results.scenarios)) ". Written by " (results.program) "." }
                }
                main {
                    (summary::section(&results.scenarios))
                    (comparisons(&results.scenarios))
                    @for (nth, result) in results.scenarios.iter().enumerate() {
                        (scenario::article(nth, result))
                    }
                }
                (words())
            }
        }
    }
    .into_string()
}

/// The anchor of a scenario: its place makes it the only one, its name makes it readable.
fn anchor(nth: usize, name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = name.chars().take(40).map(plain).collect();
    format!("s{}-{name}", nth + 1)
}

/// How many scenarios ended how: `12 scenarios: 11 hold, 1 inconclusive`.
fn verdicts(results: &[ScenarioResult]) -> String {
    let number = |verdict| {
        let same = results
            .iter()
            .filter(|result| result.judgement.verdict == verdict);
        same.count() as u64
    };
    let words = [
        (Verdict::Holds, "hold"),
        (Verdict::Fails, "fail"),
        (Verdict::Inconclusive, "inconclusive"),
    ];
    let told = words.map(|(verdict, word)| (number(verdict), word));
    let told = told.iter().filter(|(number, _)| *number > 0);
    let told: Vec<_> = told
        .map(|(number, word)| format!("{} {word}", count(*number)))
        .collect();
    let all = match results.len() {
        1 => "1 scenario".to_owned(),
        all => format!("{} scenarios", count(all as u64)),
    };
    if told.is_empty() {
        all
    } else {
        format!("{all}: {}", told.join(", "))
    }
}

/// A verdict as a sign, a word and a colour.
fn badge(verdict: Verdict) -> Markup {
    let (sign, class) = match verdict {
        Verdict::Holds => ("✔", "badge holds"),
        Verdict::Fails => ("✘", "badge fails"),
        Verdict::Inconclusive => ("?", "badge open-verdict"),
    };
    html! { span class=(class) { span aria-hidden="true" { (sign) } " " (verdict.as_str()) } }
}

fn comparisons(results: &[ScenarioResult]) -> Markup {
    let groups = groups(results);
    let compared: Vec<_> = groups.iter().filter(|group| group.len() > 1).collect();
    html! {
        @if !compared.is_empty() {
            section aria-labelledby="side-by-side" {
                h2 id="side-by-side" { "Side by side" }
                p.lead {
                    "The same seed; only what is named in each row differs."
                }
                @for (nth, group) in compared.iter().enumerate() { (compare::group(nth, group, results)) }
            }
        }
    }
}

/// Textures for surfaces that a colour alone would tell apart.
fn textures() -> Markup {
    html! {
        svg.textures width="0" height="0" aria-hidden="true" { defs { (svg::textures()) } }
    }
}

/// What the words mean.
const WORDS: [(&str, &str); 9] = [
    (
        "availability",
        "(ok + degraded) / offered; an answer that says “not found” or “not allowed” is ok",
    ),
    (
        "prediction",
        "from the scenario alone, made before the first request. Exact: equality is to be \
         expected; approximate: near equality; range: only its ends are certain",
    ),
    (
        "interval",
        "99 % (Wilson): it stands beside every share that was measured",
    ),
    (
        "verdict",
        "holds if the prediction lies in the 99 % interval (Clopper–Pearson) of the run; else \
         one rerun with a fresh seed is judged at 99.9 %, and it fails only if both miss it on \
         the same side; inconclusive if the run could not have told",
    ),
    (
        "own",
        "availability of a hop’s own work, given that everything it called succeeded; below the \
         table where circuit breakers, caches or hedges choose which attempts are made",
    ),
    (
        "per attempt, per call",
        "of one HTTP exchange; of one logical request, after the caller’s policies, which is \
         also called effective",
    ),
    (
        "lost here",
        "requests of users whose failure originated in this hop",
    ),
    (
        "down to here",
        "the staircase: the share of requests not lost at this hop or one before it",
    ),
    (
        "closed, open, half-open",
        "a circuit breaker lets calls pass, refuses them, lets a few pass to find out",
    ),
];

fn words() -> Markup {
    html! {
        footer {
            h2 { "What the words mean" }
            dl.words {
                @for (word, meaning) in WORDS { dt { (word) } dd { (meaning) } }
            }
        }
    }
}
