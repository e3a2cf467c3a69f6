//! The keys of `[policy]`.

use super::{BOOL, DURATION, Inside, Key, Shape, table, value};

pub(crate) const POLICY: &[Key] = &[
    value("attempt_timeout", Shape::Time, DURATION),
    value("deadline", Shape::Time, DURATION),
    table("retry", "a table [policy.retry]", RETRY),
    table("breaker", "a table [policy.breaker]", BREAKER),
    table("balance", "a table [policy.balance]", BALANCE),
    table("hedge", "a table [policy.hedge]", HEDGE),
    table("bulkhead", "a table [policy.bulkhead]", LIMIT),
    table("shed", "a table [policy.shed]", LIMIT),
    table("cache", "a table [policy.cache]", CACHE),
];

const RETRY: &[Key] = &[
    value(
        "retries",
        Shape::Whole(1, 10),
        "a whole number from 1 to 10; for none, leave [policy.retry] out",
    ),
    value("backoff", Shape::Time, DURATION),
    value(
        "max_backoff",
        Shape::Time,
        "a duration in whole milliseconds, not below `backoff` and up to \"1h\"",
    ),
    value("propagated", Shape::Flag, BOOL),
    value("client", Shape::Flag, BOOL),
    table("budget", "a table [policy.retry.budget]", BUDGET),
];

const BUDGET: &[Key] = &[
    value(
        "ratio",
        Shape::From(0.0, 1.0),
        "a number from 0 to 1, in retries per request",
    ),
    value(
        "floor",
        Shape::From(0.0, 1e6),
        "a number from 0 to 1000000, in retries per second",
    ),
    value(
        "capacity",
        Shape::Whole(1, 1_000_000),
        "a whole number from 1 to 1000000, in retries",
    ),
];

const BREAKER: &[Key] = &[
    value(
        "failure_rate",
        Shape::Above(0.0, 1.0),
        "a number above 0 and up to 1; for no such rule, leave it out",
    ),
    value(
        "slow_rate",
        Shape::Above(0.0, 1.0),
        "a number above 0 and up to 1, only together with `slow_call`",
    ),
    value(
        "slow_call",
        Shape::Time,
        "a duration from \"1ms\" to \"1h\" in whole milliseconds, only together with `slow_rate`",
    ),
    value(
        "consecutive",
        Shape::Whole(1, 10_000),
        "a whole number from 1 to 10000; for no such rule, leave it out",
    ),
    value(
        "window",
        Shape::Time,
        "a duration from \"10ms\" to \"1h\" in whole milliseconds",
    ),
    value(
        "min_calls",
        Shape::Whole(1, 1_000_000),
        "a whole number from 1 to 1000000",
    ),
    value("open", Shape::Time, DURATION),
    value(
        "max_open",
        Shape::Time,
        "a duration in whole milliseconds, not below `open` and up to \"1h\"",
    ),
    value(
        "jitter",
        Shape::From(0.0, 1.0),
        "a number from 0 to 1, as a share of the open time",
    ),
    value("probes", Shape::Whole(1, 15), "a whole number from 1 to 15"),
    value("lease", Shape::Time, DURATION),
    value("cancelled_after", Shape::Time, DURATION),
];

const BALANCE: &[Key] = &[
    value(
        "pick",
        Shape::Word(&["less_loaded", "random", "first"]),
        "\"less_loaded\", \"random\" or \"first\"",
    ),
    value(
        "retry",
        Shape::Word(&["another", "random", "same"]),
        "\"another\", \"random\" or \"same\"",
    ),
    Key {
        name: "eject",
        allowed: "a table [policy.balance.eject], or false for none",
        inside: Inside::OffOr(EJECT),
    },
    value(
        "panic_below",
        Shape::From(0.0, 1.0),
        "a number from 0 to 1, as a share of the replicas",
    ),
    table(
        "check",
        "a table [policy.balance.check], without which pick = \"first\" can't be",
        CHECK,
    ),
    value("shared_breaker", Shape::Flag, BOOL),
];

const EJECT: &[Key] = &[
    value(
        "consecutive",
        Shape::Whole(1, 10_000),
        "a whole number from 1 to 10000",
    ),
    value("time", Shape::Time, DURATION),
    value(
        "max_time",
        Shape::Time,
        "a duration in whole milliseconds, not below `time` and up to \"1h\"",
    ),
    value(
        "max_share",
        Shape::Between(0.0, 1.0),
        "a number above 0 and below 1: never all replicas",
    ),
];

const CHECK: &[Key] = &[
    value("every", Shape::Time, DURATION),
    value("timeout", Shape::Time, DURATION),
    value(
        "misses",
        Shape::Whole(1, 10_000),
        "a whole number from 1 to 10000",
    ),
    value(
        "hits",
        Shape::Whole(1, 10_000),
        "a whole number from 1 to 10000",
    ),
];

const HEDGE: &[Key] = &[
    value("delay", Shape::Time, DURATION),
    value(
        "quantile",
        Shape::Between(0.0, 1.0),
        "a number above 0 and below 1; for a fixed delay, leave it out",
    ),
    table("budget", "a table [policy.hedge.budget]", BUDGET),
];

const LIMIT: &[Key] = &[
    value(
        "max",
        Shape::Whole(1, 1_000_000),
        "a whole number from 1 to 1000000",
    ),
    value("adaptive", Shape::Flag, BOOL),
    value(
        "min",
        Shape::Whole(1, 1_000_000),
        "a whole number from 1 to `max`, only with `adaptive`",
    ),
    value("wait", Shape::Time, DURATION),
];

const CACHE: &[Key] = &[
    value("fresh", Shape::Time, DURATION),
    value("stale", Shape::Time, DURATION),
    value(
        "capacity",
        Shape::Whole(1, 100_000_000),
        "a whole number from 1 to 100000000",
    ),
];
