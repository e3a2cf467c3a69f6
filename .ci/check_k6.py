"""Runs the load tests with a real k6 against real chains: their exit codes, that k6 and the
services count the same requests, that what is broken is found out, and that a run without a
single request does not pass. And the types of the scripts.

Usage: check_k6.py [NINES] [--quick]

--quick: the proof of 99.99 % with a twentieth of its requests, which then proves less.
"""

import contextlib
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import support

ROOT = support.ROOT
SCRIPTS = ROOT / "loadtest"
PACKAGES = ROOT / "target" / "tools" / "node" / "node_modules"
# Of k6: a threshold does not hold; the script threw; the script gave up.
BROKEN, THREW, GAVE_UP = 99, 107, 108
# With so many users, and so much patience in seconds, a busy machine delays requests, and loses none.
USERS, PATIENCE = 500, 20
# The proof sends so many that 500 users would all be waiting after a pause of 0.7 s, which a busy machine makes now and
# then; these are after 2.9 s. They take 1.1 GB of memory.
PROOF_USERS = 2000
# A machine that has something else to do carries less than it could.
TRIES = 3
# What two cores carry, chain and k6 together: 120,000 requests in less than three minutes. And
# what they should carry even if they have something else to do.
PROOF_RATES, QUICK_RATES = [700, 350], [200, 100]


def say(text):
    print(text, flush=True)


def demand(holds, text):
    """A fact that must hold; says so."""
    if not holds:
        raise SystemExit(f"does not hold: {text}")
    say(f"  {text}")


class Chain(support.Chain):
    """A chain, also one whose gateway has replicas."""

    def of(self, service, listener):
        """The addresses of a service's replicas, with commas between them."""
        found = [at[listener] for name, at in self.services.items() if re.fullmatch(rf"{service}(-\d+)?", name)]
        return ",".join(f"http://{address}" for address in found)

    def settings(self):
        """What every script needs to know of it."""
        edges = self.of("gateway", "public")
        return {"NINES_URL": edges, "NINES_TOKEN": self.token, "NINES_VUS": USERS, "NINES_TIMEOUT": PATIENCE}

    def faults(self, service):
        """What is in force at a service."""
        with urllib.request.urlopen(f"{self.of(service, 'admin')}/faults", timeout=60) as answer:
            return json.load(answer)["faults"]

    def put(self, service, path, document):
        """Changes faults or policy of a service."""
        headers = {"authorization": f"Bearer {self.admin_token}", "content-type": "application/json"}
        url = f"{self.of(service, 'admin')}/{path}"
        request = urllib.request.Request(url, json.dumps(document).encode(), headers, method="PUT")
        urllib.request.urlopen(request, timeout=60).close()

    def counted(self, name, **labels):
        """A counter of all gateways, over whatever labels are not stated."""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        total = 0
        for url in self.of("gateway", "admin").split(","):
            with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
                for line in answer.read().decode().splitlines():
                    found = re.fullmatch(rf"{name}{{(.*)}} (\d+)", line)
                    if found and wanted <= set(found[1].split(",")):
                        total += int(found[2])
        return total

    def counts(self):
        """What the gateways have counted so far, once they have nothing under way."""
        support.wait_for("gateways without a request", lambda: self.counted("http_server_active_requests") == 0)
        count = {outcome: self.counted("nines_requests_total", outcome=outcome) for outcome in ("ok", "degraded", "failed")}
        return count | {peer: self.counted("nines_calls_total", peer=peer) for peer in ("auth", "profile", "database")}


def started(k6, script, settings):
    """k6, running a script."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NINES_", "K6_"))}
    environment |= {name: str(value) for name, value in settings.items()}
    return subprocess.Popen(
        [k6, "run", "--no-usage-report", "--quiet", "--address", "", str(script)],
        env=environment | {"K6_AUTO_EXTENSION_RESOLUTION": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(k6, script, settings, wanted=0, seconds=1800):
    """Runs a script to its end, and gives what it printed; its exit code must be as wanted, if it matters."""
    process = started(k6, script, settings)
    try:
        printed, _ = process.communicate(timeout=seconds)
    finally:
        support.stop(process)
    if wanted not in (None, process.returncode):
        sys.exit(f"{script}: exit code {process.returncode}, not {wanted}\n{printed}")
    return printed


def summarized(k6, script, settings, wanted=0):
    """Runs a script; its summary."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        printed = run(k6, SCRIPTS / script, settings | {"NINES_SUMMARY": file.name}, wanted)
        # k6 warns of each request without an answer; they are counted below.
        say("\n".join(line for line in printed.splitlines() if "Request Failed" not in line))
        return json.load(open(file.name))


def check_types():
    """`tsc --strict`, with the packages that package.json names."""
    tsc = support.tool("tsc", "deploy/tools typescript installs it")
    for name, version in json.loads((SCRIPTS / "package.json").read_text())["devDependencies"].items():
        installed = json.loads((PACKAGES / name / "package.json").read_text())["version"]
        demand(installed == version, f"{name} {version} is the one installed")
    types = str(PACKAGES / "@types")
    options = {
        "typeRoots": [types],
        "paths": {"k6": [f"{types}/k6"], "k6/*": [f"{types}/k6/*"]},
    }
    scripts = [f"{SCRIPTS}/*.ts", f"{SCRIPTS}/lib/*.ts"]
    project = {"extends": f"{SCRIPTS}/tsconfig.json", "compilerOptions": options, "include": scripts}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "tsconfig.json")
        file.write_text(json.dumps(project))
        code = subprocess.run([tsc, "--project", str(file)], check=False, timeout=1800).returncode
    demand(code == 0, "the types are right")


def proves(requests, lost):
    """Whether 99.99 % would lose so few with a chance of at most 5 %: in whole numbers."""
    return sum(math.comb(requests, i) * 9999 ** (requests - i) for i in range(lost + 1)) * 20 <= 10_000**requests


def check_numbers(k6):
    """The scripts' own self-test; its numbers by exact arithmetic here."""
    run(k6, SCRIPTS / "self-test.ts", {})
    for requests, lost in [(29_956, 0), (47_437, 1), (105_128, 5)]:
        holds = proves(requests, lost) and not proves(requests - 1, lost)
        demand(holds, f"{requests:,} requests with {lost} lost prove 99.99 %, and no fewer")


def check_guards(k6):
    """k6 takes a share of nothing for a good one; the scripts' thresholds do not."""
    naive = '{ availability: ["rate>=0.99"] }'
    guarded = "answered(0.99, 1)"
    for name, thresholds, wanted in [("alone", naive, 0), ("as the scripts have it", guarded, BROKEN)]:
        script = f"""
            import {{ Rate }} from "k6/metrics";
            import {{ answered }} from "{SCRIPTS}/lib/thresholds.ts";
            new Rate("availability");
            export const options = {{ thresholds: {thresholds} }};
            export default function () {{}}
        """
        with tempfile.NamedTemporaryFile("w", suffix=".ts") as file:
            file.write(script)
            file.flush()
            run(k6, file.name, {}, wanted)
        say(f"  without a single request, the threshold {name} ends with {wanted}")


def check_inputs(k6, chain):
    """What is missing or wrong is named, with what is allowed."""
    right = chain.settings() | {"NINES_VUS": 1}
    without = {name: value for name, value in right.items() if name != "NINES_URL"}
    nobody = f"http://127.0.0.1:{support.free_port()}"
    admin = {"NINES_ADMIN_URL": chain.of("database", "admin")}
    for script, settings, code, words in [
        ("smoke.ts", without, THREW, "NINES_URL is missing"),
        ("smoke.ts", right | {"NINES_URL": "somewhere"}, THREW, 'NINES_URL has \\"somewhere\\"; allowed: http://HOST:PORT'),
        ("smoke.ts", right | {"NINES_URL": nobody}, GAVE_UP, "NINES_URL: reading a page failed"),
        ("smoke.ts", right | {"NINES_URL": admin["NINES_ADMIN_URL"]}, GAVE_UP, "status 404"),
        ("smoke.ts", right | {"NINES_TOKEN": "abc"}, GAVE_UP, "NINES_TOKEN: the gateway refuses it"),
        ("smoke.ts", {"NINES_URL": right["NINES_URL"], "NINES_PASSWORD": "x"}, GAVE_UP, "NINES_USER and NINES_PASSWORD"),
        ("smoke.ts", right | {"NINES_RATE": "many"}, THREW, 'NINES_RATE is \\"many\\"; allowed: a number from 1 to 10000'),
        ("smoke.ts", right | {"NINES_RATE": "1.5"}, THREW, "NINES_RATE is 1.5; allowed: a whole number"),
        ("fault-window.ts", right, THREW, "NINES_ADMIN_URL is missing"),
        ("fault-window.ts", right | admin, THREW, "NINES_ADMIN_TOKEN is missing"),
        ("fault-window.ts", right | admin | {"NINES_ADMIN_TOKEN": "x"}, GAVE_UP, "NINES_ADMIN_TOKEN: "),
        ("prove-availability.ts", right | {"NINES_REQUESTS": "0.5"}, THREW, 'NINES_REQUESTS is \\"0.5\\"; allowed'),
    ]:
        printed = run(k6, SCRIPTS / script, settings, code)
        if words not in printed:
            sys.exit(f"{script} does not say {words!r}:\n{printed}")
        say(f"  {script}: {words}")


def check_counts(k6, chain, script, settings, wanted=0):
    """Runs a script, and compares its counts with those of the services; its summary."""
    before = chain.counts()
    summary = summarized(k6, script, chain.settings() | settings, wanted)
    counted = {name: count - before[name] for name, count in chain.counts().items()}
    sent, found = summary["sent"], summary["availability"]
    demand(
        counted["ok"] + counted["degraded"] + counted["failed"] == sum(sent.values()),
        f"k6 has sent {sum(sent.values())} requests, and the gateway has counted as many",
    )
    # The one that found out whether the token is good was answered, too.
    pages = f"{found['answered']} of {found['requests']} pages"
    demand(counted["ok"] == found["answered"] + 1, f"{pages} were answered, says the gateway as well")
    return summary, counted


def check_smoke(k6, chain):
    """A healthy chain, and one whose database fails every other time."""
    short = {"NINES_RATE": 50, "NINES_SECONDS": 4}
    summary, counted = check_counts(k6, chain, "smoke.ts", short)
    for hop in summary["hops"]:
        name, requests = hop["hop"], hop["requests"]
        told = f"the gateway told of {requests} calls to {name}"
        demand(counted[name] == requests + 1, f"{told}, and counted one more for the token")
    demand([hop["hop"] for hop in summary["hops"]] == ["auth", "profile", "database"], "Server-Timing names the whole chain")
    chain.put("database", "faults", {"seed": 42, "faults": [{"id": "half", "kind": "error", "probability": 0.5}]})
    try:
        # The seed and the name of the run decide which requests fail.
        summary, _ = check_counts(k6, chain, "smoke.ts", short | {"NINES_RUN": "check"}, BROKEN)
    finally:
        chain.put("database", "faults", {"seed": 42, "faults": []})
    demand(0.3 < summary["availability"]["share"] < 0.7, "half of the pages were lost with half of the database")
    lost = summary["availability"]["requests"] - summary["availability"]["answered"]
    database = summary["hops"][2]
    demand(database["requests"] - database["answered"] == lost, f"Server-Timing blames the database for all {lost}")


def check_steady(k6, chain):
    """Steady load; and a limit that is not kept."""
    short = {"NINES_RATE": 100, "NINES_SECONDS": 4, "NINES_P50_MS": 1000, "NINES_P99_MS": 5000}
    check_counts(k6, chain, "steady.ts", short)
    summary = summarized(k6, "steady.ts", chain.settings() | short | {"NINES_P99_MS": 0.01}, BROKEN)
    demand("latency: p(99)<=0.01" in summary["broken"], "a limit that nobody keeps was broken")


def check_step(k6, chain):
    """A capacity that is known: ten places, each taken for 100 ms, carry some 100 requests a second."""
    chain.put("database", "faults", {"seed": 42, "faults": [{"id": "slow", "kind": "delay", "delay_ms": 100, "probability": 1}]})
    chain.put("gateway", "policy", {"shed": {"max": 10}})
    stairs = {"NINES_START": 30, "NINES_STEP": 120, "NINES_STEPS": 2, "NINES_SECONDS": 4}
    # Room for a busy machine: at 150/s a third is refused.
    lenient = {"NINES_AVAILABILITY": 0.8, "NINES_P99_MS": 5000}
    try:
        for _ in range(TRIES):
            knee = summarized(k6, "step.ts", chain.settings() | stairs | lenient, None)["knee"]
            if "does not keep up with any step" not in knee:
                break
            say("  this machine was too busy even for the first step")
        demand("keeps up to 30/s, no longer at 150/s" in knee, "the knee is found: above 30/s, below 150/s")
        summarized(k6, "step.ts", chain.settings() | stairs | lenient | {"NINES_P99_MS": 50}, BROKEN)
        say("  a first step that is not kept ends with 99")
    finally:
        chain.put("gateway", "policy", {})
        chain.put("database", "faults", {"seed": 42, "faults": []})


def check_window(k6, chain):
    """A fault that comes and goes; one that was there before stays; also when the run is stopped."""
    settings = chain.settings() | {
        "NINES_ADMIN_URL": chain.of("database", "admin"),
        "NINES_ADMIN_TOKEN": chain.admin_token,
        "NINES_RATE": 100,
        "NINES_SECONDS": 4,
        # The fault must be changed within half of it.
        "NINES_PAUSE": 5,
    }
    other = [{"id": "other", "kind": "delay", "delay_ms": 1, "probability": 1.0}]
    chain.put("database", "faults", {"seed": 42, "faults": other})
    try:
        check_window_with(k6, chain, settings)
    finally:
        chain.put("database", "faults", {"seed": 42, "faults": []})


def check_window_with(k6, chain, settings):
    names = lambda: [fault["id"] for fault in chain.faults("database")]
    before, during, after = summarized(k6, "fault-window.ts", settings)["phases"]
    demand(before["share"] == after["share"] == 1, "before and after nothing is lost")
    demand(before["requests"] >= 399 and during["requests"] >= 399, "each phase has its requests")
    demand(names() == ["other"], "the fault that was there before is there after, alone")

    # A chain that should lose half, and loses a fifth: better than predicted is wrong as well.
    summary = summarized(k6, "fault-window.ts", settings | {"NINES_PREDICTED": 0.5}, BROKEN)
    found = any(rule.startswith("availability{scenario:during}: rate<=") for rule in summary["broken"])
    demand(found, "a wrong prediction is found out")

    process = started(k6, SCRIPTS / "fault-window.ts", settings)
    try:
        support.wait_for("the fault", lambda: "k6-fault-window" in names())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)
    finally:
        support.stop(process)
    demand(process.returncode == 105 and names() == ["other"], "a run that is stopped half-way takes its fault with it")


def proof(k6, chain, requests, rates):
    """The proof; once more with less haste if this machine did not send every request in time.

    Seed and name of the run decide which attempts the gateways lose; only among what their
    callers make up for is anything left to chance.
    """
    for rate in rates:
        settings = chain.settings() | {"NINES_REQUESTS": requests, "NINES_RATE": rate, "NINES_VUS": PROOF_USERS}
        settings |= {"NINES_RUN": "check", "NINES_TRACED": 0}
        before, begin = chain.counts(), time.monotonic()
        summary = summarized(k6, "prove-availability.ts", settings, None)
        say(f"  {requests:,} requests at {rate}/s in {time.monotonic() - begin:.0f} s")
        counted = {name: count - before[name] for name, count in chain.counts().items()}
        if not any(rule.endswith(f"count>={requests}") or rule.endswith("count==0") for rule in summary["broken"]):
            break
        say("  this machine was too busy to send all of them in time")
    demand(summary["broken"] == [], "everything that was asked for holds")
    return summary, counted


def check_proof(k6, nines, quick):
    """Four services that fail one request in a hundred, two replicas of each, clients that try again."""
    with Chain(nines, SCRIPTS / "chain.toml") as chain:
        summary, counted = proof(k6, chain, *((6_000, QUICK_RATES) if quick else (120_000, PROOF_RATES)))
        sent, first, bound = sum(summary["sent"].values()), summary["first_attempts"], summary["proof"]["bound"]
        demand(counted["ok"] + counted["failed"] == sent, f"k6 has sent {sent:,} requests, and the gateways have counted as many")
        demand(summary["attempts"] == summary["sent"]["page"], "each attempt was one request")
        demand(0.98 < first["share"] < 0.995, "first attempts alone find some 99 %")
        demand(quick or bound >= 0.9999, f"at least {bound * 100:.4f} % are proven")

        alone = {"NINES_REQUESTS": 1_000, "NINES_RATE": 200, "NINES_ATTEMPTS": 1, "NINES_RUN": "alone"}
        found = summarized(k6, "prove-availability.ts", chain.settings() | alone, BROKEN)["proof"]
        demand(found["lost"] > 0, f"clients that try once lose {found['lost']} of {found['requests']:,}")


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--quick"]
    nines = arguments[0] if arguments else ROOT / "target" / "release" / "nines"
    quick = len(arguments) < len(sys.argv) - 1
    support.end_on_signals()
    k6 = support.tool("k6", "deploy/tools k6 installs it")
    say("types")
    check_types()
    say("numbers")
    check_numbers(k6)
    say("guards")
    check_guards(k6)
    with contextlib.ExitStack() as stack:
        chain = stack.enter_context(Chain(nines))
        for name, check in [
            ("inputs", check_inputs),
            ("smoke", check_smoke),
            ("steady", check_steady),
            ("step", check_step),
            ("fault-window", check_window),
        ]:
            say(name)
            check(k6, chain)
    say("prove-availability")
    check_proof(k6, nines, quick)


main()
