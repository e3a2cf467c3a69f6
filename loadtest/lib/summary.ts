/** What a run found: as text, and as JSON where NINES_SUMMARY names a file. */

import { HOPS } from "./hops.ts";
import { type Percentile, type Values, percentile } from "./percentiles.ts";
import { type Interval, wilson } from "./statistics.ts";
import { count, interval, percent, spread, table } from "./words.ts";

/** What k6 hands to `handleSummary`, as far as it is used. */
export interface Data {
  metrics: Record<string, Metric | undefined>;
  state: { testRunDurationMs: number };
  setup_data?: { run: string };
}

interface Metric {
  values: Values;
  thresholds?: Record<string, { ok: boolean }>;
}

/** A share of requests, and what it is worth. */
export interface Availability extends Interval {
  requests: number;
  answered: number;
  share: number;
}

/** One value of a metric; 0 where k6 has none. */
export function value(data: Data, metric: string, name = "count"): number {
  return data.metrics[metric]?.values[name] ?? 0;
}

/** The availability that a rate shows, with Wilson's interval of 99 %. */
export function availability(data: Data, metric = "availability"): Availability {
  const [answered, failed] = [value(data, metric, "passes"), value(data, metric, "fails")];
  const requests = answered + failed;
  const share = requests === 0 ? Number.NaN : answered / requests;
  return { requests, answered, share, ...wilson(answered, requests) };
}

/** A percentile of a trend. */
export function latency(data: Data, p: number, metric = "latency"): Percentile {
  return percentile(data.metrics[metric]?.values ?? {}, p);
}

/** The lines that every run has: what was asked, what was answered, how long it took. */
export function overall(data: Data): string[] {
  const found = availability(data);
  if (found.requests === 0) return [];
  const degraded = value(data, "degraded");
  const [ok, failed] = [found.answered - degraded, found.requests - found.answered];
  const outcomes = `${count(ok)} ok + ${count(degraded)} degraded + ${count(failed)} failed`;
  const late = count(value(data, "dropped_iterations"));
  return [
    `requests      ${count(found.requests)} = ${outcomes}; ${late} not sent in time`,
    `availability  ${percent(found.share)}  (${interval(found)}, 99 %, Wilson)`,
    `latency       p50 ${spread(latency(data, 50))}, p99 ${spread(latency(data, 99))}; 99 % intervals`,
  ];
}

/** The services behind the gateway, as far as it told of them. */
export function hops(data: Data): string[] {
  const rows = HOPS.map((hop) => ({ hop, found: availability(data, `hop_availability{hop:${hop}}`) }))
    .filter(({ found }) => found.requests > 0)
    .map(({ hop, found }) => [
      hop,
      count(found.requests),
      percent(found.share),
      interval(found),
      spread(latency(data, 50, `hop_duration{hop:${hop}}`)),
      spread(latency(data, 99, `hop_duration{hop:${hop}}`)),
    ]);
  if (availability(data).requests === 0) return [];
  if (rows.length === 0) return ["called        the gateway does not tell (NINES_SERVER_TIMING=true makes it)"];
  return ["", ...table(["called", "requests", "answered", "99 % interval", "p50 (99 %)", "p99 (99 %)"], rows)];
}

/** The thresholds that do not hold. */
export function broken(data: Data): string[] {
  return Object.entries(data.metrics).flatMap(([name, metric]) =>
    Object.entries(metric?.thresholds ?? {})
      .filter(([, { ok }]) => !ok)
      .map(([rule]) => `${name}: ${rule}`),
  );
}

/** Why a run says nothing about the chain, whatever its thresholds come to; undefined if it does. */
export function invalid(data: Data): string | undefined {
  const [sent, rejected] = [value(data, "requests"), value(data, "rejected")];
  if (value(data, "aborted") > 0) return "it gave up before its end";
  if (rejected > 0) return `${count(rejected)} of ${count(sent)} requests were rejected as wrong (4xx, for example 401)`;
  return sent === 0 ? "no request was sent" : undefined;
}

/**
 * The result of a `handleSummary`: `lines` on the terminal, `facts` in the file that NINES_SUMMARY names. A run that is
 * invalid shows neither, and no verdict.
 */
export function report(title: string, data: Data, lines: string[], facts: object): Record<string, string> {
  const failures = broken(data);
  const reason = invalid(data);
  const run = data.setup_data?.run;
  const found = run === undefined ? [] : [`run           ${run}: every x-request-id begins with it`];
  const shown = reason === undefined ? lines : overall(data);
  const text = ["", title, ...found, ...shown, "", ...verdict(failures, reason), ""].join("\n");
  const file = __ENV["NINES_SUMMARY"];
  const json = { title, run, invalid: reason, broken: failures, ...figures(data), ...(reason === undefined && facts) };
  return { stdout: text, ...(file ? { [file]: `${JSON.stringify(json, null, 2)}\n` } : {}) };
}

function verdict(failures: string[], reason: string | undefined): string[] {
  const crosses = failures.map((rule) => `✗ ${rule}`);
  if (reason !== undefined) return [`✗ INVALID: this run says nothing about the chain: ${reason}`, ...crosses];
  return failures.length === 0 ? ["✔ everything that was asked for holds"] : crosses;
}

function figures(data: Data): object {
  return {
    seconds: data.state.testRunDurationMs / 1000,
    requests: value(data, "requests"),
    rejected: value(data, "rejected"),
    availability: { ...availability(data), confidence: 0.99, interval: "Wilson" },
    degraded: value(data, "degraded"),
    dropped: value(data, "dropped_iterations"),
    latency_ms: [50, 99].map((p) => latency(data, p)),
    sent: Object.fromEntries(["check", "login", "page"].map((to) => [to, value(data, `http_reqs{to:${to}}`)])),
    hops: HOPS.map((hop) => ({
      hop,
      ...availability(data, `hop_availability{hop:${hop}}`),
      latency_ms: [50, 99].map((p) => latency(data, p, `hop_duration{hop:${hop}}`)),
    })).filter((hop) => hop.requests > 0),
  };
}
