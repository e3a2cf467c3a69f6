//! Every key of a scenario, and what is allowed for it.
//!
//! One table serves the search for unknown keys, the nearest known one, and the words of
//! every error.

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
    Value,
    /// A table with known keys.
    Table(&'static [Key]),
    /// A table of tables with names of the author's choice, and known keys in each.
    Named(&'static [Key]),
    /// A list of tables with known keys: `[[name]]`.
    List(&'static [Key]),
    /// A part of the format that this version does not support. What is allowed stands
    /// in its place.
    Later,
}

const fn value(name: &'static str, allowed: &'static str) -> Key {
    Key {
        name,
        allowed,
        inside: Inside::Value,
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
    value("title", "a line of 1 to 200 characters"),
    value("seed", "a whole number from 0 to 9223372036854775807"),
    table("load", "a table [load]", LOAD),
    table(
        "chain",
        "a table [chain] with `hops` or `relays`, or tables [service.NAME]",
        CHAIN,
    ),
    named("service", "tables [service.NAME]", SERVICE),
    named("faults", "tables [faults.NAME]", FAULT),
    table("policy", "a table [policy]", POLICY),
    table("expect", "a table [expect]", EXPECT),
    list("phase", "tables [[phase]], at most 100", PHASE),
    later("compare", "one [policy] in each scenario"),
];

const LOAD: &[Key] = &[
    value(
        "rate",
        "a number above 0 and up to 1000000, in requests per second",
    ),
    value("requests", "a whole number from 1 to 10000000"),
    value(
        "for",
        "a duration from \"1ms\" to \"24h\" in whole milliseconds",
    ),
    value("patience", DURATION),
];

const CHAIN: &[Key] = &[
    value(
        "hops",
        "[\"auth\", \"profile\", \"database\"] or [\"auth\", \"profile\", \"database\", \"audit\"]",
    ),
    value("relays", "a whole number from 1 to 32"),
];

const SERVICE: &[Key] = &[
    value("kind", "\"relay\""),
    value("calls", "a list of names of services"),
    later("replicas", "one replica of each service"),
];

const FAULT: &[Key] = &[
    value("kind", "\"error\", \"hang\", \"delay\" or \"reset\""),
    value("probability", "a number from 0 to 1"),
    value(
        "on",
        "a list of names of services, at least one and each once",
    ),
    value("scope", "\"attempt\" or \"request\""),
    value("delay", DURATION),
];

const POLICY: &[Key] = &[
    value("attempt_timeout", DURATION),
    value("deadline", DURATION),
    table("retry", "a table [policy.retry]", RETRY),
    table("breaker", "a table [policy.breaker]", BREAKER),
];

const RETRY: &[Key] = &[
    value(
        "retries",
        "a whole number from 1 to 10; for none, leave [policy.retry] out",
    ),
    value("backoff", DURATION),
    value(
        "max_backoff",
        "a duration in whole milliseconds, not below `backoff` and up to \"1h\"",
    ),
    value("propagated", BOOL),
    value("client", BOOL),
    table("budget", "a table [policy.retry.budget]", BUDGET),
];

const BUDGET: &[Key] = &[
    value("ratio", "a number from 0 to 1, in retries per request"),
    value("floor", "a number from 0 to 1000000, in retries per second"),
    value("capacity", "a whole number from 1 to 1000000, in retries"),
];

const BREAKER: &[Key] = &[
    value(
        "failure_rate",
        "a number above 0 and up to 1; for no such rule, leave it out",
    ),
    value(
        "slow_rate",
        "a number above 0 and up to 1, only together with `slow_call`",
    ),
    value(
        "slow_call",
        "a duration from \"1ms\" to \"1h\" in whole milliseconds, only together with `slow_rate`",
    ),
    value(
        "consecutive",
        "a whole number from 1 to 10000; for no such rule, leave it out",
    ),
    value(
        "window",
        "a duration from \"10ms\" to \"1h\" in whole milliseconds",
    ),
    value("min_calls", "a whole number from 1 to 1000000"),
    value("open", DURATION),
    value(
        "max_open",
        "a duration in whole milliseconds, not below `open` and up to \"1h\"",
    ),
    value(
        "jitter",
        "a number from 0 to 1, as a share of the open time",
    ),
    value("probes", "a whole number from 1 to 15"),
    value("lease", DURATION),
    value("cancelled_after", DURATION),
];

const PHASE: &[Key] = &[
    value("title", "a line of 1 to 200 characters"),
    value(
        "at",
        "a duration from \"0s\" in whole milliseconds, before the end of the run",
    ),
    value(
        "for",
        "a duration from \"1ms\" in whole milliseconds that ends within the run",
    ),
    named("faults", "tables [phase.faults.NAME]", FAULT),
    later("load", "one [load] for the whole run"),
    later("policy", "one [policy] for the whole run"),
];

const EXPECT: &[Key] = &[
    table(
        "availability",
        "\"predicted\" or { min = 0.95, max = 0.97 }, either or both",
        BOUNDS,
    ),
    value("distance", "a number above 0 and below 1"),
];

const BOUNDS: &[Key] = &[
    value("min", "a number from 0 to 1"),
    value("max", "a number from 0 to 1"),
];

const BOOL: &str = "true or false";
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
            Inside::Table(keys) | Inside::List(keys) => keys,
            // The author's name leads to the same keys whatever it is.
            Inside::Named(keys) => {
                names.next();
                keys
            }
            Inside::Value | Inside::Later => break,
        };
    }
    allowed
}
