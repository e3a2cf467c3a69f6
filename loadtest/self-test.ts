/**
 * Are the parts of these tests right that no target can show to be wrong? Runs without one:
 * `k6 run loadtest/self-test.ts`.
 */

import { check } from "k6";
import type { Options } from "k6/options";
import { parse } from "./lib/hops.ts";
import { knee } from "./lib/knee.ts";
import { percentile, trendStats } from "./lib/percentiles.ts";
import { atMost, expected, needed, proven, ranks, wilson } from "./lib/statistics.ts";
import { availability, broken, overall } from "./lib/summary.ts";
import { count, interval, milliseconds, percent } from "./lib/words.ts";

export const options: Options = { thresholds: { checks: ["rate==1"], iterations: ["count==1"] } };

const near = (value: number, wanted: number, error: number) => Math.abs(value - wanted) <= error;

/** Against numbers from elsewhere: exact binomial sums, and what `nines` shows. */
function statistics() {
  // Give or take 4.9 standard deviations, a bit more below than above.
  const { low, high } = expected(0.8, 1000);
  return {
    "99.99 % takes 29,956 requests without a loss": needed(0.9999, 0) === 29_956,
    "47,437 with one": needed(0.9999, 1) === 47_437,
    "105,128 with five": needed(0.9999, 5) === 105_128,
    "none lost of 300 prove 99.006 %": near(proven(0, 300), 0.05 ** (1 / 300), 1e-12),
    "all lost prove nothing": proven(7, 7) === 0,
    "at most 1 of 3 at a half": near(atMost(1, 3, 0.5), 0.5, 1e-12),
    "a thousand of 100,000 at 1 %": near(atMost(1000, 100_000, 0.01), 0.5084, 1e-3),
    "19,220 of 20,000, as nines has it": interval(wilson(19_220, 20_000)) === "95.73 – 96.44 %",
    "Wilson ends at everything": wilson(20, 20).high === 1 && wilson(0, 20).low === 0,
    "without an observation everything is possible": wilson(0, 0).low === 0 && wilson(0, 0).high === 1,
    "what is certain is expected": expected(1, 100).low === 1 && expected(0, 100).high === 0,
    "of 1000 at 80 %, at least 736 and at most 860": near(low, 0.736, 0.002) && near(high, 0.86, 0.002),
    "p99 of 100 values has no upper end": ranks(99, 100).high > 100,
  };
}

function headers() {
  const hops = parse('auth;dur=1.234;desc="ok", profile;dur=2.0;desc="ok", database;dur=0.9;desc="failed"');
  return {
    "three hops": hops.map(({ name }) => name).join() === "auth,profile,database",
    "durations in milliseconds": hops.map(({ milliseconds }) => milliseconds).join() === "1.234,2,0.9",
    outcomes: hops.map(({ outcome }) => outcome).join() === "ok,ok,failed",
    "no header, no hop": parse("").length === 0,
    "entries of others":
      parse("cache, cdn;desc=hit, auth;dur=1")
        .map(({ name }) => name)
        .join() === "auth",
  };
}

function words() {
  return {
    "a count has commas": count(120_000) === "120,000" && count(999) === "999",
    "nearly all are not all": percent(0.999999) === "99.99 %" && percent(1) === "100.00 %",
    "an interval": interval({ low: 0.9, high: 0.95 }) === "90.00 – 95.00 %",
    "a time has a unit": milliseconds(1.5) === "1.50 ms" && milliseconds(2500) === "2.50 s",
  };
}

/** Values 1 to 1000, of which k6 gives the percentiles that were asked for. */
function percentiles() {
  const asked = trendStats.filter((name) => /^p\(/.test(name));
  const values = Object.fromEntries(asked.map((name) => [name, Number(name.slice(2, -1)) * 10]));
  const p99 = percentile({ ...values, med: 500, count: 1000 }, 99);
  return {
    "p99 and its interval": p99.value === 990 && p99.low === 981.5 && p99.high === 999.5,
    "no upper end for a few values": percentile({ ...values, count: 50 }, 99).high === undefined,
  };
}

function knees() {
  const step = (rate: number, ...reasons: string[]) => ({ rate, reasons });
  const disturbed = knee([step(1), step(2, "late"), step(3)]);
  return {
    "a knee": knee([step(1), step(2), step(3, "slow")]) === "the target keeps up to 2/s, no longer at 3/s: slow",
    "no knee": knee([step(1), step(2)]).startsWith("the target keeps up to 2/s, the last step"),
    "nothing but knee": knee([step(1, "slow"), step(2, "late")]).endsWith("with any step, no longer at 1/s: slow"),
    "a disturbance is not the knee": disturbed.includes("up to 3/s") && disturbed.includes("disturbed at 2/s: late"),
  };
}

function summaries() {
  const rate = { values: { passes: 0, fails: 0 }, thresholds: { "rate>=1": { ok: false } } };
  const nothing = { metrics: { availability: rate }, state: { testRunDurationMs: 1 } };
  return {
    "no request says nothing": overall(nothing).join().includes("no request was sent"),
    "no request has no availability": Number.isNaN(availability(nothing).share),
    "a broken threshold is named": broken(nothing).join() === "availability: rate>=1",
  };
}

export default function (): void {
  const facts = { ...statistics(), ...headers(), ...words(), ...percentiles(), ...knees(), ...summaries() };
  for (const [fact, holds] of Object.entries(facts)) {
    check(holds, { [fact]: (is) => is });
  }
}
