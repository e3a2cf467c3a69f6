/**
 * Percentiles with their intervals. k6 gives percentiles that were asked for before the run,
 * and no samples; so a grid of them around each is asked for, and the interval's ends are the
 * next ones outwards: a little too wide, and true for every distribution.
 */

import { ranks } from "./statistics.ts";

/** What k6 knows of a trend, by name. */
export type Values = Record<string, number>;

/** The percentiles shown, and how far and how finely the grid around each goes. */
const SHOWN = [
  { p: 50, from: 10, to: 90, step: 0.5 },
  { p: 99, from: 90, to: 100, step: 0.05 },
];

/** A percentile in milliseconds; an end is missing where there are too few values to tell. */
export interface Percentile {
  p: number;
  value: number;
  low?: number;
  high?: number;
}

/** For k6's `summaryTrendStats`. */
export const trendStats: string[] = ["count", "max", ...SHOWN.flatMap(grid).map(key)];

/** The percentile `p` of a trend. */
export function percentile(values: Values, p: number): Percentile {
  const points = SHOWN.filter((shown) => shown.p === p).flatMap(grid);
  const { low, high } = ranks(p, values["count"] ?? 0);
  const ends = {
    low: points.filter((point) => point <= low).pop(),
    high: points.find((point) => point >= high),
  };
  return {
    p,
    value: values[key(p)] ?? Number.NaN,
    ...end("low", ends.low, values),
    ...end("high", ends.high, values),
  };
}

function end(name: "low" | "high", point: number | undefined, values: Values): Partial<Percentile> {
  const value = point === undefined ? undefined : values[key(point)];
  return value === undefined ? {} : { [name]: value };
}

function grid({ from, to, step }: { from: number; to: number; step: number }): number[] {
  const points = Math.round((to - from) / step);
  return Array.from({ length: points + 1 }, (_, i) => Math.round((from + i * step) * 100) / 100);
}

function key(p: number): string {
  return p === 50 ? "med" : `p(${p})`;
}
