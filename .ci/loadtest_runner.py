"""What the checks of loadtest/ share: a program that runs the scripts, and a chain that they call."""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

import support

ROOT = support.ROOT
SCRIPTS = ROOT / "loadtest"
# A busy machine delays answers; this long, in seconds, no answer is given up.
PATIENCE = 20
# A machine that has something else to do carries less than it could.
TRIES = 3


@dataclasses.dataclass
class Runner:
    """A program that runs the scripts, and how much load it is given."""

    name: str
    # Its command line, without the script.
    command: list
    # Where it finds the scripts, in the language that it reads: ".ts" or ".js".
    folder: pathlib.Path
    suffix: str
    # Virtual users: enough of them that no request is dropped while a busy machine pauses.
    users: int
    # Requests per second and seconds, for the scripts that take both.
    rate: int
    seconds: float
    # The pause in which fault-window.ts changes the faults, in seconds. A change may take half of it.
    pause: float

    def script(self, name):
        """The path of one of our scripts."""
        return self.folder / f"{name}{self.suffix}"

    def short(self):
        """The settings of a short run."""
        return {"NINES_RATE": self.rate, "NINES_SECONDS": self.seconds}

    @contextlib.contextmanager
    def variant(self, name, default):
        """One of our scripts whose iterations do something else; gives its path."""
        with tempfile.NamedTemporaryFile("w", suffix=self.suffix, dir=self.variants()) as file:
            script = self.script(name)
            file.write(f'import original from "{script}";\nexport * from "{script}";\nexport default {default};\n')
            file.flush()
            yield file.name

    def variants(self):
        """Where scripts are written: the stand-in's modules are found from its own folder only."""
        return self.folder if self.suffix == ".js" else None

    def started(self, script, settings):
        """Starts a script."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NINES_", "K6_"))}
        kept |= {name: str(value) for name, value in settings.items()}
        return subprocess.Popen(
            [*self.command, str(script)],
            env=kept | {"K6_AUTO_EXTENSION_RESOLUTION": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script, settings, wanted=0, seconds=1800):
        """Runs a script to its end and gives what it printed; its exit code must be the wanted one."""
        code, printed = self.ended(script, settings, seconds)
        if code != wanted:
            sys.exit(f"{script}: exit code {code}, not {wanted}\n{printed}")
        return printed

    def ended(self, script, settings, seconds=1800):
        """Runs a script to its end; gives its exit code and what it printed."""
        return self.all_ended([(script, settings)], seconds)[0]

    def all_ended(self, runs, seconds=1800):
        """Runs some scripts with their settings at the same time; gives their exit codes and what they printed."""
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(stopped(self.started(script, settings))) for script, settings in runs]
            printed = [process.communicate(timeout=seconds)[0] for process in processes]
        # k6 quotes its messages once more.
        return [(process.returncode, text.replace('\\"', '"')) for process, text in zip(processes, printed)]

    def summarized(self, script, settings, wanted=0, tries=TRIES, before=lambda: None):
        """Runs a script and gives its summary; its exit code must be the wanted one, unless that is None.

        Runs it again if this machine was too busy to do in time what the script demands; calls `before` each time.
        """
        for left in reversed(range(tries)):
            before()
            with tempfile.NamedTemporaryFile(suffix=".json") as file:
                code, printed = self.ended(script, settings | {"NINES_SUMMARY": file.name})
                # k6 warns of each request without an answer; the summary counts them.
                say("\n".join(line for line in printed.splitlines() if "Request Failed" not in line))
                text = file.read()
            summary = json.loads(text) if text else {"broken": []}
            if left == 0 or not is_late(summary):
                break
            say("  this machine was too busy to send every request in time; once more")
        if wanted not in (None, code) or not text:
            sys.exit(f"{script}: exit code {code}, not {wanted}\n{printed}")
        return summary


def is_late(summary):
    """Whether a run broke a threshold that only a busy machine breaks."""
    late = re.compile(r"(dropped_iterations|changes_in_time).*|requests.*: count>=\d+")
    return any(late.fullmatch(rule) for rule in summary["broken"])


@contextlib.contextmanager
def stopped(process):
    """A process that is stopped in the end, whatever happens."""
    try:
        yield process
    finally:
        support.stop(process)


_printed = threading.local()


def say(text):
    """Prints a line; in a part that runs beside others, once that has ended."""
    if hasattr(_printed, "lines"):
        _printed.lines.append(text)
    else:
        print(text, flush=True)


def beside(*parts):
    """Runs some functions at the same time, and prints what each says when it has ended; ends with their failures."""

    def run(part):
        _printed.lines = []
        try:
            part()
            return None
        except SystemExit as failure:
            return str(failure)
        finally:
            print("\n".join(_printed.lines), flush=True)

    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        failures = [failure for failure in pool.map(run, parts) if failure is not None]
    if failures:
        sys.exit("\n".join(failures))


def demand(holds, text):
    """A fact that must hold; prints it."""
    if not holds:
        raise SystemExit(f"does not hold: {text}")
    say(f"  {text}")


class Chain(support.Chain):
    """A chain, also one whose gateway has replicas."""

    def of(self, service, listener):
        """The addresses of a service's replicas, with commas between them."""
        found = [at[listener] for name, at in self.services.items() if re.fullmatch(rf"{service}(-\d+)?", name)]
        return ",".join(f"http://{address}" for address in found)

    def settings(self, runner):
        """What every script needs to know of it; the scripts log in."""
        edges = self.of("gateway", "public")
        return {"NINES_URL": edges, "NINES_VUS": runner.users, "NINES_TIMEOUT": PATIENCE}

    def with_token(self, runner):
        """The same, with a token instead of a login."""
        return self.settings(runner) | {"NINES_TOKEN": self.token}

    def faults(self, service):
        """The faults in force at a service."""
        with urllib.request.urlopen(f"{self.of(service, 'admin')}/faults", timeout=60) as answer:
            return json.load(answer)["faults"]

    def put(self, service, path, document):
        """Replaces faults, policy or replicas at a service."""
        headers = {"authorization": f"Bearer {self.admin_token}", "content-type": "application/json"}
        url = f"{self.of(service, 'admin')}/{path}"
        request = urllib.request.Request(url, json.dumps(document).encode(), headers, method="PUT")
        urllib.request.urlopen(request, timeout=60).close()

    def counted(self, name, **labels):
        """The sum of a counter over all gateways and over the labels that are not given."""
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
        """What the gateways have counted so far, once no request is under way."""
        support.wait_for("gateways without a request", lambda: self.counted("http_server_active_requests") == 0)
        outcomes, peers = ("ok", "degraded", "failed"), ("auth", "profile", "database")
        count = {outcome: self.counted("nines_requests_total", outcome=outcome) for outcome in outcomes}
        return count | {peer: self.counted("nines_calls_total", peer=peer) for peer in peers}
