//! Every key of a scenario, and what is allowed for it.
//!
//! One table serves the search for unknown keys, the nearest known one, the words of every
//! error, and the schema that editors use.

mod policy;

pub(crate) use policy::POLICY;

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What is allowed, to end the sentence "allowed: …".
    pub(crate) allowed: &'static str,
    pub(crate) inside: Inside,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Inside {
    /// A value without keys.
    Value(Shape),
    /// This word, or a table with known keys.
    WordOr(&'static str, &'static [Key]),
    /// `false`, or a table with known keys.
    OffOr(&'static [Key]),
    /// A table with known keys.
    Table(&'static [Key]),
    /// A table of tables with names of the author's choice, and known keys in each.
    Named(&'static [Key]),
    /// A table of values with names of the author's choice.
    Values(Shape),
    /// A list of tables with known keys: `[[name]]`.
    List(&'static [Key]),
    /// A part of the format that this version does not support. What is allowed stands
    /// in its place.
    Later,
}

/// What a value is, as far as a schema can say it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// A text on one line, of 1 to 200 characters.
    Line,
    /// True or false.
    Flag,
    /// A whole number, both limits included.
    Whole(i64, i64),
    /// A number, both limits included.
    From(f64, f64),
    /// A number above the first and up to the second.
    Above(f64, f64),
    /// A number between the two.
    Between(f64, f64),
    /// A duration with its unit.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of at least two whole numbers, both limits included.
    Wholes(i64, i64),
    /// A list of names.
    Names,
    /// A list that is one of these.
    Lists(&'static [&'static [&'static str]]),
}

const fn value(name: &'static str, shape: Shape, allowed: &'static str) -> Key {
    Key {
        name,
        allowed,
        inside: Inside::Value(shape),
    }
}

const fn table(name: &'static str, allowed: &'static str, keys: &'static [Key]) -> Key {
    Key {
        name,
        allowed,
        inside: Inside::Table(keys),
    }
}

const fn named(name: &'static str, allowed: &'static str, keys: &'static [Key]) -> Key {
    Key {
        name,
        allowed,
        inside: Inside::Named(keys),
    }
}

const fn list(name: &'static str, allowed: &'static str, keys: &'static [Key]) -> Key {
    Key {
        name,
        allowed,
        inside: Inside::List(keys),
    }
}

const fn later(name: &'static str, instead: &'static str) -> Key {
    Key {
        name,
        allowed: instead,
        inside: Inside::Later,
    }
}

/// The keys of the top level.
pub(crate) const ROOT: &[Key] = &[
    value(
        "version",
        Shape::Whole(1, 1),
        "1; this program reads version 1 of the format",
    ),
    value("title", Shape::Line, "a line of 1 to 200 characters"),
    value(
        "variant",
        Shape::Line,
        "a line of 1 to 200 characters: what the scenario as it is stands for among its variants",
    ),
    value(
        "seed",
        Shape::Whole(0, i64::MAX),
        "a whole number from 0 to 9223372036854775807",
    ),
    table("load", "a table [load]", LOAD),
    table(
        "chain",
        "a table [chain] with `hops` or `relays`, or tables [service.NAME]",
        CHAIN,
    ),
    named("service", "tables [service.NAME]", SERVICE),
    named("faults", "tables [faults.NAME]", FAULT),
    table("policy", "a table [policy]", POLICY),
    table("restart", "a table [restart]", RESTART),
    table("sample", "a table [sample]", SAMPLE),
    table("scale", "a table [scale]", SCALE),
    table("sweep", "a table [sweep]", SWEEP),
    table("expect", "a table [expect]", EXPECT),
    list("phase", "tables [[phase]], at most 100", PHASE),
    list("compare", "tables [[compare]], at most 20", COMPARE),
];

const COMPARE: &[Key] = &[
    value(
        "title",
        Shape::Line,
        "a line of 1 to 200 characters that no other variant has",
    ),
    table("load", "a table [compare.load]", LOAD),
    table(
        "chain",
        "a table [compare.chain] with `hops` or `relays`",
        CHAIN,
    ),
    named("service", "tables [compare.service.NAME]", SERVICE),
    named("faults", "tables [compare.faults.NAME]", FAULT),
    table("policy", "a table [compare.policy]", POLICY),
    table("scale", "a table [compare.scale]", SCALE),
    table("expect", "a table [compare.expect]", EXPECT),
];

const LOAD: &[Key] = &[
    value(
        "rate",
        Shape::Above(0.0, 1e6),
        "a number above 0 and up to 1000000, in requests per second",
    ),
    value(
        "requests",
        Shape::Whole(1, 10_000_000),
        "a whole number from 1 to 10000000",
    ),
    value(
        "for",
        Shape::Time,
        "a duration from \"1ms\" to \"24h\" in whole milliseconds",
    ),
    value("patience", Shape::Time, DURATION),
    value(
        "model",
        Shape::Word(&["open", "closed"]),
        "\"open\" or \"closed\"",
    ),
    value(
        "workers",
        Shape::Whole(1, 10_000),
        "a whole number from 1 to 10000, only with model = \"closed\"",
    ),
    value("think", Shape::Time, DURATION),
];

const CHAIN: &[Key] = &[
    value(
        "hops",
        Shape::Lists(HOPS),
        "[\"auth\", \"profile\", \"database\"], and after them \"audit\" or \"config\" or both",
    ),
    value("relays", Shape::Whole(1, 32), "a whole number from 1 to 32"),
    Key {
        name: "replicas",
        allowed: "names of services, each with a whole number from 1 to 16",
        inside: Inside::Values(Shape::Whole(1, 16)),
    },
    value(
        "soft",
        Shape::Names,
        "a list of hops out of \"database\", \"audit\" and \"config\"",
    ),
    value(
        "queued",
        Shape::Names,
        "[\"audit\"], if it is one of the hops",
    ),
    value(
        "verify",
        Shape::Word(&["auth", "local"]),
        "\"auth\" or \"local\"",
    ),
];

const HOPS: &[&[&str]] = &[
    &["auth", "profile", "database"],
    &["auth", "profile", "database", "audit"],
    &["auth", "profile", "database", "config"],
    &["auth", "profile", "database", "audit", "config"],
];

const SERVICE: &[Key] = &[
    value("kind", Shape::Word(&["relay"]), "\"relay\""),
    value("calls", Shape::Names, "a list of names of services"),
    value(
        "order",
        Shape::Word(&["sequence", "parallel"]),
        "\"sequence\" or \"parallel\"",
    ),
    value("soft", Shape::Names, "a list of names out of `calls`"),
    value(
        "work",
        Shape::Line,
        "\"cpu:\" or \"wait:\" and a duration from \"1ms\" to \"1h\" in whole milliseconds",
    ),
    value("tell", Shape::Time, DURATION),
    value("agree", Shape::Time, DURATION),
    value(
        "slots",
        Shape::Whole(1, 1_000_000),
        "a whole number from 1 to 1000000; for no limit, leave it out",
    ),
    value(
        "queue",
        Shape::Whole(0, 1_000_000),
        "a whole number from 0 to 1000000, only with `slots`",
    ),
    value(
        "replicas",
        Shape::Whole(1, 16),
        "a whole number from 1 to 16",
    ),
    value("takeover", Shape::Time, DURATION),
];

const FAULT: &[Key] = &[
    value(
        "kind",
        Shape::Word(&["error", "hang", "delay", "reset"]),
        "\"error\", \"hang\", \"delay\" or \"reset\"",
    ),
    value("probability", Shape::From(0.0, 1.0), "a number from 0 to 1"),
    value(
        "on",
        Shape::Names,
        "a list of names of services or replicas, at least one and each once",
    ),
    value("common", Shape::From(0.0, 1.0), "a number from 0 to 1"),
    value("shared", Shape::Line, "the name of a group"),
    value(
        "scope",
        Shape::Word(&["attempt", "request"]),
        "\"attempt\" or \"request\"",
    ),
    value("delay", Shape::Time, DURATION),
    value("up", Shape::Time, MEAN),
    value("down", Shape::Time, MEAN),
    value(
        "law",
        Shape::Word(&["exponential", "fixed"]),
        "\"exponential\" or \"fixed\"",
    ),
    list(
        "windows",
        "a list such as [{ at = \"1s\", for = \"500ms\" }], each after the end of the one before",
        WINDOW,
    ),
];

const WINDOW: &[Key] = &[
    value(
        "at",
        Shape::Time,
        "a duration from \"0s\" to \"24h\" in whole milliseconds",
    ),
    value("for", Shape::Time, MEAN),
];

const PHASE: &[Key] = &[
    value("title", Shape::Line, "a line of 1 to 200 characters"),
    value(
        "at",
        Shape::Time,
        "a duration from \"0s\" in whole milliseconds, before the end of the run",
    ),
    value(
        "for",
        Shape::Time,
        "a duration from \"1ms\" in whole milliseconds that ends within the run",
    ),
    value(
        "rate",
        Shape::Above(0.0, 1e6),
        "a number above 0 and up to 1000000, in requests per second",
    ),
    named("faults", "tables [phase.faults.NAME]", FAULT),
    table("policy", "a table [phase.policy]", POLICY),
    later("load", "`phase.rate`, and one [load] for the whole run"),
];

const RESTART: &[Key] = &[value("at", Shape::Time, DURATION)];

const SAMPLE: &[Key] = &[value(
    "keep",
    Shape::Above(0.0, 1.0),
    "a number above 0 and up to 1: the share of good traces that would be kept",
)];

const SCALE: &[Key] = &[
    value(
        "service",
        Shape::Line,
        "the name of a [service.NAME] with `slots` that others call",
    ),
    value("min", Shape::Whole(1, 16), "a whole number from 1 to 16"),
    value("max", Shape::Whole(1, 16), "a whole number from 1 to 16"),
    value(
        "target",
        Shape::From(0.1, 0.9),
        "a number from 0.1 to 0.9: the share of slots that should be taken",
    ),
    value("every", Shape::Time, DURATION),
    value("stabilise", Shape::Time, DURATION),
    value("start", Shape::Time, DURATION),
];

const SWEEP: &[Key] = &[
    value(
        "service",
        Shape::Line,
        "the name of a [service.NAME] that states no `replicas`",
    ),
    value(
        "replicas",
        Shape::Wholes(1, 16),
        "a list of two or more whole numbers from 1 to 16, each larger than the one before",
    ),
];

const EXPECT: &[Key] = &[
    Key {
        name: "availability",
        allowed: "\"predicted\" or { min = 0.95, max = 0.97 }, either or both",
        inside: Inside::WordOr("predicted", BOUNDS),
    },
    value(
        "distance",
        Shape::Between(0.0, 1.0),
        "a number above 0 and below 1",
    ),
    table(
        "full_quality",
        "{ min = 0.95, max = 0.97 }, numbers from 0 to 1, either or both",
        BOUNDS,
    ),
    table("p50", TIMES, TIME_BOUNDS),
    table("p99", TIMES, TIME_BOUNDS),
    table("p999", TIMES, TIME_BOUNDS),
    table(
        "amplification",
        "{ min = 1, max = 1.3 }, numbers from 0 to 1000000, either or both",
        COUNT_BOUNDS,
    ),
    table(
        "lost",
        "{ min = 0, max = 5 }, numbers from 0 to 1000000, either or both",
        COUNT_BOUNDS,
    ),
];

const BOUNDS: &[Key] = &[
    value("min", Shape::From(0.0, 1.0), "a number from 0 to 1"),
    value("max", Shape::From(0.0, 1.0), "a number from 0 to 1"),
];

const TIME_BOUNDS: &[Key] = &[
    value("min", Shape::Time, DURATION),
    value("max", Shape::Time, DURATION),
];

const COUNT_BOUNDS: &[Key] = &[
    value("min", Shape::From(0.0, 1e6), "a number from 0 to 1000000"),
    value("max", Shape::From(0.0, 1e6), "a number from 0 to 1000000"),
];

const TIMES: &str = "{ min = \"1ms\", max = \"250ms\" }, durations up to \"1h\", either or both";
const BOOL: &str = "true or false";
const MEAN: &str = "a duration from \"1ms\" to \"24h\" in whole milliseconds";
const DURATION: &str = "a duration from \"1ms\" to \"1h\" in whole milliseconds";

/// What is allowed for the key at the end of `path`.
pub(crate) fn allowed(path: &[impl AsRef<str>]) -> &'static str {
    let mut keys = ROOT;
    let mut allowed = "a scenario";
    let mut names = path.iter().map(AsRef::as_ref);
    while let Some(name) = names.next() {
        let Some(key) = keys.iter().find(|key| key.name == name) else {
            break;
        };
        allowed = key.allowed;
        keys = match key.inside {
            Inside::Table(keys)
            | Inside::List(keys)
            | Inside::OffOr(keys)
            | Inside::WordOr(_, keys) => keys,
            // The author's name leads to the same keys whatever it is.
            Inside::Named(keys) => {
                names.next();
                keys
            }
            Inside::Value(_) | Inside::Values(_) | Inside::Later => break,
        };
    }
    allowed
}
