"""Asks a real Prometheus everything that the rules and dashboards ask, while a real chain is
under load, and compares what it counted with what the load generator and the spans say.

    check_metrics.py NINES

First promtool checks the rules, by their own tests, and this script the dashboards as files. Then
a chain in which every metric moves (metrics.toml) sends its spans through the collector's
configuration to Jaeger, and Prometheus scrapes it. Needs prometheus, promtool and jaeger.
"""

import contextlib
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from support import ROOT, Chain, end_on_signals, free_port, stop, tool, wait_for

DEPLOY = ROOT / "deploy"
README = DEPLOY / "prometheus" / "README.md"
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
# Steady, and a burst that the limits of the services do not let pass.
STEADY, BURST = ["--rate", "60", "--for", "8s"], ["--rate", "400", "--for", "2s", "--seed", "2"]
# What Grafana puts in place of its variables.
VARIABLES = {"$service": ".+", "$__rate_interval": "1m"}
# A metric with its matchers, in an expression: one of ours, of Prometheus, or a recorded one.
SELECTOR = re.compile(r"\b((?:\w+:)+\w+|nines_\w+|http_(?:server|client)_\w+|up\b)(\{[^}]*\})?")

# How long Prometheus may take to have everything, beside other programs. Less than the window of a rate, in which the
# load must still be.
SCRAPED_S = 40

problems = []


def expect(holds, problem):
    """Notes a problem, and goes on: all of them are told together."""
    if not holds:
        problems.append(problem)


def expect_soon(wrong):
    """Notes what `wrong` finds, unless that passes: a machine that is busy may need another scrape."""
    # Once something is wrong, there is nothing to wait for.
    end = time.monotonic() + (0 if problems else SCRAPED_S)
    while (found := list(wrong())) and time.monotonic() < end:
        time.sleep(2)
    problems.extend(found)


def tell():
    """Ends the check if there are problems."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} problems")


# --- the files


def check_rules(promtool):
    configuration = DEPLOY / "prometheus" / "prometheus.yml"
    for command in (["check", "config", configuration], ["test", "rules", *TESTS]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"promtool {command[0]} {command[1]}:\n{done.stdout}{done.stderr}")


def overlap(one, other):
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def check_panel(name, panel):
    where = f"{name}, panel {panel['title']!r}"
    expect(panel.get("description"), f"{where}: no description")
    expect(panel["fieldConfig"]["defaults"].get("unit"), f"{where}: no unit")
    expect(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, f"{where}: wider than the 24 columns of the page")
    of_variable = {"type": "prometheus", "uid": "${datasource}"}
    for one in [panel, *panel["targets"]]:
        expect(one["datasource"] == of_variable, f"{where}: not asked of the chosen data source")
    references = [target["refId"] for target in panel["targets"]]
    expect(len(set(references)) == len(references), f"{where}: a refId stands twice: {references}")


def check_dashboard(name, board):
    panels = board["panels"]
    ids = [panel["id"] for panel in panels]
    expect(len(set(ids)) == len(ids), f"{name}: an id stands twice: {ids}")
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(board))) - {"__field"}
    expect(used <= variables, f"{name}: uses variables {used - variables}, which it does not have")
    for panel in panels:
        if panel["type"] != "row":
            check_panel(name, panel)
    for place, one in enumerate(panels):
        for other in panels[:place]:
            expect(
                not overlap(one["gridPos"], other["gridPos"]),
                f"{name}: panels {one['title']!r} and {other['title']!r} overlap",
            )


def check_dashboards():
    boards = {path.name: json.loads(path.read_text()) for path in DASHBOARDS}
    expect(boards, "there is no dashboard")
    uids = [board["uid"] for board in boards.values()]
    expect(len(set(uids)) == len(uids), f"two dashboards have the same uid: {uids}")
    for name, board in boards.items():
        check_dashboard(name, board)
    return boards


# --- what runs


def start(stack, name, folder, command, url, places=None):
    """Starts a program that ends with this check, and waits until it answers at `url`. What it says is shown if it
    ends before."""
    log = open(f"{folder}/{name}.log", "w+")
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, **(places or {})},
    )
    stack.callback(stop, process)

    def answers():
        if process.poll() is not None:
            log.seek(0)
            sys.exit(f"{name} ended with {process.returncode}:\n{log.read()[-3000:]}")
        return get(url) is not None

    wait_for(name, answers)


def get(url):
    """The answer of a URL, read to its end. None while nothing answers well."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()
    except urllib.error.URLError:
        return None


def on_own_ports(path, folder, rename=()):
    """A copy of a configuration that listens on loopback, at ports of its own; and those, by what they were."""
    text, ports = path.read_text(), {}

    def own(match):
        ports.setdefault(match[1], free_port())
        return f"127.0.0.1:{ports[match[1]]}"

    text = re.sub(r"0\.0\.0\.0:(\d+)", own, text)
    for old, new in rename:
        text = text.replace(old, new)
    copy = pathlib.Path(folder, path.name)
    copy.write_text(text)
    return copy, ports


def start_jaeger(stack, folder, jaeger, prometheus_port):
    """Jaeger, and before it the collector; where spans go in, where span metrics and Jaeger's answers come out."""
    # In place of the collector's image: Jaeger's program is built of the same parts. Only the health check is
    # another one, with the same settings.
    collector, into = on_own_ports(DEPLOY / "collector.yaml", folder, [("health_check", "healthcheckv2")])
    store, behind = on_own_ports(DEPLOY / "jaeger.yaml", folder)
    # Seconds count here, and both would serve their own metrics at one port.
    quick = [
        "--set=connectors.spanmetrics.metrics_flush_interval=1s",
        "--set=service.telemetry.metrics.level=none",
    ]
    places = {
        "PROMETHEUS_URL": f"http://127.0.0.1:{prometheus_port}",
        "JAEGER_ADDRESS": f"127.0.0.1:{behind['4317']}",
    }
    for name, file, health in [
        ("jaeger", store, f"{behind['13133']}/status"),
        ("collector", collector, f"{into['13133']}/"),
    ]:
        start(stack, name, folder, [jaeger, "--config", file, *quick], f"http://127.0.0.1:{health}", places)
    return f"http://127.0.0.1:{into['4318']}", into["8889"], f"http://127.0.0.1:{behind['16686']}"


class Prometheus:
    """Prometheus with the project's rules, on a running chain: found without DNS, and scraped every two seconds."""

    def __init__(self, stack, folder, program, port, services, span_metrics):
        targets = [
            {"targets": [addresses["admin"]], "labels": {"service": re.sub(r"-\d+$", "", name)}}
            for name, addresses in services.items()
        ]
        # JSON is YAML too.
        configuration = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
            "rule_files": [str(path) for path in RULES],
            "scrape_configs": [
                {
                    "job_name": "nines",
                    "static_configs": targets,
                    "metric_relabel_configs": [{"regex": "otel_scope_name", "action": "labeldrop"}],
                },
                {"job_name": "spans", "static_configs": [{"targets": [f"127.0.0.1:{span_metrics}"]}]},
            ],
        }
        file = pathlib.Path(folder, "prometheus.yml")
        file.write_text(json.dumps(configuration))
        self.url = f"http://127.0.0.1:{port}"
        own = [
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        start(stack, "prometheus", folder, [program, *own], f"{self.url}/-/ready")
        # Nothing is compared before all of them have been read once.
        wait_for("scrapes", lambda: self.ask('count(up{service!=""} == 1)') == [({}, len(services))])

    def get(self, path, **arguments):
        query = urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error")) from error

    def ask(self, expression):
        """The series that an expression gives now: labels and value."""
        found = self.get("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def counts(self, metric, label):
        """Sums of raw counters, by the values of a label; also of a service that was too busy at the last scrape."""
        found = self.ask(f"sum by ({label}) (last_over_time({metric}[1m]))")
        return {labels[label]: round(value) for labels, value in found}


# --- what is asked


def check_answers(prometheus, where, expression):
    """Something comes back, and not only NaN."""

    def wrong():
        try:
            values = [value for _, value in prometheus.ask(expression)]
        except ValueError as error:
            yield f"{where}: {expression}: {error}"
            return
        if all(math.isnan(value) for value in values):
            yield f"{where}: {expression}: {'only NaN' if values else 'nothing'} comes back"

    expect_soon(wrong)


def fill_in(expression):
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def check_queries(prometheus, boards):
    asked = 0
    for name, board in boards.items():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                check_answers(prometheus, f"{name}, {panel['title']!r}", fill_in(target["expr"]))
                asked += 1
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()
                check_answers(prometheus, f"{name}, ${variable['name']}", f"group by ({label}) ({metric})")
                asked += 1
    return asked


def check_rules_live(prometheus):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    for rule in rules:
        expect(rule["health"] == "ok", f"rule {rule['name']}: {rule['health']}: {rule.get('lastError')}")
        if rule["type"] == "recording":
            check_answers(prometheus, "recorded", rule["name"])
        else:
            # An alert that does not fire gives nothing; what it looks at must be there all the same.
            for metric, matchers in SELECTOR.findall(rule["query"]):
                check_answers(prometheus, f"alert {rule['name']}", metric + matchers)
    return rules


def check_shares(prometheus):
    """No share has ever been below 0 or above 1, or no number, while the load changed."""
    name = ".*(availability|quality).*"
    recorded = prometheus.get("query", query=f'{{__name__=~"{name}"}}[1h]')["result"]
    for series in recorded:
        wrong = [value for _, value in series["values"] if not 0 <= float(value) <= 1]
        expect(not wrong, f"{series['metric']}: {wrong[:5]}, {len(wrong)} of {len(series['values'])} values")
    expect(recorded, f"no recorded rule is called {name}")


def check_names(promtool, services):
    """What each service shows is named and described as Prometheus advises."""
    for name, addresses in services.items():
        metrics = get(f"http://{addresses['admin']}/metrics")
        done = subprocess.run([promtool, "check", "metrics"], input=metrics, capture_output=True, check=False)
        expect(done.returncode == 0, f"promtool check metrics, {name}:\n{(done.stdout + done.stderr).decode()}")


def check_words(prometheus, rules):
    """The README tells every metric, rule and alert, and the place that an alert points to is there."""
    text = README.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    names = [labels["__name__"] for labels, _ in prometheus.ask('count by (__name__) ({job="nines", service!=""})')]
    ours = [re.sub(r"_(bucket|sum|count)$", "", name) for name in names if re.match(r"nines_|http_|process_", name)]
    for name in {*ours, *(rule["name"] for rule in rules)}:
        expect(f"`{name}`" in text, f"{README.name}: says nothing of {name}")
    for rule in rules:
        if rule["type"] == "alerting":
            file, _, anchor = rule["annotations"]["runbook"].partition("#")
            expect(ROOT / file == README, f"alert {rule['name']}: its runbook {file} is not {README.name}")
            expect(anchor in headings, f"alert {rule['name']}: {README.name} has no heading for #{anchor}")


def load(nines, chain, arguments):
    """What the load generator counted."""
    done = subprocess.run(
        [nines, "load", f"{chain.edge}/v1/me", "--json", *arguments],
        env={**os.environ, "NINES_TOKEN": chain.token},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"nines load ended with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def spread(chain):
    """Has the gateway spread its calls over replicas, and eject some: with a standby there is no ejection."""
    url = f"http://{chain.services['gateway']['admin']}/policy"
    policy = json.loads(get(url))
    policy["balance"]["pick"] = "random"
    headers = {"authorization": f"Bearer {chain.admin_token}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(policy).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


def settled(prometheus):
    """The counts, once every request has its span and no more come: what was counted last has been scraped, and sent."""
    last = [None]

    def same():
        before, last[0] = last[0], counts_of(prometheus)
        time.sleep(3)
        return last[0] == before and not list(spanless(before))

    wait_for("an end of counting", same)
    return last[0]


# What an attempt ends with that may never have arrived.
UNANSWERED = "cancelled|timeout|refused|reset|lost"


def counts_of(prometheus):
    """Raw counters. Not increase(), which extrapolates to the edges of its window, and which does not see the
    first count of a series."""
    spans = 'traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER"}'
    return {
        "edge": prometheus.counts('nines_requests_total{service="gateway"}', "outcome"),
        "requests": prometheus.counts("nines_requests_total", "service"),
        "spans": prometheus.counts(spans, "service_name"),
        "attempts": prometheus.counts("nines_attempts_total", "peer"),
        "answered": prometheus.counts(f'nines_attempts_total{{cause!~"{UNANSWERED}"}}', "peer"),
    }


def spanless(counts):
    """The services that have counted more or less requests than there are spans of."""
    for service, requests in counts["requests"].items():
        spans = counts["spans"].get(service, 0)
        if requests != spans:
            yield f"{service} counted {requests} requests, and Prometheus has {spans} spans of them"


def at_the_edge(counts, before):
    """The requests of the load: those before it left out."""
    return {outcome: counts["edge"].get(outcome, 0) - before.get(outcome, 0) for outcome in ("ok", "degraded", "failed")}


def check_counts(prometheus, before, generated):
    """Everybody agrees to the request, once everything has been scraped, and sent. Gives what the edge counted."""
    counts = {}

    def wrong():
        counts.update(counts_of(prometheus))
        return disagreements(counts, before, generated)

    expect_soon(wrong)
    return at_the_edge(counts, before)


def disagreements(counts, before, generated):
    """Where the edge does not agree with the load generator, a service with its spans, or the requests of a hop with
    the attempts of its callers. Between two numbers only where somebody gave up waiting, which nobody does on a
    machine that is not too busy, but for hedges."""
    unanswered = sum(run["generator"]["counts"]["offered"] - sum(run["statuses"].values()) for run in generated)
    for outcome, count in at_the_edge(counts, before).items():
        told = sum(run["generator"]["counts"][outcome] for run in generated)
        # Who gave up waiting has failed, whatever became of the request.
        least, most = (told - unanswered, told) if outcome == "failed" else (told, told + unanswered)
        if not least <= count <= most:
            yield (
                f"Prometheus counted {count} {outcome} at the edge, the load generator {told}; "
                f"{unanswered} of all had no answer"
            )
    yield from spanless(counts)
    for service, requests in counts["requests"].items():
        least, most = counts["answered"].get(service, 0), counts["attempts"].get(service, 0)
        if service != "gateway" and not least <= requests <= most:
            yield f"{service} counted {requests} requests; its callers {most} attempts, of which {least} had an answer"


def unseen(url):
    """What Jaeger's Monitor tab does not show: Jaeger has it from Prometheus, which has it from the collector."""
    minute = 60_000
    for what in ("calls", "errors", "latencies"):
        arguments = {"service": "gateway", "spanKind": "server", "lookback": minute, "step": 5_000, "ratePer": minute}
        if what == "latencies":
            arguments["quantile"] = 0.99
        answer = get(f"{url}/api/metrics/{what}?{urllib.parse.urlencode(arguments)}")
        points = [
            point["gaugeValue"]["doubleValue"]
            for metric in json.loads(answer or "{}").get("metrics", [])
            for point in metric["metricPoints"]
        ]
        good = [value for value in points if value != "NaN" and float(value) > 0]
        if not good:
            yield f"Jaeger's /api/metrics/{what} of the gateway: {(answer or b'nothing')[:300]}"
    traces = json.loads(get(f"{url}/api/traces?service=gateway&limit=1") or "{}").get("data")
    if not traces:
        yield "Jaeger has no trace of the gateway"


def silent_alerts(prometheus):
    """So much was lost that users are not kept waiting for somebody to be told."""
    firing = {one["labels"]["alertname"] for one in prometheus.get("alerts")["alerts"] if one["state"] == "firing"}
    for name in ("NinesErrorBudgetBurnsAtOnce", "NinesErrorBudgetBurnsFast", "NinesErrorBudgetBurnsSlowly"):
        if name not in firing:
            yield f"{name} does not fire; those that do: {firing}"
    if "NinesMetricsAbsent" in firing:
        yield "NinesMetricsAbsent fires, and all metrics are there"


def main():
    nines = os.path.abspath(sys.argv[1])
    end_on_signals()
    began = time.monotonic()
    check_rules(tool("promtool"))
    boards = check_dashboards()
    tell()
    print(f"{len(RULES)} files of rules, {len(TESTS)} of tests, {len(boards)} dashboards read", flush=True)
    program, jaeger = tool("prometheus"), tool("jaeger")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        port = free_port()
        otlp, span_metrics, traces = start_jaeger(stack, folder, jaeger, port)
        chain = stack.enter_context(Chain(nines, ROOT / ".ci" / "metrics.toml", "--otlp", otlp))
        prometheus = Prometheus(stack, folder, program, port, chain.services, span_metrics)
        before = settled(prometheus)["edge"]
        print(f"everything is up after {time.monotonic() - began:.0f} s", flush=True)
        generated = [load(nines, chain, arguments) for arguments in (STEADY, BURST)]
        spread(chain)
        generated.append(load(nines, chain, STEADY))
        asked = check_queries(prometheus, boards)
        rules = check_rules_live(prometheus)
        check_shares(prometheus)
        check_names(tool("promtool"), chain.services)
        expect_soon(lambda: silent_alerts(prometheus))
        expect_soon(lambda: unseen(traces))
        sums = check_counts(prometheus, before, generated)
        check_words(prometheus, rules)
    tell()
    print(
        f"{asked} queries of dashboards and {len(rules)} rules answered; generator, metrics and spans agree: {sums}; "
        f"{time.monotonic() - began:.0f} s"
    )


main()
