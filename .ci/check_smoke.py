"""Runs scenarios, and checks that all hold, and that verdicts, exit code and JUnit's XML go together.

    check_smoke.py NINES FOLDER SCENARIO...

A run that this host disturbed, or that missed its prediction, is made again by `nines run` itself, which counts it: here
nothing is made again. The report stays in FOLDER as `first`.
"""

import json
import pathlib
import subprocess
import sys
import xml.dom.minidom

nines, out, scenarios = sys.argv[1], pathlib.Path(sys.argv[2], "first"), sys.argv[3:]
ORDER = ["holds", "inconclusive", "fails"]
CODES = {"holds": 0, "fails": 1, "inconclusive": 4}

junit = out.with_suffix(".xml")
code = subprocess.run([nines, "run", *scenarios, "--out", out, "--junit", junit]).returncode
if code not in CODES.values():
    sys.exit(f"nines run {' '.join(scenarios)}: exit code {code}")
results = json.loads((out / "result.json").read_text())["scenarios"]
cases = len(xml.dom.minidom.parse(str(junit)).getElementsByTagName("testcase"))
if cases < len(results):
    sys.exit(f"{junit.name} has {cases} test cases for {len(results)} scenarios")
# A comparison counts as one scenario, by its worst.
verdicts = {}
for result in results:
    name = result["name"].split(".")[0]
    verdicts[name] = max(verdicts.get(name, "holds"), result["judgement"]["verdict"], key=ORDER.index)
if code != CODES[max(verdicts.values(), key=ORDER.index)]:
    sys.exit(f"exit code {code} does not go with the verdicts {verdicts}")
if len(verdicts) != len(scenarios):
    sys.exit(f"{len(scenarios)} scenarios were asked for, and {len(verdicts)} were run: {', '.join(verdicts)}")
again = {result["name"]: len(result["runs"]) - 1 for result in results if len(result["runs"]) > 1}
print(f"runs made again: {again or 'none'}")
bad = {name: verdict for name, verdict in verdicts.items() if verdict != "holds"}
if bad:
    sys.exit(f"not all hold: {bad}")
print(f"ok   {len(verdicts)} scenarios hold")
