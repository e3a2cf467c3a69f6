"""Reads what the demo left behind and checks its numbers against the textbook."""

import json
import pathlib
import sys

out = pathlib.Path(sys.argv[1])
results = {s["name"]: s for s in json.loads((out / "result.json").read_text())["scenarios"]}


def check(what, holds):
    print(("ok   " if holds else "FAIL ") + what)
    if not holds:
        sys.exit(1)


def near(value, expected, tolerance):
    return abs(value - expected) <= tolerance


for name, scenario in results.items():
    run = scenario["runs"][0]
    counts = run["generator"]["counts"]
    check(f"{name}: verdict holds", scenario["judgement"]["verdict"] == "holds")
    check(
        f"{name}: {counts['offered']} offered = ok + degraded + failed",
        counts["offered"] == counts["ok"] + counts["degraded"] + counts["failed"]
        and counts["failed"] == sum(counts["failed_by_cause"].values()),
    )
    lines = run["accounting"]["lines"]
    agree = all(line["left"]["count"] == line["right"]["count"] for line in lines)
    check(f"{name}: generator, metrics and spans agree on {len(lines)} counts", lines and agree)
    spans = out / f"{name}.spans.jsonl"
    traces = [json.loads(line) for line in spans.read_text().splitlines()]
    check(f"{name}: {len(traces)} lines of spans", traces and all("resourceSpans" in t for t in traces))

a1, a2, a5 = results["a1-four-in-series"], results["a2-a-fifth-service"], results["a5-relay-chain"]
check("A1: predicted 96.0596 %", near(a1["prediction"]["availability"], 0.99**4, 1e-12))
check("A2: predicted 95.0990 %", near(a2["prediction"]["availability"], 0.99**5, 1e-12))
stairs = [hop["cumulative"] for hop in a1["prediction"]["hops"]]
check("A1: the staircase", all(near(s, 0.99 ** (i + 1), 1e-12) for i, s in enumerate(stairs)))
check("A1: at least 20,000 requests", a1["runs"][0]["generator"]["counts"]["offered"] >= 20_000)
check("A5: every depth from 1 to 12", [d["hops"] for d in a5["prediction"]["depths"]] == list(range(1, 13)))
naive, bounded = results["r1-dead-database-naive"], results["r1-dead-database-deadline"]
stuck = [r["runs"][0]["analysis"]["root"]["max_concurrency"] for r in (naive, bounded)]
check(f"R1: {stuck[0]} requests stuck without limits, {stuck[1]} with them", stuck[0] > 5 * stuck[1])
