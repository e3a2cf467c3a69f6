"""Runs the load tests with a real k6 against real chains: their exit codes, that k6 and the services count the same
requests, that faults are found out, and that a run without a request has no verdict. k6 is not part of Nines and is not
installed by it: the check is skipped where the machine has no k6 2.x.

Usage: check_k6.py [NINES] [--quick]

--quick: the proof of 99.99 % with a twentieth of its requests, which then proves less.
"""

import re
import shutil
import subprocess
import sys
import tempfile

import loadtest
import support
from loadtest_runner import ROOT, SCRIPTS, Runner, say

# What two cores carry, chain and k6 together: 120,000 requests in less than three minutes. And
# what they should carry even if they have something else to do.
PROOF_RATES, QUICK_RATES = [700, 350], [200, 100]
# The proof sends so many that 500 users would all be waiting after a pause of 0.7 s, which a busy machine makes now and
# then; these are after 2.9 s. They take 1.1 GB of memory.
PROOF_USERS = 2000


def installed():
    """The path of this machine's k6, if it is of major version 2. Never a failure: users bring k6 themselves."""
    path = shutil.which("k6")
    version = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout if path else ""
    if re.match(r"k6\S* v2\.", version):
        say(version.strip())
        return path
    why = f"{path} is {version.strip() or 'unknown'}" if path else "no k6 on PATH"
    print(f"skipped: no k6 2.x on PATH ({why}); loadtest/README.md says how to install it")
    print("         check_loadtest.py runs the same scripts under a stand-in")
    sys.exit(0)


def check_naive(k6):
    """Why the scripts guard themselves: k6 passes a share of nothing."""
    script = """
        import { Rate } from "k6/metrics";
        new Rate("availability");
        export const options = { thresholds: { availability: ["rate>=0.99"] } };
        export default function () {}
    """
    with tempfile.NamedTemporaryFile("w", suffix=".js") as file:
        file.write(script)
        file.flush()
        k6.run(file.name, {}, 0)
    say("  k6 passes rate>=0.99 without a request; the scripts may not")


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--quick"]
    nines = arguments[0] if arguments else ROOT / "target" / "release" / "nines"
    quick = len(arguments) < len(sys.argv) - 1
    support.end_on_signals()
    command = [installed(), "run", "--no-usage-report", "--quiet", "--address", ""]
    k6 = Runner("k6", command, SCRIPTS, ".ts", users=500, rate=100, seconds=4, pause=5)
    check_naive(k6)
    loadtest.check_scripts(k6, nines)
    loadtest.check_window(k6, nines)
    loadtest.check_token(k6, nines)
    loadtest.check_proof(k6, nines, *((6_000, QUICK_RATES) if quick else (120_000, PROOF_RATES)), PROOF_USERS)


main()
