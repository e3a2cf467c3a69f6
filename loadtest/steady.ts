/**
 * What do users get under a load that stays the same? A hundred requests a second for a
 * minute; by default 99 % must be answered, half of them within 100 ms, and 99 % within a second.
 */

import exec from "k6/execution";
import type { Options } from "k6/options";
import { open, planned } from "./lib/load.ts";
import { read, settle } from "./lib/page.ts";
import { trendStats } from "./lib/percentiles.ts";
import { number, share, whole } from "./lib/settings.ts";
import { type Data, hops, overall, report } from "./lib/summary.ts";
import { EDGES, type Target, arrive } from "./lib/target.ts";
import * as thresholds from "./lib/thresholds.ts";

const RATE = whole("NINES_RATE", 100, 1, 10_000);
const SECONDS = number("NINES_SECONDS", 60, 1, 86_400);
const SHARE = share("NINES_AVAILABILITY", 0.99);
const P50_MS = number("NINES_P50_MS", 100, 0, 60_000);
const P99_MS = number("NINES_P99_MS", 1000, 0, 60_000);

export const options: Options = {
  scenarios: { steady: open(RATE, SECONDS) },
  thresholds: thresholds.rules(
    thresholds.answered(SHARE, planned(RATE, SECONDS)),
    thresholds.latency([`med<=${P50_MS}`, `p(99)<=${P99_MS}`]),
  ),
  summaryTrendStats: trendStats,
};

export const setup = () => arrive(SECONDS);

export default function (target: Target): void {
  const number = exec.scenario.iterationInTest;
  settle(read(target, EDGES[number % EDGES.length] ?? "", `steady-${number}`));
}

export function handleSummary(data: Data): Record<string, string> {
  const title = `steady: ${RATE}/s for ${SECONDS} s, open model`;
  return report(title, data, [...overall(data), ...hops(data)], {});
}
