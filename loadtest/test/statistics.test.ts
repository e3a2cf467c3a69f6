/** Against numbers from elsewhere: exact binomial sums, and what `nines` prints. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { percentile, trendStats } from "../lib/percentiles.ts";
import { atMost, expected, needed, proven, ranks, wilson } from "../lib/statistics.ts";
import { interval } from "../lib/words.ts";

const near = (value: number, wanted: number, error: number) => assert.ok(Math.abs(value - wanted) <= error, `${value}`);

/** Whether n requests with at most `lost` lost would happen at 99.99 % with a chance of at most 5 %: in whole numbers. */
function provesExactly(n: bigint, lost: bigint): boolean {
  let [sum, ways] = [0n, 1n];
  for (let i = 0n; i <= lost; i++) {
    sum += ways * 9999n ** (n - i);
    ways = (ways * (n - i)) / (i + 1n);
  }
  return sum * 20n <= 10_000n ** n;
}

test("the fewest requests that prove 99.99 % are those of exact arithmetic", () => {
  for (const [lost, fewest] of [[0, 29_956], [1, 47_437], [5, 105_128]] as const) {
    assert.equal(needed(0.9999, lost), fewest);
    assert.ok(provesExactly(BigInt(fewest), BigInt(lost)));
    assert.ok(!provesExactly(BigInt(fewest - 1), BigInt(lost)));
  }
});

test("what a run proves is the one-sided bound of Clopper and Pearson", () => {
  near(proven(0, 300), 0.05 ** (1 / 300), 1e-12);
  near(atMost(1, 3, 0.5), 0.5, 1e-12);
  near(atMost(1000, 100_000, 0.01), 0.5084, 1e-3);
});

test("a run that lost everything, or sent nothing, proves nothing", () => {
  assert.equal(proven(7, 7), 0);
  assert.equal(proven(0, 0), 0);
  assert.deepEqual(wilson(0, 0), { low: 0, high: 1 });
});

test("Wilson's interval is the one that nines prints, and ends at 0 and 1", () => {
  assert.equal(interval(wilson(19_220, 20_000)), "95.73 – 96.44 %");
  assert.equal(wilson(20, 20).high, 1);
  assert.equal(wilson(0, 20).low, 0);
});

test("the expected share leaves out one run in a million", () => {
  // 4.9 standard deviations, a little more below than above.
  const { low, high } = expected(0.8, 1000);
  near(low, 0.736, 0.002);
  near(high, 0.86, 0.002);
});

test("a certain share is expected exactly", () => {
  assert.deepEqual(expected(1, 100), { low: 1, high: 1 });
  assert.deepEqual(expected(0, 100), { low: 0, high: 0 });
});

/** What k6 knows of the values 1 to 1000: the percentiles asked for. */
const asked = trendStats.filter((name) => name.startsWith("p("));
const values = Object.fromEntries(asked.map((name) => [name, Number(name.slice(2, -1)) * 10]));

test("a percentile has an interval from the grid of percentiles that k6 computes", () => {
  const { value, low, high } = percentile({ ...values, med: 500, count: 1000 }, 99);
  assert.deepEqual([value, low, high], [990, 981.5, 999.5]);
});

test("p99 of few values has no upper end", () => {
  assert.ok(ranks(99, 100).high > 100);
  assert.equal(percentile({ ...values, count: 50 }, 99).high, undefined);
});
