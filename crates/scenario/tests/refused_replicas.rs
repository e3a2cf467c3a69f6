//! Every bad input about replicas and their policies, and exactly what is said about it.

use scenario::parse;

/// What follows the load, and the error without its place.
type Case = (&'static str, &'static str);

const CHAINS: &[Case] = &[
    (
        "[service.a]\nreplicas = 0\n",
        "`service.a.replicas` = 0 can't be; allowed: a whole number from 1 to 16",
    ),
    (
        "[chain]\nrelays = 2\n[chain.replicas]\nrelay-2 = 17\n",
        "`chain.replicas.relay-2` = 17 can't be; allowed: names of services, each with a whole number from 1 to 16",
    ),
    (
        "[chain]\nrelays = 2\n[chain.replicas]\nrelay-3 = 2\n",
        "`chain.replicas` = relay-3: no such service in this chain: did you mean `relay-1`? Allowed: `relay-1`, `relay-2`",
    ),
    (
        "[chain]\nrelays = 2\nsoft = [\"relay-2\"]\n",
        "`chain.soft` = [\"relay-2\"]: only a page has it; allowed: with `hops`",
    ),
    (
        "[chain]\nrelays = 2\nverify = \"local\"\n",
        "`chain.verify` = \"local\": only a page has it; allowed: with `hops`",
    ),
    (
        "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\nverify = \"none\"\n",
        "`chain.verify` = \"none\" can't be; allowed: \"auth\" or \"local\"",
    ),
    (
        "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\nsoft = [\"profile\"]\n",
        "`chain.soft` = \"profile\": no such hop that can be; allowed: `database`",
    ),
    (
        "[chain]\nhops = [\"auth\", \"profile\", \"database\"]\nqueued = [\"audit\"]\n",
        "`chain.queued` = \"audit\": no such hop that can be; allowed: ",
    ),
    (
        "[chain]\nhops = [\"auth\", \"profile\", \"database\", \"audit\"]\nqueued = [\"audit\"]\nsoft = [\"audit\"]\n",
        "`chain.soft` = \"audit\": it is `queued`, and no request waits for it; allowed: one of the two",
    ),
    (
        "[chain]\nhops = [\"auth\", \"profile\", \"database\", \"config\", \"audit\"]\n",
        "`chain.hops` = \"audit\": each step needs the one before; allowed, in this order: `auth`, `profile`, `database`, `audit`, `config`",
    ),
    (
        "[chain]\nhops = [\"auth\", \"config\"]\n",
        "`chain.hops` = \"config\": each step needs the one before; allowed, in this order: `auth`, `profile`, `database`, `config`",
    ),
    (
        "[service.a]\nreplicas = 2\ntakeover = \"1s\"\n",
        "`service.a.takeover` = \"1s\": no replica stands by; allowed: with policy.balance.pick = \"first\"",
    ),
    (
        "[service.a]\ntakeover = \"1s\"\n[policy.balance]\npick = \"first\"\n[policy.balance.check]\n",
        "`service.a.takeover` = \"1s\": there is one replica, and none to take over from; allowed: with `replicas`",
    ),
];

const FAULTS: &[Case] = &[
    (
        "[chain]\nrelays = 1\n[chain.replicas]\nrelay-1 = 2\n[faults.f]\nkind = \"error\"\nprobability = 1\non = [\"relay-1-2\"]\n",
        "`faults.f.on` = \"relay-1-2\": no such service or replica in this chain: did you mean `relay-1-0`? Allowed: `relay-1`, `relay-1-0`, `relay-1-1`",
    ),
    (
        "[chain]\nrelays = 1\n[chain.replicas]\nrelay-1 = 2\n[faults.f]\nkind = \"error\"\nprobability = 1\non = [\"relay-1\", \"relay-1-1\"]\n",
        "`faults.f.on` = [\"relay-1\", \"relay-1-1\"] can't be; allowed: a list of names of services or replicas, at least one and each once",
    ),
    (
        "[chain]\nrelays = 1\n[faults.f]\nkind = \"error\"\nprobability = 0.1\ncommon = 0.1\n",
        "`faults.f.common` = 0.1: it splits the probability that a replica is down for a request; allowed: with scope = \"request\" and at any time",
    ),
    (
        "[chain]\nrelays = 1\n[faults.f]\nkind = \"error\"\nscope = \"request\"\nprobability = 0.1\ncommon = 1.1\n",
        "`faults.f.common` = 1.1 can't be; allowed: a number from 0 to 1",
    ),
    (
        "[chain]\nrelays = 1\n[faults.f]\nkind = \"error\"\nscope = \"request\"\nprobability = 0.1\ncommon = 0.1\nshared = \"a\"\n",
        "`faults.f.common` = 0.1: `shared` is stated as well; allowed: one of the two",
    ),
    (
        "[chain]\nrelays = 1\n[faults.f]\nkind = \"error\"\nprobability = 0.1\nshared = \"a\"\n",
        "`faults.f.shared` = \"a\": each attempt draws anew; allowed: with scope = \"request\", or with `up` and `down`, or `windows`",
    ),
    (
        "[chain]\nrelays = 1\n[faults.f]\nkind = \"error\"\nup = \"1s\"\ndown = \"1s\"\nshared = \"Zone A\"\n",
        "`faults.f.shared` = \"Zone A\": allowed: a name of 1 to 40 small letters, digits and dashes, a letter first",
    ),
    (
        "[chain]\nrelays = 1\n[faults.f]\nkind = \"error\"\nscope = \"request\"\nprobability = 0.1\ncommon = 0.1\n[faults.f-common]\nkind = \"error\"\nprobability = 0.1\n",
        "`faults` = f-common: the common part of another has that name; allowed: another name",
    ),
];

const POLICIES: &[Case] = &[
    (
        "pick = \"best\"",
        "`policy.balance.pick` = \"best\" can't be; allowed: \"less_loaded\", \"random\" or \"first\"",
    ),
    (
        "retry = \"never\"",
        "`policy.balance.retry` = \"never\" can't be; allowed: \"another\", \"random\" or \"same\"",
    ),
    (
        "pick = \"first\"",
        "`policy.balance.check` = none: its default does not go with the rest; allowed: a table [policy.balance.check], without which pick = \"first\" can't be",
    ),
    (
        "panic_below = -0.1",
        "`policy.balance.panic_below` = -0.1 can't be; allowed: a number from 0 to 1, as a share of the replicas",
    ),
    (
        "eject = 5",
        "`policy.balance.eject` = 5 can't be; allowed: a table [policy.balance.eject], or false for none",
    ),
    (
        "[policy.balance.eject]\nmax_share = 1",
        "`policy.balance.eject.max_share` = 1 can't be; allowed: a number above 0 and below 1: never all replicas",
    ),
    (
        "[policy.balance.eject]\ntime = \"0s\"",
        "`policy.balance.eject.time` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds",
    ),
    (
        "[policy.balance.eject]\ntime = \"10m\"",
        "`policy.balance.eject.max_time` = 5m: its default does not go with the rest; allowed: a duration in whole milliseconds, not below `time` and up to \"1h\"",
    ),
    (
        "[policy.balance.eject]\nconsecutiv = 2",
        "unknown key `consecutiv` in [policy.balance.eject]: did you mean `consecutive`?",
    ),
    (
        "[policy.balance.check]\nmisses = 0",
        "`policy.balance.check.misses` = 0 can't be; allowed: a whole number from 1 to 10000",
    ),
    (
        "[policy.hedge]\ndelay = \"0ms\"",
        "`policy.hedge.delay` = \"0ms\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds",
    ),
    (
        "[policy.hedge]\nquantile = 1.0",
        "`policy.hedge.quantile` = 1.0 can't be; allowed: a number above 0 and below 1; for a fixed delay, leave it out",
    ),
    (
        "[policy.hedge.budget]\nratio = -1",
        "`policy.hedge.budget.ratio` = -1 can't be; allowed: a number from 0 to 1, in retries per request",
    ),
    (
        "[policy.bulkhead]\nmax = 0",
        "`policy.bulkhead.max` = 0 can't be; allowed: a whole number from 1 to 1000000",
    ),
    (
        "[policy.shed]\nmin = 2",
        "`policy.shed.min` = 2 can't be; allowed: a whole number from 1 to `max`, only with `adaptive`",
    ),
    (
        "[policy.cache]\nfresh = \"0s\"",
        "`policy.cache.fresh` = \"0s\" can't be; allowed: a duration from \"1ms\" to \"1h\" in whole milliseconds",
    ),
    (
        "[policy.cache]\ncapacity = 0",
        "`policy.cache.capacity` = 0 can't be; allowed: a whole number from 1 to 100000000",
    ),
];

#[track_caller]
fn check(rest: &str, expected: &str) {
    let text = format!("title = \"t\"\n[load]\nrate = 100\nrequests = 1000\n{rest}");
    let refused = parse("x.toml", &text).map(|plan| plan.title().to_owned());
    let errors = refused.expect_err(rest).errors;
    let told: Vec<_> = errors
        .iter()
        .map(|error| error.problem.to_string())
        .collect();
    assert_eq!(told, [expected], "{text}");
}

#[test]
fn impossible_replicas_and_chains_are_refused() {
    for (rest, expected) in CHAINS {
        check(rest, expected);
    }
}

#[test]
fn impossible_groups_and_places_are_refused() {
    for (rest, expected) in FAULTS {
        check(rest, expected);
    }
}

#[test]
fn impossible_policies_of_replicas_are_refused() {
    for (rest, expected) in POLICIES {
        let balance = if rest.starts_with('[') {
            ""
        } else {
            "[policy.balance]\n"
        };
        check(&format!("[chain]\nrelays = 1\n{balance}{rest}\n"), expected);
    }
}
