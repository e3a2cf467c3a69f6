/** The metrics and thresholds of the stand-in for k6. */
import { type Tags, kinds } from "./api.js";

/** One metric, or the part of it with some tags, for example `latency{scenario:before}`. */
class Series {
  readonly kind: string;
  readonly #metric: string;
  readonly #wanted: string[][];
  readonly #values: number[] = [];

  constructor(name: string, readonly rules: string[]) {
    const [metric = "", ...tags] = name.split(/[{,}]/).filter((part) => part !== "");
    if (!kinds.has(metric)) throw new Error(`a threshold for ${name}: no such metric`);
    [this.#metric, this.kind, this.#wanted] = [metric, kinds.get(metric) ?? "", tags.map((tag) => tag.split(":"))];
  }

  add(metric: string, value: number, tags: Tags): void {
    if (metric !== this.#metric) return;
    if (this.#wanted.every(([name = "", wanted]) => tags[name] === wanted)) this.#values.push(value);
  }

  /** A value by k6's name of it. As in k6, each percentile of no value is 0. */
  value(name: string): number {
    const [sum, count] = [this.#values.reduce((total, value) => total + value, 0), this.#values.length];
    const known: Record<string, number> = { count: this.kind === "counter" ? sum : count, rate: sum / count };
    const percent = { max: 100, med: 50 }[name] ?? Number(name.slice(2, -1));
    return { ...known, passes: sum, fails: count - sum }[name] ?? percentile(this.#values, percent);
  }

  values(trendStats: string[]): Record<string, number> {
    const names = { counter: ["count"], rate: ["rate", "passes", "fails"] }[this.kind] ?? trendStats;
    return Object.fromEntries(names.map((name) => [name, this.value(name)]));
  }

  /** Whether a threshold like `rate>=0.99` holds. As in k6, each one holds for a rate of no value. */
  holds(rule: string): boolean {
    const [, name = "", operator, limit] = /^([a-z]+|p\([\d.]+\))(>=|<=|==)([\d.e-]+)$/.exec(rule) ?? [];
    if (operator === undefined) throw new Error(`${rule}: a threshold that this stand-in does not support`);
    if (this.kind === "rate" && this.#values.length === 0) return true;
    const difference = this.value(name) - Number(limit);
    return operator === ">=" ? difference >= 0 : operator === "<=" ? difference <= 0 : difference === 0;
  }
}

/** Interpolated between the two nearest values, as k6 does it. */
function percentile(values: number[], percent: number): number {
  const sorted = values.sort((a, b) => a - b);
  const place = (percent / 100) * Math.max(sorted.length - 1, 0);
  const [below = 0, above = below] = sorted.slice(Math.floor(place), Math.floor(place) + 2);
  return below + (above - below) * (place % 1);
}

/** All metrics of a run, and the parts of them for which there are thresholds. */
export class Metrics {
  readonly #series: [string, Series][];

  constructor(thresholds: Record<string, string[]>) {
    const rules = { ...Object.fromEntries([...kinds.keys()].map((name) => [name, []])), ...thresholds };
    this.#series = Object.entries(rules).map(([name, rules]) => [name, new Series(name, rules)]);
  }

  add(metric: string, value: number, tags: Tags): void {
    for (const [, series] of this.#series) series.add(metric, value, tags);
  }

  /** What `handleSummary` receives of them. */
  summary(trendStats: string[]) {
    const result = (series: Series) => ({
      values: series.values(trendStats),
      thresholds: Object.fromEntries(series.rules.map((rule) => [rule, { ok: series.holds(rule) }])),
    });
    return Object.fromEntries(this.#series.map(([name, series]) => [name, result(series)]));
  }
}
