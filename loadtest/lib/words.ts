/** Numbers and tables for people: with units, and estimates with their intervals. */

import type { Percentile } from "./percentiles.ts";
import type { Interval } from "./statistics.ts";

/** A count: `120,000`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A share: `99.990 %`. Never rounded up to all of them; `?` for a share of nothing. */
export function percent(share: number, digits = 2): string {
  if (Number.isNaN(share)) return "?";
  const scale = 10 ** (digits + 2);
  const rounded = share < 1 ? Math.min(Math.round(share * scale), scale - 1) : scale;
  return `${((rounded / scale) * 100).toFixed(digits)} %`;
}

/** The interval of a share: `99.89 – 99.97 %`. */
export function interval({ low, high }: Interval, digits = 2): string {
  return `${percent(low, digits).replace(" %", "")} – ${percent(high, digits)}`;
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
