/** What must hold, and that there was something to judge it by. */

import { HOPS } from "./hops.ts";

/** Thresholds by metric, as k6 has them. */
export type Thresholds = Record<string, string[]>;

/**
 * The thresholds of a script: every rule of every set, also where several sets have rules for the same metric.
 *
 * k6 passes a share of zero requests. So each script needs at least one request, whatever else it demands; and no request
 * may have been rejected as wrong, because such an answer says nothing about the chain.
 */
export function rules(...sets: Thresholds[]): Thresholds {
  const valid = { requests: ["count>=1"], rejected: ["count==0"], aborted: ["count==0"] };
  const merged: Thresholds = {};
  for (const [metric, more] of [valid, shown, ...sets].flatMap((set) => Object.entries(set))) {
    merged[metric] = [...new Set([...(merged[metric] ?? []), ...more])];
  }
  return merged;
}

/** At least `share` of at least `least` requests must be answered, and each request must be sent when it is due. */
export function answered(share: number, least: number, scenario?: string): Thresholds {
  const of = tagged(scenario);
  return {
    [`availability${of}`]: [`rate>=${share}`],
    [`requests${of}`]: [`count>=${least}`],
    [`dropped_iterations${of}`]: ["count==0"],
  };
}

/** Limits of the latency of answered requests. They need one: k6 takes the percentiles of no value to be 0. */
export function latency(limits: string[], scenario?: string): Thresholds {
  const of = tagged(scenario);
  return { [`latency${of}`]: limits, [`answered${of}`]: ["count>=1"] };
}

/** Thresholds that always hold: k6 counts by tag only where a threshold asks for it. */
export function asked(...metrics: string[]): Thresholds {
  return Object.fromEntries(metrics.map((metric) => [metric, [always(metric)]]));
}

/** Everything that a summary shows of the requests sent and of the services behind the gateway. */
const shown: Thresholds = asked(
  ...HOPS.flatMap((hop) => [`hop_duration{hop:${hop}}`, `hop_availability{hop:${hop}}`]),
  ...["check", "login", "page"].map((to) => `http_reqs{to:${to}}`),
);

function tagged(scenario: string | undefined): string {
  return scenario === undefined ? "" : `{scenario:${scenario}}`;
}

function always(metric: string): string {
  if (/^(latency|hop_duration)/.test(metric)) return "max>=0";
  return /availability/.test(metric) ? "rate>=0" : "count>=0";
}
