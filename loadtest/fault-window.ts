/**
 * What do users notice of a fault, and does it end with it? Load in three phases: before,
 * during and after a fault that this script puts in force at one service and takes back again,
 * whatever happens: also when the run is stopped.
 *
 * Requests pause for a moment around each change, so that each belongs to one phase. Before
 * and after, all must be answered; during it as many as predicted: without any remedy the
 * share that the fault spares. What a chain with remedies should come to, NINES_PREDICTED says.
 */

import exec from "k6/execution";
import { Counter } from "k6/metrics";
import type { Options } from "k6/options";
import { type FaultSet, add, look, put } from "./lib/faults.ts";
import { open, planned } from "./lib/load.ts";
import { read, settle } from "./lib/page.ts";
import { trendStats } from "./lib/percentiles.ts";
import { number, share, text, whole } from "./lib/settings.ts";
import { expected } from "./lib/statistics.ts";
import { type Data, availability, hops, latency, overall, report } from "./lib/summary.ts";
import { EDGES, type Target, arrive } from "./lib/target.ts";
import * as thresholds from "./lib/thresholds.ts";
import { interval, percent, spread, table } from "./lib/words.ts";

const RATE = whole("NINES_RATE", 100, 1, 10_000);
const SECONDS = number("NINES_SECONDS", 20, 1, 3600);
const PAUSE = number("NINES_PAUSE", 1, 0.5, 60);
const KIND = text("NINES_FAULT_KIND", "error, hang or reset", "error");
const PROBABILITY = share("NINES_FAULT_PROBABILITY", 0.2);
const FULL = share("NINES_AVAILABILITY", 1);
const PREDICTED = share("NINES_PREDICTED", FULL * (1 - PROBABILITY));

const PHASES = ["before", "during", "after"];
const requests = planned(RATE, SECONDS);
const bounds = expected(PREDICTED, requests);
/** Changes of the faults that were over before the next phase: one sets the fault, one removes it. */
const changesInTime = new Counter("changes_in_time");

const phase = (number: number) => open(RATE, SECONDS, { startTime: `${number * (SECONDS + PAUSE)}s` });
/** Once, in the middle of the pause after so many phases. */
const once = (name: string, phases: number) => ({
  executor: "per-vu-iterations" as const,
  exec: name,
  vus: 1,
  iterations: 1,
  startTime: `${phases * (SECONDS + PAUSE) - PAUSE * 0.75}s`,
});

export const options: Options = {
  scenarios: {
    before: phase(0),
    inject: once("inject", 1),
    during: phase(1),
    restore: once("restore", 2),
    after: phase(2),
  },
  thresholds: thresholds.rules(
    thresholds.asked(...PHASES.map((name) => `latency{scenario:${name}}`)),
    thresholds.answered(FULL, requests, "before"),
    thresholds.answered(bounds.low, requests, "during"),
    thresholds.answered(FULL, requests, "after"),
    { "availability{scenario:during}": [`rate<=${bounds.high}`], changes_in_time: ["count==2"] },
  ),
  summaryTrendStats: trendStats,
};

interface Ready extends Target {
  faults: FaultSet[];
}

export function setup(): Ready {
  const faults = look();
  put(faults);
  return { ...arrive(PHASES.length * (SECONDS + PAUSE)), faults };
}

export default function (target: Ready): void {
  const { name, iterationInTest } = exec.scenario;
  settle(read(target, EDGES[iterationInTest % EDGES.length] ?? "", `${name}-${iterationInTest}`));
}

export function inject({ faults }: Ready): void {
  inTime(() => add(faults, KIND, PROBABILITY));
}

export function restore({ faults }: Ready): void {
  inTime(() => put(faults));
}

/** A change must be over before the next phase starts. */
function inTime(change: () => void): void {
  const start = Date.now();
  change();
  changesInTime.add(Date.now() - start < PAUSE * 500 ? 1 : 0);
}

export function teardown(ready: Ready | undefined): void {
  // Also when the run was stopped half-way; without a setup there is nothing to put back.
  if (ready !== undefined) put(ready.faults);
}

function row(data: Data, name: string): string[] {
  const found = availability(data, `availability{scenario:${name}}`);
  return [
    name,
    String(found.requests),
    percent(found.share),
    interval(found),
    name === "during" ? percent(PREDICTED) : percent(FULL),
    spread(latency(data, 50, `latency{scenario:${name}}`)),
  ];
}

export function handleSummary(data: Data): Record<string, string> {
  const fault = `${KIND} with probability ${PROBABILITY}`;
  const title = `fault-window: ${RATE}/s for ${SECONDS} s before, during and after ${fault}, open model`;
  const headings = ["phase", "requests", "answered", "99 % interval", "predicted", "p50 (99 %)"];
  const rows = PHASES.map((name) => row(data, name));
  const phases = PHASES.map((name) => ({ phase: name, ...availability(data, `availability{scenario:${name}}`) }));
  const bound = `as predicted would be ${interval(bounds)} of ${requests} requests, in all but one run in a million`;
  return report(title, data, [...overall(data), "", ...table(headings, rows), bound, ...hops(data)], {
    phases,
    predicted: { share: PREDICTED, ...bounds },
  });
}
