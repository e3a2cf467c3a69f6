/**
 * How much load does the chain carry? The rate rises in steps, and each step is judged by
 * itself: it keeps up if every request could be sent in time, no fewer are answered than asked
 * for, and 99 % of them within a limit. The run fails only if not even the first step does.
 *
 * Each step is a scenario of its own, with a rate that stays: within a ramp no percentile
 * belongs to any rate.
 */

import exec from "k6/execution";
import type { Options } from "k6/options";
import { knee } from "./lib/knee.ts";
import { open, planned } from "./lib/load.ts";
import { read, settle } from "./lib/page.ts";
import { trendStats } from "./lib/percentiles.ts";
import { number, share, whole } from "./lib/settings.ts";
import { type Data, availability, latency, overall, report, value } from "./lib/summary.ts";
import { EDGES, type Target, arrive } from "./lib/target.ts";
import * as thresholds from "./lib/thresholds.ts";
import { interval, milliseconds, percent, spread, table } from "./lib/words.ts";

const START = whole("NINES_START", 100, 1, 10_000);
const STEP = whole("NINES_STEP", 100, 1, 10_000);
const STEPS = whole("NINES_STEPS", 8, 1, 50);
const SECONDS = number("NINES_SECONDS", 10, 1, 3600);
const SHARE = share("NINES_AVAILABILITY", 0.99);
const P99_MS = number("NINES_P99_MS", 250, 1, 60_000);

/** One step of the stairs. */
interface Step {
  name: string;
  rate: number;
}

const steps: Step[] = Array.from({ length: STEPS }, (_, i) => ({
  name: `step-${i + 1}`,
  rate: START + i * STEP,
}));

export const options: Options = {
  scenarios: Object.fromEntries(
    steps.map(({ name, rate }, i) => [name, open(rate, SECONDS, { startTime: `${i * SECONDS}s` })]),
  ),
  thresholds: thresholds.rules(
    thresholds.asked(
      ...steps.flatMap(({ name }) =>
        ["availability", "latency", "dropped_iterations"].map((metric) => `${metric}{scenario:${name}}`),
      ),
    ),
    thresholds.answered(SHARE, planned(START, SECONDS), "step-1"),
    thresholds.latency([`p(99)<=${P99_MS}`], "step-1"),
  ),
  summaryTrendStats: trendStats,
};

export const setup = () => arrive(STEPS * SECONDS);

export default function (target: Target): void {
  const { name, iterationInTest } = exec.scenario;
  settle(read(target, EDGES[iterationInTest % EDGES.length] ?? "", `${name}-${iterationInTest}`));
}

/** What a step came to. */
function found(data: Data, { name, rate }: Step) {
  const share = availability(data, `availability{scenario:${name}}`);
  const dropped = value(data, `dropped_iterations{scenario:${name}}`);
  const p99 = latency(data, 99, `latency{scenario:${name}}`);
  const reasons = [
    ...(dropped > 0 ? [`${dropped} requests could not be sent in time: every virtual user was waiting`] : []),
    ...(share.share >= SHARE ? [] : [`${percent(share.share)} were answered, not ${percent(SHARE)}`]),
    ...(p99.value <= P99_MS ? [] : [`p99 is ${milliseconds(p99.value)}, not ${milliseconds(P99_MS)}`]),
  ];
  return { name, rate, dropped, p99, reasons, keepsUp: reasons.length === 0, answered: share };
}

type Found = ReturnType<typeof found>;

function row({ rate, dropped, p99, keepsUp, answered }: Found): string[] {
  return [
    `${rate}/s`,
    `${(answered.answered / SECONDS).toFixed(1)}/s`,
    percent(answered.share),
    interval(answered),
    spread(p99),
    String(dropped),
    keepsUp ? "yes" : "no",
  ];
}

export function handleSummary(data: Data): Record<string, string> {
  const all = steps.map((step) => found(data, step));
  const headings = ["asked for", "answered", "share", "99 % interval", "p99 (99 %)", "dropped", "keeps up"];
  const title = `step: ${STEPS} steps of ${SECONDS} s, from ${START}/s by ${STEP}/s, open model`;
  const lines = [...overall(data), "", ...table(headings, all.map(row)), "", knee(all)];
  return report(title, data, lines, { steps: all, knee: knee(all) });
}
