"""Starts each service for real and lets schemathesis, a property-based tester of APIs, look
for answers that contradict its description, for good requests that are refused and bad ones
that are accepted, and for failures. Any finding fails.

Usage: check_api.py [--examples N] NINES SCHEMATHESIS [SERVICE ...]
"""

import argparse
import contextlib
import glob
import json
import os
import pathlib
import pwd
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVICES = ["audit", "database", "profile", "auth", "relay", "gateway"]
SEED = "42"


class Service:
    """A running service; it stops when its standard input is closed."""

    def __init__(self, nines, name, arguments, store):
        self.name = name
        environment = {
            **os.environ,
            "NINES_LISTEN": "127.0.0.1:0",
            "NINES_ADMIN": "127.0.0.1:0",
            "NINES_LOG": "error",
        }
        if name not in ("gateway", "relay"):
            environment["NINES_STORE"] = store
        self.process = subprocess.Popen(
            [nines, "serve", name, "--supervised", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        addresses = json.loads(self.process.stdout.readline())
        self.public = f"http://{addresses['public']}"
        self.admin = f"http://{addresses['admin']}"

    def stop(self):
        self.process.stdin.close()
        if (code := self.process.wait(timeout=120)) != 0:
            raise RuntimeError(f"{self.name} ended with exit code {code}")


class Postgres:
    """A server of its own in a temporary folder, reached by a Unix socket."""

    def __init__(self, folder):
        self.folder = f"{folder}/postgres"
        os.mkdir(self.folder)
        self.user = {}
        if os.geteuid() == 0:
            # PostgreSQL refuses to be run by root.
            owner = pwd.getpwnam("postgres")
            os.chmod(folder, 0o755)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.run("initdb", "-D", "data", "-U", "nines", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses= -c fsync=off -k {self.folder}"
        self.run("pg_ctl", "-D", "data", "-l", "log", "-w", "-t", "300", "-o", options, "start")

    def run(self, program, *arguments):
        subprocess.run(
            [f"{self.programs}/{program}", *arguments],
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **self.user,
        )

    def database(self, name):
        self.run("createdb", "-h", self.folder, "-U", "nines", name)
        return f"postgres:///{name}?host={self.folder}&user=nines"

    def stop(self):
        self.run("pg_ctl", "-D", "data", "-m", "immediate", "stop")


def arguments_of(name, running):
    """The arguments of a service whose callees are running."""
    calls = {
        "gateway": ["auth", "profile", "database", "audit"],
        "database": ["audit"],
    }.get(name, [])
    arguments = [f"--{callee}={running[callee].public}" for callee in calls]
    if name in ("auth", "profile", "database"):
        arguments.append("--seed-users=2")
    if name == "auth":
        # The tester logs in more often than anybody may.
        arguments += ["--logins-per-account=none", "--logins-per-address=none"]
        arguments.append("--grant=user-2=auditor")
    return arguments


def bearer(gateway):
    """A header with a new token of a user with a role, so that every route can be reached."""
    body = json.dumps({"username": "user-2", "password": "password-2"}).encode()
    request = urllib.request.Request(
        f"{gateway.public}/v1/login", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return f"Authorization: Bearer {json.load(answer)['token']}"


def check(options, name, service, folder):
    """Whether schemathesis finds nothing."""
    if name != "gateway":
        return run(options, name, service, folder)
    # A token does not survive a logout, so that has its turn last, with one of its own.
    logout = "/v1/logout"
    return all(
        run(options, name, service, folder, which, logout, "--header", bearer(service))
        for which in ("--exclude-path", "--include-path")
    )


def run(options, name, service, folder, *besides):
    """One run over the routes of a service; whether it found nothing."""
    home = ROOT / ("gateway" if name == "gateway" else f"services/{name}")
    command = [options.schemathesis, "--no-color"]
    if (config := home / "schemathesis.toml").exists():
        command += ["--config-file", str(config)]
    command += ["run", f"{service.admin}/openapi.json", "--url", service.public]
    # All checks are on unless the configuration says otherwise, and why.
    command += ["--max-examples", str(options.examples), "--seed", SEED, *besides]
    # On a host that is busy, making examples is slow, and so are answers: neither is a finding.
    command += ["--suppress-health-check", "too_slow", "--request-timeout", "60"]
    return subprocess.run(command, cwd=folder, timeout=3600, check=False).returncode == 0


def check_all(options, engine, store, folder):
    """Starts the services on one engine and checks those wanted; those with findings."""
    bad = []
    with contextlib.ExitStack() as stack:
        running = {}
        for name in SERVICES:
            running[name] = Service(options.nines, name, arguments_of(name, running), store(name))
            # Callers stop before those that they call.
            stack.callback(running[name].stop)
        for name in options.services or SERVICES:
            print(f"\n--- {name} on {engine}", flush=True)
            if not check(options, name, running[name], folder):
                bad.append(f"{name} on {engine}")
    return bad


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--examples", metavar="N", type=int, default=25, help="requests made up for each route")
    # The programs are run from another folder.
    options.add_argument("nines", metavar="NINES", type=os.path.abspath)
    options.add_argument("schemathesis", metavar="SCHEMATHESIS", type=os.path.abspath)
    options.add_argument("services", metavar="SERVICE", nargs="*")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        postgres = Postgres(folder)
        stack.callback(postgres.stop)
        bad = []
        for engine, store in [
            ("SQLite", lambda name: f"sqlite:{folder}/{name}.db"),
            ("PostgreSQL", postgres.database),
        ]:
            bad += check_all(options, engine, store, folder)
    if bad:
        sys.exit(f"schemathesis found something in: {', '.join(bad)}")


main()
