/**
 * Is the chain up, and does it answer everything? Some ten requests a second for ten seconds;
 * not one may fail. For after a deployment.
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

const RATE = whole("NINES_RATE", 10, 1, 10_000);
const SECONDS = number("NINES_SECONDS", 10, 1, 86_400);
const SHARE = share("NINES_AVAILABILITY", 1);

export const options: Options = {
  scenarios: { smoke: open(RATE, SECONDS) },
  thresholds: thresholds.rules(thresholds.answered(SHARE, planned(RATE, SECONDS))),
  summaryTrendStats: trendStats,
};

export const setup = () => arrive(SECONDS);

export default function (target: Target): void {
  const number = exec.scenario.iterationInTest;
  settle(read(target, EDGES[number % EDGES.length] ?? "", `smoke-${number}`));
}

export function handleSummary(data: Data): Record<string, string> {
  const title = `smoke: ${RATE}/s for ${SECONDS} s, open model`;
  return report(title, data, [...overall(data), ...hops(data)], {});
}
