/** What must hold, and that there was something to judge it by. */

import { HOPS } from "./hops.ts";

/** Thresholds by metric, as k6 has them. */
export type Thresholds = Record<string, string[]>;

/**
 * At least `share` of at least `least` requests must be answered, and every one that was due
 * must be sent. k6 takes a share of nothing for a good one: without the second, a run that
 * sends no request at all would pass.
 */
export function answered(share: number, least: number, scenario?: string): Thresholds {
  const of = scenario === undefined ? "" : `{scenario:${scenario}}`;
  return {
    [`availability${of}`]: [`rate>=${share}`],
    // Not those of the login.
    [`http_reqs${of || "{to:page}"}`]: [`count>=${least}`],
    [`dropped_iterations${of}`]: ["count==0"],
  };
}

/** Thresholds that always hold: k6 counts by tag only where one asks for it. */
export function asked(...metrics: string[]): Thresholds {
  return Object.fromEntries(metrics.map((metric) => [metric, [always(metric)]]));
}

/** Everything that a summary shows of the services behind the gateway. */
export const hops: Thresholds = asked(
  ...HOPS.flatMap((hop) => [`hop_duration{hop:${hop}}`, `hop_availability{hop:${hop}}`]),
  ...["check", "login", "page"].map((to) => `http_reqs{to:${to}}`),
);

function always(metric: string): string {
  if (/^(latency|hop_duration)/.test(metric)) return "max>=0";
  return /availability/.test(metric) ? "rate>=0" : "count>=0";
}
