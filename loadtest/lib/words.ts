/** Numbers and tables for people: with units, and estimates with their intervals. */

import type { Percentile } from "./percentiles.ts";
import type { Interval } from "./statistics.ts";

/** A count: `120,000`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * An availability: `96.06 %`, `99.9875 %`. Three significant digits of what is missing to 100 %, and two decimals at least,
 * as in the reports of `nines`. Never rounded up to all of them; `?` for a share of nothing.
 */
export function percent(share: number): string {
  if (Number.isNaN(share)) return "?";
  if (share >= 1) return "100.00 %";
  const exponent = Number((1 - share).toExponential(2).split("e")[1]);
  return `${(share * 100).toFixed(Math.max(2, -exponent))} %`;
}

/** The interval of a share: `99.89 – 99.97 %`. */
export function interval({ low, high }: Interval): string {
  return `${percent(low).replace(" %", "")} – ${percent(high)}`;
}

/** A time: `2.31 ms`. */
export function milliseconds(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "?";
  return value < 1000 ? `${value.toFixed(2)} ms` : `${(value / 1000).toFixed(2)} s`;
}

/** A percentile with its interval: `2.31 ms (2.26 ms – 2.37 ms)`. */
export function spread({ value, low, high }: Percentile): string {
  return `${milliseconds(value)} (${milliseconds(low)} – ${milliseconds(high)})`;
}

/** Rows below their headings: the first column to the left, the others to the right. */
export function table(headings: string[], rows: string[][]): string[] {
  const widths = headings.map((_, column) => Math.max(...[headings, ...rows].map((row) => (row[column] ?? "").length)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("   ")
      .trimEnd();
  const rule = "─".repeat(widths.reduce((sum, width) => sum + width + 3, -3));
  return [line(headings), rule, ...rows.map(line)];
}
