"""What the checks share: tools that may be missing, and a chain that is kept running."""

import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# How long something is waited for that is not measured by it: on a host that is busy everything may take long, and
# where it does not, patience costs nothing.
PATIENCE_S = 120
ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = ROOT / "target" / "tools" / "bin"


def skip_or_fail(what, remedy):
    """Ends the check: without a real part it says nothing. Where CI requires it, that is a failure."""
    if os.environ.get("CI") == "true":
        sys.exit(f"missing: {what}, which CI requires; {remedy}")
    print(f"skipped: {what} is missing; {remedy}")
    sys.exit(0)


def tool(name, remedy=None):
    """The path of a program: the pinned one if it is there, otherwise this machine's."""
    pinned = TOOLS / name
    found = str(pinned) if pinned.exists() else shutil.which(name)
    if found is None:
        skip_or_fail(name, remedy or "deploy/tools installs it")
    return found


def need_namespaces(*kinds):
    """Ends the check where it may not make namespaces of these kinds: right away, and not after minutes of building."""
    for kind in kinds:
        tried = subprocess.run(["unshare", f"--{kind}", "--fork", "true"], capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            remedy = "run it as root, and in a container only with CAP_SYS_ADMIN (docker run --privileged)"
            skip_or_fail(f"the right to make a {kind} namespace ({tried.stderr.strip()})", remedy)


def free_port():
    """A port of this machine that nobody listens at now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def end_on_signals():
    """Makes SIGTERM an exception, so that whatever was started is stopped then too."""

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def wait_for(what, condition, seconds=PATIENCE_S):
    """Waits until `condition` gives something true, and gives that back."""
    end, why = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if result := condition():
                return result
        except OSError as error:
            why = f"; the last time: {error}"
        time.sleep(0.1)
    sys.exit(f"{what}: not within {seconds:.0f} s{why}")


def stop(process, seconds=PATIENCE_S):
    """Ends a process that this check started: asks first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Busy(Exception):
    """What may be the fault of the host, if that was too busy: requests that were lost, each of them to a time-out."""


# How often a step is repeated that was disturbed, before the check fails.
REPEATS = 2
_repeats = []
_repeating = False


def note_repeat(name, number, reason, limit=REPEATS):
    """Shows a repeat, and adds it to the file that NINES_REPEATS names, in which a whole build counts them."""
    line = f"repeated: {name} {number} of {limit}: {' '.join(str(reason).split())}"
    print(line, flush=True)
    if not _repeats:
        atexit.register(lambda: print(f"repeats in all: {len(_repeats)}", flush=True))
    _repeats.append(line)
    if file := os.environ.get("NINES_REPEATS"):
        with open(file, "a") as lines:
            lines.write(line + "\n")


def once_more(step, *arguments, name=None):
    """Carries a step out, and repeats it while the host disturbed it (`Busy`), at most twice. A failure is never
    repeated. This is the only level of repeats: a step that is repeated must not repeat a part of itself."""
    global _repeating
    if _repeating:
        raise RuntimeError("repeats within repeats multiply: keep one of them")
    name = name or f"{pathlib.Path(sys.argv[0]).stem} {step.__name__}"
    number, _repeating = 0, True
    try:
        while True:
            try:
                return step(*arguments)
            except Busy as busy:
                if number == REPEATS:
                    sys.exit(f"{name}: disturbed again after {REPEATS} repeats: {busy}")
                number += 1
                note_repeat(name, number, busy)
    finally:
        _repeating = False


class Chain:
    """A chain kept by `nines up`, and where it is."""

    def __init__(self, nines, scenario=None, *arguments):
        self.command = [str(pathlib.Path(nines).resolve()), "up", *([str(scenario)] if scenario else []), *arguments]

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        log = open(f"{self.folder.name}/up.log", "w+")
        self.process = subprocess.Popen(
            [*self.command, "--out", self.folder.name], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder.name
        )
        file = pathlib.Path(self.folder.name, "chain.json")

        def told():
            if self.process.poll() is not None:
                log.seek(0)
                sys.exit(f"nines up ended with {self.process.returncode}: {log.read()}")
            return file.exists() and file.read_text()

        try:
            running = json.loads(wait_for("nines up", told))
        except BaseException:
            self.__exit__()
            raise
        self.services = running["services"]
        self.edge = "http://" + self.services[running["edge"]]["public"]
        self.token, self.admin_token = running["user_token"], running["admin_token"]
        return self

    def __exit__(self, *_):
        stop(self.process)
        self.folder.cleanup()
