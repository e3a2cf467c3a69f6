mod stage;

use super::page;
use crate::results::FixCheck;
use crate::{
    csv, pictures,
    results::{Deployed, HostCheck, Lowered, ScenarioResult, VariantOf},
};
use availability::{Confidence, Doubt, Judgement, Verdict, difference::Difference, perfect::Gain};
use roxmltree::{Document, Node, ParsingOptions};
use stage::{empty_run, results, scenario};
use std::collections::HashSet;

/// The page of these scenarios, read by a strict parser.
fn parsed<R>(scenarios: Vec<ScenarioResult>, look: impl FnOnce(&Document<'_>, &str) -> R) -> R {
    let html = page(&results(scenarios));
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&html, options);
    look(&document.unwrap_or_else(|error| panic!("{error}")), &html)
}

/// All text below a node, in one line.
fn text(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    texts.filter_map(|node| node.text()).collect()
}

fn body_text(document: &Document<'_>) -> String {
    let body = document
        .descendants()
        .find(|node| node.has_tag_name("body"));
    text(body.unwrap())
}

fn attributes<'a>(document: &'a Document<'_>, name: &'a str) -> impl Iterator<Item = &'a str> {
    document
        .descendants()
        .filter_map(move |node| node.attribute(name))
}

fn two() -> Vec<ScenarioResult> {
    vec![scenario("one", "The first"), scenario("two", "The second")]
}

#[test]
fn a_page_says_what_was_predicted_what_was_measured_and_the_verdict() {
    parsed(two(), |document, _| {
        let text = body_text(document);
        for fact in [
            "2 scenarios: 2 hold",
            "The first",
            "96.10 %",
            "94.20 – 97.40 %",
            "✔ holds",
            "a part of the predicted range lies in the 99 % interval",
            "± 8.00 points",
            "p99.9",
            "1.103 ± 0.024 ×",
            "the database hangs",
            "gateway → database",
            "opened once",
            "retry 1",
            "fault injected: dead",
            "breaker half-open",
            "Failed in database (timeout): the median of 39",
            "3 more bars are left out",
            "Side by side",
        ] {
            assert!(text.contains(fact), "{fact} is missing");
        }
    });
}

#[test]
fn the_summary_has_a_row_for_each_scenario_with_class_interval_and_distance() {
    parsed(two(), |document, _| {
        let is_summary = |node: &Node<'_, '_>| node.attribute("class") == Some("summary");
        let summary = document.descendants().find(is_summary).unwrap();
        let body = summary.children().find(|node| node.has_tag_name("tbody"));
        let rows: Vec<Vec<String>> = body
            .unwrap()
            .children()
            .map(|row| row.children().map(text).collect())
            .collect();
        assert_eq!(rows.len(), 2);
        let row: Vec<&str> = rows[1].iter().map(String::as_str).collect();
        assert_eq!(row[0], "two");
        assert_eq!(row[1], "✔ holds");
        // By batch means: the scenario has a breaker.
        assert_eq!(row[3..6], ["range", "96.10 %", "93.08 – 97.72 %"]);
        assert_eq!(row[7..], ["± 8.00 points", "1,000"]);
    });
}

#[test]
fn the_verdict_stands_below_prediction_and_measurement() {
    parsed(two(), |document, _| {
        let is_facts = |node: &Node<'_, '_>| node.attribute("class") == Some("facts");
        let facts = text(document.descendants().find(is_facts).unwrap());
        let places =
            ["predicted", "measured96.10 %", "verdict✔ holds"].map(|fact| facts.find(fact));
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{facts}"
        );
    });
}

#[test]
fn caveats_stand_beside_the_numbers() {
    let mut doubtful = scenario("one", "The first");
    let doubt = Doubt::LateGenerator {
        late: 3,
        requests: 1000,
    };
    doubtful.judgement = Judgement::from(Verdict::Holds).doubted([doubt]);
    doubtful.runs[0].accounting.lines = vec![stage::line("requests offered", 1000, 999)];
    parsed(vec![doubtful], |document, _| {
        let text = body_text(document);
        for caveat in [
            "? inconclusive",
            "3 of 1000 requests left late",
            "NOT all counts agree: requests offered: generator 1,000, spans 999",
            "5 orphaned",
            "3 requests left more than 50 ms late; the generator was at most 61.5 ms late",
            "the host was 50.00 % busy",
            "7 times the client gave up",
        ] {
            assert!(text.contains(caveat), "{caveat} is missing");
        }
        let doubt = "3 of 1000 requests left late";
        assert_eq!(text.matches(doubt).count(), 1, "{text}");
    });
}

/// A scenario whose first run the host disturbed, at a tenth of the requests answered.
fn disturbed() -> ScenarioResult {
    let mut result = scenario("one", "The first");
    let mut first = stage::run();
    first.seed = 7;
    first.analysis.root.outcomes.ok = 100;
    first.analysis.root.outcomes.failed.total = 900;
    first.accounting.lines = vec![stage::line("requests offered", 1000, 999)];
    first.doubts = vec![Doubt::LateGenerator {
        late: 300,
        requests: 1000,
    }];
    result.runs.insert(0, first);
    result.headline = 1;
    result
}

#[test]
fn the_run_that_counts_stands_first_and_a_discarded_one_is_a_line_below_it() {
    let result = disturbed();
    assert_eq!(result.disagreement().map(|line| &*line.what), None);
    let line = "a run was discarded (seed 7, 10.00 % answered): 300 of 1000 requests left late";
    let told = crate::terminal::scenario(&result, crate::terminal::Style::default());
    let (above, below) = told.split_once(line).unwrap_or_else(|| panic!("{told}"));
    assert!(above.contains("measured     96.10 %"), "{told}");
    assert!(
        !above.contains("10.00 %") && !below.contains("10.00 %"),
        "{told}"
    );
    parsed(vec![result], |document, _| {
        let text = body_text(document);
        let (above, below) = text.split_once(line).unwrap_or_else(|| panic!("{text}"));
        assert!(above.contains("96.10 %"), "{text}");
        assert!(
            !above.contains("10.00 %") && !below.contains("10.00 %"),
            "{text}"
        );
    });
}

#[test]
fn a_first_run_that_missed_the_prediction_is_named_beside_the_one_that_is_judged() {
    let mut result = scenario("one", "The first");
    let mut first = stage::run();
    first.seed = 7;
    first.accounting.lines = vec![stage::line("requests offered", 1000, 999)];
    result.runs.insert(0, first);
    result.headline = 1;
    assert_eq!(
        result.disagreement().map(|line| &*line.what),
        Some("requests offered"),
        "the first run is sound, so its counts must agree"
    );
    let told = crate::terminal::scenario(&result, crate::terminal::Style::default());
    assert!(
        told.contains("a first run (seed 7) measured 96.10 % and missed the prediction at 99 %"),
        "{told}"
    );
}

#[test]
fn a_load_that_was_lowered_says_from_what_to_what_and_why() {
    let mut result = scenario("one", "The first");
    let lowered = Lowered {
        from_per_s: 1400.0,
        to_per_s: 600.0,
        from_s: 14.3,
        to_s: 33.3,
        after_a_disturbed_run: false,
    };
    result.runs[0].host = Some(HostCheck {
        carries_per_s: 903.0,
        others_busy: 0.4,
        lowered: Some(lowered),
    });
    let line = "this machine is busy: it carries about 900 requests/s of this chain now; the load \
                was lowered from 1400/s to 600/s and takes 33 s instead of 14 s";
    let told = crate::terminal::scenario(&result, crate::terminal::Style::default());
    let words: Vec<_> = told.split_whitespace().collect();
    assert!(words.join(" ").contains(line), "{told}");
    parsed(vec![result], |document, _| {
        assert!(body_text(document).contains(line));
    });
}

#[test]
fn whatever_a_title_or_a_name_holds_it_stays_text() {
    for title in [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>'".to_owned(),
        "&lt;b&gt; & ]]> <!--".to_owned(),
        "\u{202e}עברית right to left".to_owned(),
        "W".repeat(200),
    ] {
        let mut result = scenario(&title, &title);
        result.runs[0].waterfalls[0].bars[0]
            .callee
            .clone_from(&title);
        result.runs[0].analysis.hops[1].hop.clone_from(&title);
        result.runs[0].timeline.transitions[0]
            .callee
            .clone_from(&title);
        parsed(vec![result], |document, _| {
            let heading = document.descendants().find(|node| {
                node.has_tag_name("h2")
                    && node.attribute("id").is_some_and(|id| id.starts_with("s1-"))
            });
            assert_eq!(text(heading.unwrap()), title);
            let is_foreign = |node: &Node<'_, '_>| {
                ["script", "img", "b"]
                    .iter()
                    .any(|name| node.has_tag_name(*name))
            };
            assert!(!document.descendants().any(|node| is_foreign(&node)));
        });
    }
}

#[test]
fn ids_are_unique_and_every_reference_has_its_end() {
    let mut several = two();
    several.push(scenario("one", "The same name again"));
    parsed(several, |document, _| {
        let ids: Vec<_> = attributes(document, "id").collect();
        let unique: HashSet<_> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len());
        let links: Vec<_> = attributes(document, "href").collect();
        assert_eq!(links.len(), 3 + 3);
        for link in links {
            assert!(unique.contains(link.strip_prefix('#').unwrap()), "{link}");
        }
        for labels in attributes(document, "aria-labelledby") {
            assert!(labels.split(' ').all(|id| unique.contains(id)), "{labels}");
        }
    });
}

#[test]
fn each_trace_links_to_the_jaeger_that_has_it_and_says_where_it_was_measured() {
    let mut linked = scenario("one", "One");
    for run in &mut linked.runs {
        run.jaeger = Some("https://jaeger.example/ui/?a=\"><b>".to_owned());
        run.deployed = Some(Deployed {
            target: "http://chain.example/".to_owned(),
            traces: "http://jaeger.example/".to_owned(),
            clocks_apart_s: None,
        });
    }
    let traces: Vec<_> = linked.runs[0]
        .waterfalls
        .iter()
        .map(|it| it.trace)
        .collect();
    assert!(!traces.is_empty());
    parsed(vec![linked], |document, html| {
        let links: Vec<_> = attributes(document, "href").collect();
        for trace in traces {
            let link = format!("https://jaeger.example/ui/?a=\"><b>/trace/{trace}");
            assert!(links.contains(&&*link), "{links:?}");
        }
        assert!(html.contains("deployed at http://chain.example/"));
    });
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_nothing_is_run() {
    parsed(two(), |document, html| {
        for name in ["src", "srcset", "xlink:href", "action", "onclick", "onload"] {
            assert_eq!(attributes(document, name).next(), None, "{name}");
        }
        for word in [
            "http://", "https://", "@import", "<script", "<link", "<iframe",
        ] {
            assert!(!html.contains(word), "{word}");
        }
        let urls = html.matches("url(").count();
        assert_eq!(urls, html.matches("url(#").count());
    });
}

#[test]
fn tables_and_pictures_speak_to_those_who_cannot_see_them() {
    parsed(two(), |document, _| {
        let named = |name: &'static str| {
            document
                .descendants()
                .filter(move |node| node.has_tag_name(name))
        };
        for table in named("table") {
            assert!(table.children().any(|node| node.has_tag_name("caption")));
        }
        for head in named("th") {
            assert!(head.has_attribute("scope"));
        }
        for svg in named("svg").filter(|svg| !svg.has_attribute("aria-hidden")) {
            for part in ["title", "desc"] {
                let part = svg.children().find(|node| node.has_tag_name(part));
                assert!(!text(part.unwrap()).is_empty());
            }
        }
        let html = named("html").next().unwrap();
        assert_eq!(html.attribute("lang"), Some("en"));
        assert_eq!(named("h1").count(), 1);
    });
}

#[test]
fn a_run_that_saw_nothing_and_a_document_without_runs_are_pages_too() {
    let (mut blind, mut unrun) = (
        scenario("blind", "Nothing seen"),
        scenario("none", "Not run"),
    );
    blind.runs = vec![empty_run()];
    unrun.runs = Vec::new();
    let numbers = parsed(vec![blind, unrun], |document, html| {
        assert!(body_text(document).contains("nothing"));
        html.to_owned()
    });
    assert!(!numbers.contains("NaN") && !numbers.contains("inf "));
    parsed(Vec::new(), |document, _| {
        assert!(body_text(document).contains("0 scenarios"));
    });
}

#[test]
fn what_was_expected_repeated_promised_and_played_stands_on_the_page() {
    let mut one = scenario("one", "The first");
    one.bounds = stage::bounds();
    one.repeats = stage::repeats();
    one.fix = Some(stage::fix());
    one.runs[0].given = Some(stage::given());
    one.runs[0].schedule = stage::schedule();
    parsed(vec![one], |document, _| {
        let text = body_text(document);
        for fact in [
            "latency p99-250.0 ms200.0 ms180.0 ms – 260.0 msinconclusive",
            "requests lost-439a countfails",
            "of this run95.00 %",
            "predicted with its 2 outages: 250,000 requests simulated before it",
            "database without failures would give +1.00 points",
            "gave +0.90 points (+0.50 points to +1.30 points, 99 %): they agree",
            "71,00095.00 % (",
            "96.00 %yes",
            "From 95.00 % to 97.00 %, median 97.00 %; 2 of 2 hold",
            "database: down",
            "Where the nines went",
            "if only failed traces and 10 % of the others were kept (39 and 96): 71.10 % of them are good",
        ] {
            assert!(text.contains(fact), "{fact} is missing in {text}");
        }
    });
}

#[test]
fn variants_of_a_scenario_hang_side_by_side_under_their_own_names() {
    let mut scenarios = two();
    for (result, title) in scenarios.iter_mut().zip([None, Some("with <limits>")]) {
        result.variant = Some(VariantOf {
            scenario: "one".to_owned(),
            title: title.map(str::to_owned),
        });
    }
    parsed(scenarios.clone(), |document, _| {
        let text = body_text(document);
        for fact in [
            "Side by side",
            "with <limits>",
            "Processor time for one request",
        ] {
            assert!(text.contains(fact), "{fact} is missing");
        }
    });
    let files = pictures::files(&results(scenarios));
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    for name in [
        "one.stairs.svg",
        "two.time.svg",
        "one.side-by-side.answered.svg",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for file in &files {
        let document = Document::parse(&file.svg).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(document.root_element().tag_name().name(), "svg");
    }
}

#[test]
fn the_lines_hold_every_hop_of_every_scenario() {
    let lines = csv::lines(&results(two()));
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 4);
    let columns = lines[0].split(',').count();
    assert!(lines.iter().all(|line| line.split(',').count() == columns));
    assert!(
        lines[1].starts_with("one,holds,42,gateway,1000,0,1000,13,"),
        "{}",
        lines[1]
    );
}

#[test]
fn a_verdict_that_fails_for_a_broken_promise_says_so() {
    let mut broken = scenario("one", "The first");
    broken.fix = Some(FixCheck {
        hop: "d".to_owned(),
        promised: Some(Gain {
            value: 0.12,
            low: 0.10,
            high: 0.14,
        }),
        measured: Difference {
            value: 0.16,
            low: 0.15,
            high: 0.17,
            level: Confidence::P99,
        },
        differs: true,
        agrees: Some(false),
        caveat: None,
    });
    broken.judgement = Judgement::from(Verdict::Fails);
    let reason = crate::words::reason(&broken);
    let said = "a run without failures of d did not give the promised gain; ";
    assert!(reason.starts_with(said), "{reason}");
}
