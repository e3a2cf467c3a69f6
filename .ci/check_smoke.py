"""Runs scenarios, and those once more that a busy host spoilt.

    check_smoke.py NINES FOLDER SCENARIO...

A run says itself when this host was too busy to tell: `inconclusive`. Then it is made again, up to twice. A scenario
that fails is made again once: what is broken fails twice. All reports stay in FOLDER, that of the first runs as `first`.
"""

import json
import pathlib
import subprocess
import sys
import xml.dom.minidom

nines, folder, scenarios = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
ORDER = ["holds", "inconclusive", "fails"]
CODES = {"holds": 0, "fails": 1, "inconclusive": 4}


def run(names, out):
    """The verdicts by the names of the scenarios; a comparison counts as one, by its worst."""
    junit = out.with_suffix(".xml")
    code = subprocess.run([nines, "run", *names, "--out", out, "--junit", junit]).returncode
    if code not in CODES.values():
        sys.exit(f"nines run {' '.join(names)}: exit code {code}")
    results = json.loads((out / "result.json").read_text())["scenarios"]
    cases = len(xml.dom.minidom.parse(str(junit)).getElementsByTagName("testcase"))
    if cases < len(results):
        sys.exit(f"{junit.name} has {cases} test cases for {len(results)} scenarios")
    verdicts = {}
    for result in results:
        name = result["name"].split(".")[0]
        verdicts[name] = max(verdicts.get(name, "holds"), result["judgement"]["verdict"], key=ORDER.index)
    if code != CODES[max(verdicts.values(), key=ORDER.index)]:
        sys.exit(f"exit code {code} does not go with the verdicts {verdicts}")
    return verdicts


verdicts = run(scenarios, folder / "first")
if len(verdicts) != len(scenarios):
    sys.exit(f"{len(scenarios)} scenarios were asked for, and {len(verdicts)} were run: {', '.join(verdicts)}")
for name, verdict in verdicts.items():
    tries = {"holds": 0, "fails": 1, "inconclusive": 2}[verdict]
    for number in range(1, tries + 1):
        print(f"{name}: {verdict}; once more ({number} of at most {tries}), in case that this host was busy", flush=True)
        verdict = run([name], folder / f"{name}.{number}")[name]
        if verdict == "holds":
            break
    if verdict != "holds":
        sys.exit(f"{name}: {verdict}")
print(f"ok   {len(verdicts)} scenarios hold")
