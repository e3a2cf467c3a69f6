"""Runs the scripts of loadtest/ against real chains and checks what they send, count and conclude: for k6 itself
(check_k6.py) and for the stand-in that replaces it where there is no k6 (check_loadtest.py).
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import support
from loadtest_runner import SCRIPTS, TRIES, Chain, demand, is_late, say, stopped

# k6's exit codes: a threshold does not hold; the run was interrupted; the script threw; the script gave up.
BROKEN, INTERRUPTED, THREW, GAVE_UP = 99, 105, 107, 108
TICK = "✔"


def check_inputs(runner, chain):
    """A setting that is missing or wrong is named, with what is allowed; a run that gives up has no verdict."""
    right = chain.with_token(runner) | {"NINES_VUS": 1}
    without = {name: value for name, value in right.items() if name != "NINES_URL"}
    unused = f"http://127.0.0.1:{support.free_port()}"
    admin = {"NINES_ADMIN_URL": chain.of("database", "admin")}
    cases = [
        ("smoke", without, THREW, "NINES_URL is missing"),
        ("smoke", right | {"NINES_URL": "somewhere"}, THREW, 'NINES_URL has "somewhere"; allowed: http://HOST:PORT'),
        ("smoke", right | {"NINES_URL": unused}, GAVE_UP, "NINES_URL: reading a page failed"),
        ("smoke", right | {"NINES_URL": admin["NINES_ADMIN_URL"]}, GAVE_UP, "status 404"),
        ("smoke", right | {"NINES_TOKEN": "abc"}, GAVE_UP, "NINES_TOKEN: the gateway refuses it"),
        ("smoke", {"NINES_URL": right["NINES_URL"], "NINES_PASSWORD": "x"}, GAVE_UP, "NINES_USER and NINES_PASSWORD"),
        ("smoke", right | {"NINES_RATE": "many"}, THREW, 'NINES_RATE is "many"; allowed: a number from 1 to 10000'),
        ("fault-window", right, THREW, "NINES_ADMIN_URL is missing"),
        ("fault-window", right | admin, THREW, "NINES_ADMIN_TOKEN is missing"),
        ("fault-window", right | admin | {"NINES_ADMIN_TOKEN": "x"}, GAVE_UP, "NINES_ADMIN_TOKEN: "),
        ("prove-availability", right | {"NINES_REQUESTS": "0.5"}, THREW, 'NINES_REQUESTS is "0.5"; allowed'),
    ]
    runs = [(runner.script(script), settings) for script, settings, _, _ in cases]
    for (script, _, wanted, words), (code, printed) in zip(cases, runner.all_ended(runs)):
        if code != wanted or words not in printed or TICK in printed or (code == GAVE_UP) != ("INVALID" in printed):
            sys.exit(f"{script} does not end with {wanted} and say {words!r}: exit code {code}\n{printed}")
        say(f"  {script}: {words}")


def check_guards(runner, chain):
    """A run whose iterations send nothing has no verdict, though k6 itself passes a share of nothing."""
    short = chain.settings(runner) | {"NINES_VUS": 1, "NINES_RATE": 1, "NINES_SECONDS": 1, "NINES_PAUSE": 0.5}
    short |= {"NINES_START": 1, "NINES_STEPS": 1, "NINES_REQUESTS": 1}
    admin = {"NINES_ADMIN_URL": chain.of("database", "admin"), "NINES_ADMIN_TOKEN": chain.admin_token}
    free = {"NINES_AVAILABILITY": 0}
    cases = [
        ("smoke", {}),
        ("smoke", free),
        ("steady", free),
        ("step", free),
        ("fault-window", admin | free | {"NINES_PREDICTED": 0}),
        ("prove-availability", {}),
    ]
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(runner.variant(name, "function () {}")) for name, _ in cases]
        runs = [(script, short | more) for script, (_, more) in zip(silent, cases)]
        for (name, _), (code, printed) in zip(cases, runner.all_ended(runs)):
            if code != BROKEN or "no request was sent" not in printed or TICK in printed:
                sys.exit(f"{name} without a request: exit code {code}\n{printed}")
    say(f"  each of the {len(cases)} scripts that send nothing ends with {BROKEN}")


def check_counts(runner, chain, script, settings, wanted=0):
    """Runs a script, and compares its counts with those of the services; its summary."""
    before = {}
    settings = chain.with_token(runner) | settings
    summary = runner.summarized(
        runner.script(script), settings, wanted, before=lambda: before.update(chain.counts())
    )
    counted = {name: count - before[name] for name, count in chain.counts().items()}
    sent, found = summary["sent"], summary["availability"]
    demand(
        counted["ok"] + counted["degraded"] + counted["failed"] == sum(sent.values()),
        f"{runner.name} has sent {sum(sent.values())} requests, and the gateway has counted as many",
    )
    # The request that checked the token was answered, too.
    pages = f"{found['answered']} of {found['requests']} pages"
    demand(counted["ok"] == found["answered"] + 1, f"{pages} were answered, according to the gateway as well")
    return summary, counted


def check_smoke(runner, chain):
    """A healthy chain, and one whose database fails every other time."""
    summary, counted = check_counts(runner, chain, "smoke", runner.short())
    for hop in summary["hops"]:
        name, requests = hop["hop"], hop["requests"]
        reported = f"the gateway reported {requests} calls to {name}"
        demand(counted[name] == requests + 1, f"{reported}, and counted one more for the token")
    hops = [hop["hop"] for hop in summary["hops"]]
    demand(hops == ["auth", "profile", "database"], "Server-Timing names the whole chain")
    chain.put("database", "faults", {"seed": 42, "faults": [{"id": "half", "kind": "error", "probability": 0.5}]})
    try:
        # The seed and the name of the run decide which requests fail.
        summary, _ = check_counts(runner, chain, "smoke", runner.short() | {"NINES_RUN": "check"}, BROKEN)
    finally:
        chain.put("database", "faults", {"seed": 42, "faults": []})
    demand(0.3 < summary["availability"]["share"] < 0.7, "half of the pages were lost with half of the database")
    lost = summary["availability"]["requests"] - summary["availability"]["answered"]
    database = summary["hops"][2]
    demand(database["requests"] - database["answered"] == lost, f"Server-Timing blames the database for all {lost}")


def check_steady(runner, chain):
    """Steady load; and a limit that is not kept."""
    short = runner.short() | {"NINES_P50_MS": 1000, "NINES_P99_MS": 5000}
    check_counts(runner, chain, "steady", short)
    summary = runner.summarized(
        runner.script("steady"), chain.settings(runner) | short | {"NINES_SECONDS": 1, "NINES_P99_MS": 0.01}, BROKEN
    )
    demand("latency: p(99)<=0.01" in summary["broken"], "a limit that no chain keeps was broken")


def check_rejected(runner, chain):
    """A request that is itself wrong says nothing about the chain, so the run has no verdict."""
    wrong = '(target) => original({ ...target, renewable: false, session: { token: "wrong" } })'
    settings = chain.settings(runner) | runner.short() | {"NINES_SECONDS": 1}
    with runner.variant("smoke", wrong) as script:
        summary = runner.summarized(script, settings, BROKEN)
    demand("rejected: count==0" in summary["broken"], "a wrong token breaks a threshold")
    demand(f"{summary['rejected']} of" in summary["invalid"], f"invalid: {summary['invalid']}")
    demand(summary["availability"]["requests"] == 0, "answers of 401 are not part of the availability")


def check_step(runner, chain):
    """A capacity that is known: ten places, each taken for 100 ms, carry some 100 requests a second."""
    slow = {"id": "slow", "kind": "delay", "delay_ms": 100, "probability": 1}
    chain.put("database", "faults", {"seed": 42, "faults": [slow]})
    chain.put("gateway", "policy", {"shed": {"max": 10}})
    stairs = {"NINES_START": 10, "NINES_STEP": 140, "NINES_STEPS": 2, "NINES_SECONDS": runner.seconds}
    # Room for a busy machine: at 150/s a third is refused.
    lenient = {"NINES_AVAILABILITY": 0.8, "NINES_P99_MS": 5000}
    settings, script = chain.with_token(runner) | stairs | lenient, runner.script("step")
    try:
        for _ in range(TRIES):
            knee = runner.summarized(script, settings, None)["knee"]
            if "does not keep up with any step" not in knee:
                break
            say("  this machine was too busy even for the first step")
        demand("keeps up to 10/s, no longer at 150/s" in knee, "the knee is found: above 10/s, below 150/s")
        runner.summarized(script, settings | {"NINES_STEPS": 1, "NINES_SECONDS": 1, "NINES_P99_MS": 50}, BROKEN)
        say(f"  a first step that is not kept ends with {BROKEN}")
    finally:
        chain.put("gateway", "policy", {})
        chain.put("database", "faults", {"seed": 42, "faults": []})


def check_window(runner, nines):
    """A fault that comes and goes; one that was there before stays; also when the run is stopped."""
    say("fault-window")
    with Chain(nines) as chain:
        check_window_of(runner, chain)


def check_window_of(runner, chain):
    settings = chain.settings(runner) | runner.short() | {
        "NINES_ADMIN_URL": chain.of("database", "admin"),
        "NINES_ADMIN_TOKEN": chain.admin_token,
        "NINES_PAUSE": runner.pause,
        # It decides, with the seed, which requests fail.
        "NINES_RUN": "check",
    }
    other = [{"id": "other", "kind": "delay", "delay_ms": 1, "probability": 1.0}]
    chain.put("database", "faults", {"seed": 42, "faults": other})
    names = lambda: [fault["id"] for fault in chain.faults("database")]
    script, planned = runner.script("fault-window"), runner.rate * runner.seconds - 1
    for _ in range(TRIES):
        summary = runner.summarized(script, settings, None)
        if summary["broken"] == []:
            break
        # Requests that take longer than the pause before a change see the fault in the wrong phase.
        say("  broken; once more, in case this machine was too busy")
    demand(summary["broken"] == [], "everything that was asked for holds")
    before, during, after = summary["phases"]
    demand(before["share"] == after["share"] == 1 > during["share"], "only during the fault requests are lost")
    demand(before["requests"] >= planned and during["requests"] >= planned, "each phase has its requests")
    demand(names() == ["other"], "the fault that was there before is there after, alone")

    # A chain that should lose nine of ten requests, and loses a fifth: better than predicted is wrong as well.
    summary = runner.summarized(script, settings | {"NINES_PREDICTED": 0.1}, BROKEN)
    found = any(rule.startswith("availability{scenario:during}: rate<=") for rule in summary["broken"])
    demand(found, "a wrong prediction is found out")

    with stopped(runner.started(script, settings)) as process:
        support.wait_for("the fault", lambda: "k6-fault-window" in names())
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=300)
    demand(process.returncode == INTERRUPTED and names() == ["other"], "a run that is stopped takes its fault with it")
    demand(TICK not in printed, "and has no verdict")


def check_token(runner, nines):
    """A run that is longer than its token's life: the token is renewed in time, or the run ends with the reason."""
    say("token")
    with Chain(nines) as chain:
        settings = chain.settings(runner) | {"NINES_RATE": 5, "NINES_P50_MS": 10_000, "NINES_P99_MS": 20_000}
        with auth(nines, chain, "12s"):
            check_renewal(runner, settings | {"NINES_SECONDS": 14})
            check_given_token(runner, settings | {"NINES_SECONDS": 14, "NINES_TOKEN": logged_in(settings["NINES_URL"])})
        with auth(nines, chain, "3s"):
            check_lost_login(runner, chain, settings | {"NINES_SECONDS": 60, "NINES_VUS": 1})


def check_renewal(runner, settings):
    summary = runner.summarized(runner.script("steady"), settings)
    logins = summary["sent"]["login"]
    demand(logins > 1, f"{logins} logins kept up a run of 14 s with tokens of 12 s")
    demand(summary["availability"]["share"] == 1, "and all of its requests were answered")


def check_given_token(runner, settings):
    printed = runner.run(runner.script("steady"), settings, GAVE_UP)
    demand("NINES_TOKEN: it expires in" in printed, "a token that can't be renewed and ends before the run is refused")


def check_lost_login(runner, chain, settings):
    start = chain.counts()["ok"]
    with stopped(runner.started(runner.script("steady"), settings)) as process:
        support.wait_for("the first page", lambda: chain.counts()["ok"] > start + 2)
        chain.put("gateway", "replicas", {"auth": [f"http://127.0.0.1:{support.free_port()}"]})
        printed, _ = process.communicate(timeout=300)
    gave_up = process.returncode == GAVE_UP and "NINES_URL: logging in failed" in printed
    demand(gave_up, "a run that can't renew its token ends, and says why")
    demand("INVALID" in printed and TICK not in printed, "and has no verdict")


@contextlib.contextmanager
def auth(nines, chain, lifetime):
    """An auth service with another lifetime of tokens, in place of the chain's."""
    public, admin = support.free_port(), support.free_port()
    command = [nines, "serve", "auth", "--store", "sqlite::memory:", "--seed-users", "1", "--token-lifetime", lifetime]
    command += ["--listen", f"127.0.0.1:{public}", "--admin", f"127.0.0.1:{admin}", "--server-timing"]
    command += ["--logins-per-account", "none", "--logins-per-address", "none"]
    with tempfile.TemporaryFile("w+") as log, stopped(subprocess.Popen(command, stdout=log, stderr=log)) as process:

        def is_ready():
            if process.poll() is not None:
                log.seek(0)
                sys.exit(f"nines serve auth ended with {process.returncode}: {log.read()}")
            return urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5).status == 200

        support.wait_for("auth", is_ready)
        chain.put("gateway", "replicas", {"auth": [f"http://127.0.0.1:{public}"]})
        yield


def logged_in(edge):
    """The token of a new login."""
    body = json.dumps({"username": "user-1", "password": "password-1"}).encode()
    request = urllib.request.Request(f"{edge}/v1/login", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["token"]


def proof(runner, chain, requests, rates, users):
    """The proof; once more at a lower rate if this machine did not send every request in time.

    Seed and name of the run decide which attempts the gateways lose; only among what their
    callers make up for is anything left to chance.
    """
    for rate in rates:
        settings = chain.with_token(runner) | {"NINES_REQUESTS": requests, "NINES_RATE": rate, "NINES_VUS": users}
        settings |= {"NINES_RUN": "check", "NINES_TRACED": 0}
        before, start = chain.counts(), time.monotonic()
        summary = runner.summarized(runner.script("prove-availability"), settings, None, tries=1)
        say(f"  {requests:,} requests at {rate}/s in {time.monotonic() - start:.0f} s")
        counted = {name: count - before[name] for name, count in chain.counts().items()}
        if not is_late(summary):
            break
        say("  this machine was too busy to send all of them in time")
    demand(summary["broken"] == [], "everything that was asked for holds")
    return summary, counted


def check_proof(runner, nines, requests, rates, users):
    """Four services that fail one request in a hundred, two replicas of each, clients that try again."""
    say("prove-availability")
    with Chain(nines, SCRIPTS / "chain.toml") as chain:
        summary, counted = proof(runner, chain, requests, rates, users)
        sent, first, bound = sum(summary["sent"].values()), summary["first_attempts"], summary["proof"]["bound"]
        count = f"{runner.name} has sent {sent:,} requests, and the gateways have counted as many"
        demand(counted["ok"] + counted["failed"] == sent, count)
        retried = summary["attempts"] == summary["sent"]["page"] > summary["requests"]
        demand(retried, "each attempt was one request, and some were retries")
        demand(0.97 < first["share"] < 0.998, "first attempts alone find some 99 %")
        demand(requests < 29_956 or bound >= 0.9999, f"at least {bound * 100:.4f} % are proven")

        alone = {"NINES_REQUESTS": 500, "NINES_RATE": min(rates[0], 200), "NINES_ATTEMPTS": 1, "NINES_RUN": "alone"}
        found = runner.summarized(runner.script("prove-availability"), chain.settings(runner) | alone, BROKEN)["proof"]
        demand(found["lost"] > 0, f"clients that try once lose {found['lost']} of {found['requests']:,}")


def check_scripts(runner, nines):
    """The scripts that take one chain for a few seconds each."""
    checks = [
        ("inputs", check_inputs),
        ("guards", check_guards),
        ("smoke", check_smoke),
        ("steady", check_steady),
        ("rejected requests", check_rejected),
        ("step", check_step),
    ]
    with Chain(nines) as chain:
        for name, check in checks:
            start = time.monotonic()
            say(name)
            check(runner, chain)
            say(f"  ({time.monotonic() - start:.0f} s)")
