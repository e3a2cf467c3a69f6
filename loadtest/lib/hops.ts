/** What the gateway tells about each service it called for a request: `Server-Timing`. */

import { Rate, Trend } from "k6/metrics";

/** One service: how long all attempts of all calls to it took, and how they ended. */
export interface Hop {
  name: string;
  milliseconds: number;
  outcome: string;
}

/** The services that a gateway may call, in the order of the chain. */
export const HOPS = ["auth", "profile", "database", "audit", "config"];

const duration = new Trend("hop_duration", true);
const availability = new Rate("hop_availability");

/**
 * The entries of a header like `auth;dur=1.234;desc="ok", profile;dur=2;desc="failed"`
 * (Server-Timing, W3C). Entries without a duration, which others may add, are left out.
 */
export function parse(header: string): Hop[] {
  const entry = /([A-Za-z0-9_-]+)\s*;\s*dur\s*=\s*([0-9.]+)(?:\s*;\s*desc\s*=\s*"([a-z]*)")?/g;
  return Array.from(header.matchAll(entry), ([, name = "", milliseconds, outcome = ""]) => ({
    name,
    milliseconds: Number(milliseconds),
    outcome,
  })).filter((hop) => Number.isFinite(hop.milliseconds));
}

/** Counts what a header tells; without one there is nothing to count. */
export function count(header: string | undefined): void {
  for (const { name, milliseconds, outcome } of parse(header ?? "")) {
    duration.add(milliseconds, { hop: name });
    availability.add(outcome !== "failed", { hop: name });
  }
}
