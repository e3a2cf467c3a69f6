//! Every bad input, and exactly what is said about it.

use scenario::parse;

const BASE: &str = r#"title = "t"
[load]
rate = 100
requests = 1000
[chain]
hops = ["auth", "profile", "database"]
"#;

const FAULT: &str = r#"title = "t"
[load]
rate = 100
requests = 1000
[chain]
hops = ["auth", "profile", "database"]
[faults.every]
kind = "error"
probability = 0.01
"#;

const GRAPH: &str = r#"title = "t"
[load]
rate = 100
requests = 1000
"#;

/// A sound text, what is replaced in it (nothing: the end), by what, and the error.
type Case = (&'static str, &'static str, &'static str, &'static str);

const SYNTAX_AND_TYPES: &[Case] = &[
    (
        BASE,
        "[load]",
        "[load",
        "not valid TOML: unclosed table, expected `]` (line 2, column 6)",
    ),
    (
        BASE,
        "",
        "[load]\nrate = 1\n",
        "not valid TOML: duplicate key (line 7, column 2)",
    ),
    (
        BASE,
        r#""t""#,
        "5",
        "`title` = 5 can't be; allowed: a line of 1 to 200 characters (line 1, column 9)",
    ),
    (
        BASE,
        "title = \"t\"\n",
        "",
        "`title` is missing; allowed: a line of 1 to 200 characters (line 1, column 1)",
    ),
    (
        BASE,
        r#""t""#,
        r#""  ""#,
        r#"`title` = "  " can't be; allowed: a line of 1 to 200 characters (line 1, column 9)"#,
    ),
    (
        BASE,
        r#""t""#,
        r#""a\nb""#,
        r#"`title` = "a\nb" can't be; allowed: a line of 1 to 200 characters (line 1, column 9)"#,
    ),
    (
        BASE,
        "title",
        "seed = -1\ntitle",
        "`seed` = -1 can't be; allowed: a whole number from 0 to 9223372036854775807 (line 1, column 8)",
    ),
    (
        BASE,
        "title",
        "seed = 1.5\ntitle",
        "`seed` = 1.5 can't be; allowed: a whole number from 0 to 9223372036854775807 (line 1, column 8)",
    ),
    (
        BASE,
        "[load]\nrate = 100\nrequests = 1000",
        "load = 5",
        "`load` = 5 can't be; allowed: a table [load] (line 2, column 8)",
    ),
    (
        BASE,
        "[load]",
        "[[load]]",
        "`load` = [[load]] can't be; allowed: a table [load] (line 2, column 1)",
    ),
];

const UNKNOWN_KEYS: &[Case] = &[
    (
        FAULT,
        "probability",
        "probabilty",
        "unknown key `probabilty` in [faults.every]: did you mean `probability`? (line 9, column 1)",
    ),
    (
        BASE,
        "rate",
        "speed",
        "unknown key `speed` in [load]; allowed: `rate`, `requests`, `for`, `patience`, `model`, `workers`, `think` (line 3, column 1)",
    ),
    (
        BASE,
        "title",
        "faulst = 1\ntitle",
        "unknown key `faulst` at the top level: did you mean `faults`? (line 1, column 1)",
    ),
    (
        BASE,
        "title",
        "expect = { availability = { mim = 0.9 } }\ntitle",
        "unknown key `mim` in [expect.availability]: did you mean `min`? (line 1, column 29)",
    ),
    (
        BASE,
        "",
        "[policy]\nretries = 3\n",
        "unknown key `retries` in [policy]; allowed: `attempt_timeout`, `deadline`, `retry`, `breaker`, `balance`, `hedge`, `bulkhead`, `shed`, `cache` (line 8, column 1)",
    ),
    (
        BASE,
        "",
        "[[phase]]\natt = \"1s\"\n",
        "unknown key `att` in [phase]: did you mean `at`? (line 8, column 1)",
    ),
    (
        BASE,
        "",
        "[[phase]]\n[phase.faults.x]\nkinds = 1\n",
        "unknown key `kinds` in [phase.faults.x]: did you mean `kind`? (line 9, column 1)",
    ),
    (
        BASE,
        "",
        "[[phase]]\n[phase.load]\nrate = 1\n",
        "`phase.load` is not yet supported by this version; allowed: `phase.rate`, and one [load] for the whole run (line 8, column 8)",
    ),
    (
        BASE,
        "",
        "[[phase]]\n[phase.policy]\ndeadlines = \"1s\"\n",
        "unknown key `deadlines` in [phase.policy]: did you mean `deadline`? (line 9, column 1)",
    ),
    (
        BASE,
        "",
        "[policy.retry]\nretrys = 3\n",
        "unknown key `retrys` in [policy.retry]: did you mean `retries`? (line 8, column 1)",
    ),
    (
        BASE,
        "",
        "[policy.retry.budget]\ncapacty = 3\n",
        "unknown key `capacty` in [policy.retry.budget]: did you mean `capacity`? (line 8, column 1)",
    ),
    (
        BASE,
        "",
        "[policy.breaker]\nopened = \"1s\"\n",
        "unknown key `opened` in [policy.breaker]: did you mean `open`? (line 8, column 1)",
    ),
    (
        BASE,
        "",
        "[[compare]]\npolicies = []\n",
        "unknown key `policies` in [compare]: did you mean `policy`? (line 8, column 1)",
    ),
    (
        GRAPH,
        "",
        "[service.a]\nreplicas = 17\n",
        "`service.a.replicas` = 17 can't be; allowed: a whole number from 1 to 16 (line 6, column 12)",
    ),
];

const LOADS: &[Case] = &[
    (
        BASE,
        "rate = 100",
        "rate = 0",
        "`load.rate` = 0 can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = -5.0",
        "`load.rate` = -5.0 can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = nan",
        "`load.rate` = nan can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = inf",
        "`load.rate` = inf can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = -inf",
        "`load.rate` = -inf can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = 2e6",
        "`load.rate` = 2e6 can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        r#"rate = "fast""#,
        r#"`load.rate` = "fast" can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 3, column 8)"#,
    ),
    (
        BASE,
        "rate = 100\n",
        "",
        "`load.rate` is missing; allowed: a number above 0 and up to 1000000, in requests per second (line 2, column 1)",
    ),
    (
        BASE,
        "requests = 1000",
        "requests = 0",
        "`load.requests` = 0 can't be; allowed: a whole number from 1 to 10000000 (line 4, column 12)",
    ),
    (
        BASE,
        "requests = 1000",
        "requests = -1",
        "`load.requests` = -1 can't be; allowed: a whole number from 1 to 10000000 (line 4, column 12)",
    ),
    (
        BASE,
        "requests = 1000",
        "requests = 10000001",
        "`load.requests` = 10000001 can't be; allowed: a whole number from 1 to 10000000 (line 4, column 12)",
    ),
    (
        BASE,
        "requests = 1000",
        "requests = 2e4",
        "`load.requests` = 2e4 can't be; allowed: a whole number from 1 to 10000000 (line 4, column 12)",
    ),
    (
        BASE,
        "requests = 1000",
        "requests = 99999999999999999999",
        "`load.requests` = 99999999999999999999 can't be; allowed: a whole number from 1 to 10000000 (line 4, column 12)",
    ),
    (
        BASE,
        "requests = 1000\n",
        "",
        "`load.requests` is missing; allowed: a whole number from 1 to 10000000 (line 2, column 1)",
    ),
    (
        BASE,
        "requests = 1000",
        "requests = 1000\nfor = \"10s\"",
        r#"`load.for` = "10s": `load.requests` is stated as well; allowed: exactly one of the two (line 5, column 7)"#,
    ),
    (
        BASE,
        "requests = 1000",
        r#"for = "0s""#,
        r#"`load.for` = "0s" can't be; allowed: a duration from "1ms" to "24h" in whole milliseconds (line 4, column 7)"#,
    ),
    (
        BASE,
        "requests = 1000",
        r#"for = "-1s""#,
        r#"`load.for` = "-1s" can't be; allowed: a duration from "1ms" to "24h" in whole milliseconds (line 4, column 7)"#,
    ),
    (
        BASE,
        "requests = 1000",
        r#"for = "25h""#,
        r#"`load.for` = "25h" can't be; allowed: a duration from "1ms" to "24h" in whole milliseconds (line 4, column 7)"#,
    ),
    (
        BASE,
        "requests = 1000",
        r#"for = "10""#,
        r#"`load.for` = "10" can't be; allowed: a duration from "1ms" to "24h" in whole milliseconds (line 4, column 7)"#,
    ),
    (
        BASE,
        "requests = 1000",
        "for = 10",
        r#"`load.for` = 10 can't be; allowed: a duration from "1ms" to "24h" in whole milliseconds (line 4, column 7)"#,
    ),
    (
        BASE,
        "requests = 1000",
        r#"for = "1500us""#,
        r#"`load.for` = "1500us" can't be; allowed: a duration from "1ms" to "24h" in whole milliseconds (line 4, column 7)"#,
    ),
    (
        BASE,
        "rate = 100\nrequests = 1000",
        "rate = 1000\nfor = \"24h\"",
        r#"`load.for` = "24h": makes 86400000 requests at this rate; allowed: 1 to 10000000 (line 4, column 7)"#,
    ),
    (
        BASE,
        "rate = 100\nrequests = 1000",
        "rate = 0.5\nfor = \"1s\"",
        r#"`load.for` = "1s": makes 0.5 requests at this rate; allowed: 1 to 10000000 (line 4, column 7)"#,
    ),
    (
        BASE,
        "rate = 100",
        "rate = 0.001",
        "`load.requests` = 1000: takes 1000000 s at this rate; allowed: a run of at most 24 h (line 4, column 12)",
    ),
    (
        BASE,
        "[chain]",
        "patience = \"2h\"\n[chain]",
        r#"`load.patience` = "2h" can't be; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 5, column 12)"#,
    ),
    (
        BASE,
        "[load]\nrate = 100\nrequests = 1000\n",
        "",
        "`load` is missing; allowed: a table [load] (line 1, column 1)",
    ),
];

const CHAINS: &[Case] = &[
    (
        BASE,
        "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\n",
        "",
        "`chain` is missing; allowed: a table [chain] with `hops` or `relays`, or tables [service.NAME] (line 1, column 1)",
    ),
    (
        BASE,
        "hops = [\"auth\", \"profile\", \"database\"]\n",
        "",
        "`chain` is missing; allowed: a table [chain] with `hops` or `relays`, or tables [service.NAME] (line 5, column 1)",
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        "[]",
        r#"`chain.hops` = [] can't be; allowed: ["auth", "profile", "database"], and after them "audit" or "config" or both (line 6, column 8)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["database"]"#,
        r#"`chain.hops` = "database": each step needs the one before; allowed, in this order: `auth`, `profile`, `database` (line 6, column 9)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["auth", "database"]"#,
        r#"`chain.hops` = "database": each step needs the one before; allowed, in this order: `auth`, `profile`, `database` (line 6, column 17)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["profile", "auth"]"#,
        r#"`chain.hops` = "profile": each step needs the one before; allowed, in this order: `auth`, `profile` (line 6, column 9)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["auth", "auth"]"#,
        r#"`chain.hops` = "auth": stands here twice; allowed: each hop once (line 6, column 17)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["auth", "profil"]"#,
        r#"`chain.hops` = "profil": no such hop: did you mean `profile`? Allowed: `auth`, `profile`, `database`, `audit`, `config`; others need [service.NAME] in place of [chain] (line 6, column 17)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["auth", "elephant"]"#,
        r#"`chain.hops` = "elephant": no such hop; allowed: `auth`, `profile`, `database`, `audit`, `config`; others need [service.NAME] in place of [chain] (line 6, column 17)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["gateway", "auth"]"#,
        r#"`chain.hops` = "gateway": the gateway is the edge and always there; allowed: leave it out (line 6, column 9)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#"["auth", 5]"#,
        r#"`chain.hops` = 5 can't be; allowed: ["auth", "profile", "database"], and after them "audit" or "config" or both (line 6, column 17)"#,
    ),
    (
        BASE,
        r#"["auth", "profile", "database"]"#,
        r#""auth""#,
        r#"`chain.hops` = "auth" can't be; allowed: ["auth", "profile", "database"], and after them "audit" or "config" or both (line 6, column 8)"#,
    ),
    (
        BASE,
        "[chain]",
        "[chain]\nrelays = 3",
        "`chain.relays` = 3: `chain.hops` is stated as well; allowed: one of the two (line 6, column 10)",
    ),
    (
        BASE,
        r#"hops = ["auth", "profile", "database"]"#,
        "relays = 0",
        "`chain.relays` = 0 can't be; allowed: a whole number from 1 to 32 (line 6, column 10)",
    ),
    (
        BASE,
        r#"hops = ["auth", "profile", "database"]"#,
        "relays = 33",
        "`chain.relays` = 33 can't be; allowed: a whole number from 1 to 32 (line 6, column 10)",
    ),
    (
        BASE,
        r#"hops = ["auth", "profile", "database"]"#,
        "relays = -1",
        "`chain.relays` = -1 can't be; allowed: a whole number from 1 to 32 (line 6, column 10)",
    ),
    (
        BASE,
        r#"hops = ["auth", "profile", "database"]"#,
        r#"relays = "twelve""#,
        r#"`chain.relays` = "twelve" can't be; allowed: a whole number from 1 to 32 (line 6, column 10)"#,
    ),
    (
        BASE,
        "",
        "[service.a]\n",
        "`chain` = [chain]: [service.NAME] is stated as well; allowed: one of the two (line 5, column 1)",
    ),
];

const GRAPHS: &[Case] = &[
    (
        GRAPH,
        "",
        "[service.a]\ncalls = [\"b\"]\n[service.b]\ncalls = [\"c\"]\n[service.c]\ncalls = [\"b\"]\n",
        "`service` = b: calls go in a circle, b -> c -> b; allowed: no way back to a caller (line 7, column 10)",
    ),
    (
        GRAPH,
        "",
        "[service.a]\ncalls = [\"a\"]\n",
        "`service` = a: calls go in a circle, a -> a; allowed: no way back to a caller (line 5, column 10)",
    ),
    (
        GRAPH,
        "",
        "[service.front]\ncalls = [\"bakc\"]\n[service.back]\n",
        r#"`service.front.calls` = "bakc": no such service in this chain: did you mean `back`? Allowed: `front`, `back` (line 6, column 10)"#,
    ),
    (
        GRAPH,
        "",
        "[service.a]\n[service.b]\n",
        "`service` = b: nobody calls `a`, `b`; allowed: one such service, the root (line 6, column 10)",
    ),
    (
        GRAPH,
        "",
        "[service.a]\nkind = \"database\"\n",
        r#"`service.a.kind` = "database" can't be; allowed: "relay" (line 6, column 8)"#,
    ),
    (
        GRAPH,
        "",
        "[service.auth]\n",
        "`service` = auth: the name is taken; allowed: any but `client`, `gateway`, `auth`, `profile`, `database`, `audit` (line 5, column 10)",
    ),
    (
        GRAPH,
        "",
        "[service.Front]\n",
        "`service` = Front: allowed: a name of 1 to 40 small letters, digits and dashes, a letter first (line 5, column 10)",
    ),
    (
        GRAPH,
        "",
        "[service.a]\ncalls = \"b\"\n[service.b]\n",
        r#"`service.a.calls` = "b" can't be; allowed: a list of names of services (line 6, column 9)"#,
    ),
    (
        GRAPH,
        "title",
        "service = 3\ntitle",
        "`service` = 3 can't be; allowed: tables [service.NAME] (line 1, column 11)",
    ),
    (
        GRAPH,
        "title",
        "service = {}\ntitle",
        "`chain` is missing; allowed: a table [chain] with `hops` or `relays`, or tables [service.NAME] (line 1, column 1)",
    ),
];

const FAULTS: &[Case] = &[
    (
        FAULT,
        r#""error""#,
        r#""explode""#,
        r#"`faults.every.kind` = "explode" can't be; allowed: "error", "hang", "delay" or "reset" (line 8, column 8)"#,
    ),
    (
        FAULT,
        "kind = \"error\"\n",
        "",
        r#"`faults.every.kind` is missing; allowed: "error", "hang", "delay" or "reset" (line 7, column 9)"#,
    ),
    (
        FAULT,
        "probability = 0.01\n",
        "",
        "`faults.every.probability` is missing; allowed: a number from 0 to 1 (line 7, column 9)",
    ),
    (
        FAULT,
        "0.01",
        "1.5",
        "`faults.every.probability` = 1.5 can't be; allowed: a number from 0 to 1 (line 9, column 15)",
    ),
    (
        FAULT,
        "0.01",
        "-0.1",
        "`faults.every.probability` = -0.1 can't be; allowed: a number from 0 to 1 (line 9, column 15)",
    ),
    (
        FAULT,
        "0.01",
        "nan",
        "`faults.every.probability` = nan can't be; allowed: a number from 0 to 1 (line 9, column 15)",
    ),
    (
        FAULT,
        "0.01",
        r#""often""#,
        r#"`faults.every.probability` = "often" can't be; allowed: a number from 0 to 1 (line 9, column 15)"#,
    ),
    (
        FAULT,
        "",
        "on = [\"gatewya\"]\n",
        r#"`faults.every.on` = "gatewya": no such service in this chain: did you mean `gateway`? Allowed: `gateway`, `auth`, `profile`, `database` (line 10, column 7)"#,
    ),
    (
        FAULT,
        "",
        "on = [\"elephants\"]\n",
        r#"`faults.every.on` = "elephants": no such service in this chain; allowed: `gateway`, `auth`, `profile`, `database` (line 10, column 7)"#,
    ),
    (
        FAULT,
        "",
        "on = []\n",
        "`faults.every.on` = [] can't be; allowed: a list of names of services or replicas, at least one and each once (line 10, column 6)",
    ),
    (
        FAULT,
        "",
        "on = [\"auth\", \"auth\"]\n",
        r#"`faults.every.on` = ["auth", "auth"] can't be; allowed: a list of names of services or replicas, at least one and each once (line 10, column 6)"#,
    ),
    (
        FAULT,
        "",
        "scope = \"always\"\n",
        r#"`faults.every.scope` = "always" can't be; allowed: "attempt" or "request" (line 10, column 9)"#,
    ),
    (
        FAULT,
        "",
        "delay = \"10ms\"\n",
        r#"`faults.every.delay` = "10ms": not allowed for a fault of kind `error`; only kind `delay` has one (line 10, column 9)"#,
    ),
    (
        FAULT,
        r#""error""#,
        r#""delay""#,
        r#"`faults.every.delay` is missing; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 7, column 9)"#,
    ),
    (
        FAULT,
        r#""error""#,
        "\"delay\"\ndelay = \"0s\"",
        r#"`faults.every.delay` = "0s" can't be; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 9, column 9)"#,
    ),
    (
        FAULT,
        r#""error""#,
        "\"delay\"\ndelay = \"soon\"",
        r#"`faults.every.delay` = "soon" can't be; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 9, column 9)"#,
    ),
    (
        FAULT,
        r#""error""#,
        "\"delay\"\ndelay = \"1500us\"",
        r#"`faults.every.delay` = "1500us" can't be; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 9, column 9)"#,
    ),
    (
        FAULT,
        "faults.every",
        r#"faults."a b""#,
        r#"`faults` = "a b": allowed: a name of 1 to 40 small letters, digits and dashes, a letter first (line 7, column 9)"#,
    ),
    (
        BASE,
        "",
        "[faults]\nevery = 5\n",
        "`faults.every` = 5 can't be; allowed: tables [faults.NAME] (line 8, column 9)",
    ),
];

const POLICIES_AND_EXPECTATIONS: &[Case] = &[
    (
        BASE,
        "",
        "[policy]\ndeadline = \"0s\"\n",
        r#"`policy.deadline` = "0s" can't be; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 8, column 12)"#,
    ),
    (
        BASE,
        "",
        "[policy]\nattempt_timeout = 250\n",
        r#"`policy.attempt_timeout` = 250 can't be; allowed: a duration from "1ms" to "1h" in whole milliseconds (line 8, column 19)"#,
    ),
    (
        BASE,
        "",
        "[expect]\navailability = \"high\"\n",
        r#"`expect.availability` = "high" can't be; allowed: "predicted" or { min = 0.95, max = 0.97 }, either or both (line 8, column 16)"#,
    ),
    (
        BASE,
        "",
        "[expect]\navailability = 0.99\n",
        r#"`expect.availability` = 0.99 can't be; allowed: "predicted" or { min = 0.95, max = 0.97 }, either or both (line 8, column 16)"#,
    ),
    (
        BASE,
        "",
        "[expect]\navailability = {}\n",
        "`expect.availability` = {}: neither min nor max is stated; allowed: either, or both (line 8, column 16)",
    ),
    (
        BASE,
        "",
        "[expect]\navailability = { min = 0.97, max = 0.95 }\n",
        "`expect.availability` = { min = 0.97, max = 0.95 }: min 0.97 is above max 0.95; allowed: min up to max (line 8, column 16)",
    ),
    (
        BASE,
        "",
        "[expect]\navailability = { min = 1.2 }\n",
        r#"`expect.availability` = { min = 1.2 } can't be; allowed: "predicted" or { min = 0.95, max = 0.97 }, either or both (line 8, column 16)"#,
    ),
    (
        BASE,
        "",
        "[expect]\navailability = { min = \"lots\" }\n",
        r#"`expect.availability` = { min = "lots" } can't be; allowed: "predicted" or { min = 0.95, max = 0.97 }, either or both (line 8, column 16)"#,
    ),
    (
        BASE,
        "",
        "[expect]\ndistance = 0\n",
        "`expect.distance` = 0 can't be; allowed: a number above 0 and below 1 (line 8, column 12)",
    ),
    (
        BASE,
        "",
        "[expect]\ndistance = 1\n",
        "`expect.distance` = 1 can't be; allowed: a number above 0 and below 1 (line 8, column 12)",
    ),
    (
        BASE,
        "",
        "[expect]\ndistance = -0.1\n",
        "`expect.distance` = -0.1 can't be; allowed: a number above 0 and below 1 (line 8, column 12)",
    ),
    (
        BASE,
        "",
        "[expect]\ndistance = nan\n",
        "`expect.distance` = nan can't be; allowed: a number above 0 and below 1 (line 8, column 12)",
    ),
];

const VERSIONS_AND_CLOSED_LOADS: &[Case] = &[
    (
        BASE,
        "title",
        "version = 2\ntitle",
        "`version` = 2 can't be; allowed: 1; this program reads version 1 of the format (line 1, column 11)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = 100\nmodel = \"half\"",
        "`load.model` = \"half\" can't be; allowed: \"open\" or \"closed\" (line 4, column 9)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = 100\nworkers = 4",
        "`load.workers` = 4: only a closed load has it; allowed: with model = \"closed\" (line 4, column 11)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = 100\nthink = \"1s\"",
        "`load.think` = \"1s\": only a closed load has it; allowed: with model = \"closed\" (line 4, column 9)",
    ),
    (
        BASE,
        "rate = 100",
        "rate = 100\nmodel = \"closed\"\nworkers = 4",
        "`load.rate` = 100: a closed load asks when it was answered; allowed: leave it out (line 3, column 8)",
    ),
    (
        BASE,
        "rate = 100",
        "model = \"closed\"",
        "`load.workers` is missing; allowed: a whole number from 1 to 10000, only with model = \"closed\" (line 2, column 1)",
    ),
    (
        BASE,
        "rate = 100",
        "model = \"closed\"\nworkers = 0",
        "`load.workers` = 0 can't be; allowed: a whole number from 1 to 10000, only with model = \"closed\" (line 4, column 11)",
    ),
    (
        BASE,
        "rate = 100",
        "model = \"closed\"\nworkers = 4\nthink = \"0s\"",
        "`load.think` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 5, column 9)",
    ),
];

/// A run that can have phases.
const TIMED: &str = r#"title = "t"
[load]
rate = 100
for = "10s"
[chain]
relays = 1
"#;

const RATES_AND_POLICIES_OF_PHASES: &[Case] = &[
    (
        TIMED,
        "",
        "[[phase]]\nat = \"1s\"\nfor = \"1s\"\n",
        "`phase.faults` is missing; allowed: tables [phase.faults.NAME] (line 7, column 1)",
    ),
    (
        TIMED,
        "",
        "[[phase]]\nat = \"1s\"\nfor = \"1s\"\nrate = 0\n",
        "`phase.rate` = 0 can't be; allowed: a number above 0 and up to 1000000, in requests per second (line 10, column 8)",
    ),
    (
        TIMED,
        "",
        "[[phase]]\nat = \"1s\"\nfor = \"3s\"\nrate = 5\n[[phase]]\nat = \"3s\"\nfor = \"1s\"\nrate = 5\n",
        "`phase.rate` = 5: a stretch that overlaps states one as well (line 10, column 8); allowed: one at a time (line 14, column 8)",
    ),
    (
        TIMED,
        "relays = 1",
        "relays = 1\n[[phase]]\nat = \"1s\"\nfor = \"3s\"\n[phase.policy]\n[[phase]]\nat = \"3s\"\nfor = \"1s\"\n[phase.policy]",
        "`phase.policy` = [phase.policy]: a stretch that overlaps states one as well (line 10, column 1); allowed: one at a time (line 14, column 1)",
    ),
    (
        TIMED,
        "",
        "[[phase]]\nat = \"1s\"\nfor = \"1s\"\n[phase.policy]\n[[phase]]\nat = \"3s\"\nfor = \"1s\"\n[phase.policy.breaker]\nfailure_rate = 2.0\n",
        "`phase.policy.breaker.failure_rate` = 2.0 can't be; allowed: a number above 0 and up to 1; for no such rule, leave it out (line 15, column 16)",
    ),
    (
        TIMED,
        "rate = 100\nfor = \"10s\"\n[chain]\nrelays = 1\n",
        "model = \"closed\"\nworkers = 4\nfor = \"10s\"\n[chain]\nrelays = 1\n[[phase]]\nat = \"1s\"\nfor = \"1s\"\nrate = 5\n",
        "`phase.rate` = 5: a closed load has no rate; allowed: leave it out (line 11, column 8)",
    ),
    (
        TIMED,
        "for = \"10s\"\n[chain]\nrelays = 1\n",
        "for = \"20s\"\n[chain]\nrelays = 1\n[[phase]]\nat = \"1s\"\nfor = \"11s\"\nrate = 999999\n",
        "`phase.rate` = 999999: the run makes 11000889 requests in all; allowed: at most 10000000 (line 10, column 8)",
    ),
];

const MORE_EXPECTATIONS: &[Case] = &[
    (
        BASE,
        "",
        "[expect]\nfull_quality = { min = 2 }\n",
        "`expect.full_quality` = { min = 2 } can't be; allowed: { min = 0.95, max = 0.97 }, numbers from 0 to 1, either or both (line 8, column 16)",
    ),
    (
        BASE,
        "",
        "[expect]\np99 = { max = 250 }\n",
        "`expect.p99.max` = 250 can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 8, column 15)",
    ),
    (
        BASE,
        "",
        "[expect]\np999 = { max = \"2h\" }\n",
        "`expect.p999.max` = \"2h\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds (line 8, column 16)",
    ),
    (
        BASE,
        "",
        "[expect]\np50 = {}\n",
        "`expect.p50` = {} can't be; allowed: { min = \"1ms\", max = \"250ms\" }, durations up to \"1h\", either or both (line 8, column 7)",
    ),
    (
        BASE,
        "",
        "[expect]\np50 = { min = \"2s\", max = \"1s\" }\n",
        "`expect.p50` = { min = \"2s\", max = \"1s\" }: min is above max; allowed: not above it (line 8, column 7)",
    ),
    (
        BASE,
        "",
        "[expect]\namplification = { max = -1 }\n",
        "`expect.amplification` = { max = -1 } can't be; allowed: { min = 1, max = 1.3 }, numbers from 0 to 1000000, either or both (line 8, column 17)",
    ),
    (
        BASE,
        "",
        "[expect]\nlost = 0\n",
        "`expect.lost` = 0 can't be; allowed: { min = 0, max = 5 }, numbers from 0 to 1000000, either or both (line 8, column 8)",
    ),
];

fn refusal(text: &str) -> String {
    match parse("x.toml", text) {
        Ok(plan) => panic!("accepted: {plan:?}"),
        Err(errors) => errors.to_string(),
    }
}

const SCALED: &str = r#"title = "t"
[load]
rate = 100
for = "1s"
[service.front]
calls = ["back"]
[service.back]
work = "wait:5ms"
slots = 2
"#;

const REPLICAS_THAT_VARY: &[Case] = &[
    (
        SCALED,
        "",
        "[sweep]\nservice = \"bakc\"\nreplicas = [1, 2]\n",
        "`sweep.service` = \"bakc\": no such [service.NAME]: did you mean `back`? Allowed: `back`, `front` (line 11, column 11)",
    ),
    (
        SCALED,
        "",
        "[sweep]\nservice = \"back\"\nreplicas = [2, 1]\n",
        "`sweep.replicas` = [2, 1] can't be; allowed: a list of two or more whole numbers from 1 to 16, each larger than the one before (line 12, column 12)",
    ),
    (
        SCALED,
        "",
        "[sweep]\nservice = \"back\"\nreplicas = [1]\n",
        "`sweep.replicas` = [1] can't be; allowed: a list of two or more whole numbers from 1 to 16, each larger than the one before (line 12, column 12)",
    ),
    (
        SCALED,
        "slots = 2",
        "slots = 2\nreplicas = 2\n[sweep]\nservice = \"back\"\nreplicas = [1, 2]",
        "`service.back.replicas` = 2: [sweep] says how many there are; allowed: leave it out (line 10, column 12)",
    ),
    (
        SCALED,
        "work = \"wait:5ms\"",
        "tell = \"1ms\"",
        "`service.back.tell` = \"1ms\": there is no work that it adds to; allowed: with `work` (line 8, column 8)",
    ),
    (
        SCALED,
        "",
        "[scale]\nservice = \"back\"\n",
        "`scale.max` is missing; allowed: a whole number from 1 to 16 (line 10, column 1)",
    ),
    (
        SCALED,
        "",
        "[scale]\nservice = \"front\"\nmax = 2\n",
        "`scale.service` = \"front\": its clients do not hear of new replicas; allowed: a service that others call (line 11, column 11)",
    ),
    (
        SCALED,
        "slots = 2\n",
        "[scale]\nservice = \"back\"\nmax = 2\n",
        "`scale.service` = \"back\": it has no slots, so nobody knows how busy it is; allowed: a service with `slots` (line 10, column 11)",
    ),
    (
        SCALED,
        "",
        "[scale]\nservice = \"back\"\nmax = 2\nmin = 3\n",
        "`scale.min` = 3: `scale.max` is 2; allowed: up to that (line 13, column 7)",
    ),
    (
        SCALED,
        "",
        "[scale]\nservice = \"back\"\nmax = 4\ntarget = 1.0\n",
        "`scale.target` = 1.0 can't be; allowed: a number from 0.1 to 0.9: the share of slots that should be taken (line 13, column 10)",
    ),
    (
        SCALED,
        "for = \"1s\"",
        "requests = 100\n[scale]\nservice = \"back\"\nmax = 2",
        "`scale` = [scale]: what replicas cost counts until a stated end; allowed: with `load.for` (line 5, column 1)",
    ),
    (
        SCALED,
        "[service.back]\nwork = \"wait:5ms\"\nslots = 2\n",
        "replicas = 2\n[service.back]\nreplicas = 2\nwork = \"wait:5ms\"\nslots = 2\n[scale]\nservice = \"back\"\nmax = 4\n[restart]\nat = \"500ms\"\n",
        "`scale` = [scale]: replicas come and go; allowed: without [restart] (line 12, column 1)",
    ),
    (
        SCALED,
        "slots = 2\n",
        "slots = 2\ntell = \"1ms\"\n[scale]\nservice = \"back\"\nmax = 4\n",
        "`service.back.tell` = \"1ms\": [scale] changes how many others there are; allowed: without [scale] (line 10, column 8)",
    ),
    (
        SCALED,
        "slots = 2\n",
        "slots = 2\nagree = \"1ms\"\n[scale]\nservice = \"back\"\nmax = 4\n",
        "`service.back.agree` = \"1ms\": [scale] changes how many others there are; allowed: without [scale] (line 10, column 9)",
    ),
    (
        SCALED,
        "",
        "[scale]\nservice = \"back\"\nmax = 4\n[sweep]\nservice = \"back\"\nreplicas = [1, 2]\n",
        "`sweep.service` = \"back\": [scale] changes how many there are; allowed: without [scale] (line 14, column 11)",
    ),
];

#[test]
fn impossible_numbers_of_replicas_are_refused() {
    check(REPLICAS_THAT_VARY);
}

fn check(cases: &[Case]) {
    for (text, from, to, expected) in cases {
        let text = match *from {
            "" => format!("{text}{to}"),
            from => text.replacen(from, to, 1),
        };
        assert_eq!(refusal(&text), format!("x.toml: {expected}"), "{text}");
    }
}

#[test]
fn wrong_syntax_and_wrong_types_are_refused() {
    check(SYNTAX_AND_TYPES);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    check(UNKNOWN_KEYS);
}

#[test]
fn impossible_loads_are_refused() {
    check(LOADS);
}

#[test]
fn impossible_chains_are_refused() {
    check(CHAINS);
}

#[test]
fn impossible_graphs_are_refused() {
    check(GRAPHS);
}

#[test]
fn impossible_faults_are_refused() {
    check(FAULTS);
}

#[test]
fn impossible_policies_and_expectations_are_refused() {
    check(POLICIES_AND_EXPECTATIONS);
}

#[test]
fn other_versions_and_impossible_closed_loads_are_refused() {
    check(VERSIONS_AND_CLOSED_LOADS);
}

#[test]
fn impossible_rates_and_policies_of_phases_are_refused() {
    check(RATES_AND_POLICIES_OF_PHASES);
}

#[test]
fn impossible_bounds_are_refused() {
    check(MORE_EXPECTATIONS);
}

#[test]
fn the_sound_texts_that_the_cases_change_are_accepted() {
    for text in [BASE, FAULT, TIMED, &format!("{GRAPH}[service.only]\n")] {
        assert!(parse("x.toml", text).is_ok(), "{text}");
    }
}

#[test]
fn all_errors_are_told_at_once_in_the_order_of_the_text() {
    let text = "seed = -1\n[load]\nrate = -1\nrequests = 1\n[chain]\nhops = [\"database\"]\n[faults.x]\nkind = \"error\"\n";
    let errors = parse("x.toml", text).unwrap_err().errors;
    let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 1, 3, 6, 7]);
}

#[test]
fn graphs_that_grow_too_large_are_refused() {
    let eight_times = |n: usize| {
        let calls = vec![format!("\"s{}\"", n + 1); 8];
        format!("[service.s{n}]\ncalls = [{}]\n", calls.join(", "))
    };
    // Eight to the power of 31 calls: more than can be counted, let alone made.
    let tower: Vec<_> = (0..31).map(eight_times).collect();
    let error = refusal(&format!("{GRAPH}{}[service.s31]\n", tower.concat()));
    let expected = format!("makes {} calls; allowed: at most 1000", u64::MAX);
    assert!(error.contains(&expected), "{error}");
    let many: Vec<_> = (0..33).map(|n| format!("[service.s{n}]\n")).collect();
    let error = refusal(&format!("{GRAPH}{}", many.concat()));
    assert!(
        error.contains("one of 33 services; allowed: at most 32"),
        "{error}"
    );
}
