"""Checks the scripts of loadtest/ without k6: their types, their pure parts under Node.js, and whole scripts against
real chains under a stand-in for k6 (loadtest/test/k6-stand-in). check_k6.py does the last with k6 itself.

Usage: check_loadtest.py [NINES]
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import loadtest
import support
from loadtest_runner import ROOT, SCRIPTS, Runner, beside, demand, say

PACKAGES = ROOT / "target" / "tools" / "node" / "node_modules"
TYPESCRIPT = "deploy/tools typescript installs it"
# The least version of Node.js that runs the tests, which are compiled to ES2022 modules.
NODE = 20
STAND_IN = "test/k6-stand-in"
# Each user that is busy is a thread. At this rate, a few are; a busy machine may pause for two seconds before there are
# too few of them.
USERS, RATE, SECONDS, PAUSE = 40, 20, 2, 4
PROOF_REQUESTS, PROOF_RATES, PROOF_USERS = 1_000, [80, 40], 80


def node():
    """The path of Node.js."""
    path = shutil.which("node")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout if path else ""
    found = re.match(r"v(\d+)", version)
    if not found or int(found[1]) < NODE:
        support.skip_or_fail(f"Node.js {NODE} or later", "install it")
    return path


def check_versions():
    """The compiler and the types are those that package.json names for editors."""
    for name, version in json.loads((SCRIPTS / "package.json").read_text())["devDependencies"].items():
        package = PACKAGES / name / "package.json"
        if not package.exists():
            support.skip_or_fail(f"the package {name}", TYPESCRIPT)
        installed = json.loads(package.read_text())["version"]
        demand(installed == version, f"{name} {version} is the one installed")


def compiled(tsc, project, **options):
    """Compiles one of our TypeScript projects, strictly, with the packages that deploy/tools has installed."""
    types = PACKAGES / "@types"
    options |= {"typeRoots": [f"{types}"], "paths": {"k6": [f"{types}/k6"], "k6/*": [f"{types}/k6/*"]}}
    own = json.loads((project / "tsconfig.json").read_text())
    include = [os.path.normpath(project / pattern) for pattern in own["include"]]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"extends": str(project / "tsconfig.json"), "compilerOptions": options, "include": include}, file)
        file.flush()
        code = subprocess.run([tsc, "--project", file.name], check=False, timeout=600).returncode
    demand(code == 0, f"the types of {project.relative_to(ROOT)} are right")


def build(tsc, out):
    """Compiles scripts and tests, and puts the stand-in where their imports of k6 lead."""
    compiled(tsc, SCRIPTS / "test", outDir=str(out))
    (out / "package.json").write_text(json.dumps({"type": "module"}))
    shutil.copy(SCRIPTS / STAND_IN / "package.json", out / STAND_IN)
    (out / "node_modules").mkdir()
    (out / "node_modules" / "k6").symlink_to(out / STAND_IN)


def check_units(node, out):
    """The tests of the scripts' parts."""
    tests = sorted(str(file) for file in (out / "test").glob("*.test.js"))
    code = subprocess.run([node, "--test", "--test-reporter=dot", *tests], check=False, timeout=600).returncode
    demand(code == 0 and len(tests) > 0, f"the tests of {len(tests)} files pass")


def check_runs(node, out, nines):
    """Whole scripts, each part with a chain of its own, beside each other."""
    command = [node, str(out / STAND_IN / "run.js")]
    runner = Runner("the stand-in", command, out, ".js", users=USERS, rate=RATE, seconds=SECONDS, pause=PAUSE)
    beside(
        lambda: loadtest.check_scripts(runner, nines),
        lambda: loadtest.check_window(runner, nines),
        lambda: loadtest.check_token(runner, nines),
        lambda: loadtest.check_proof(runner, nines, PROOF_REQUESTS, PROOF_RATES, PROOF_USERS),
    )


def main():
    nines = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "target" / "release" / "nines"
    support.end_on_signals()
    start = time.monotonic()
    program, tsc = node(), support.tool("tsc", TYPESCRIPT)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        check_versions()
        compiled(tsc, SCRIPTS)
        build(tsc, out)
        check_units(program, out)
        check_runs(program, out, nines)
    say(f"all of it in {time.monotonic() - start:.0f} s")


main()
