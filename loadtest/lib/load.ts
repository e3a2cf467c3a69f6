/** Load that waits for nobody: requests begin when they are due (an open model). */

import type { Scenario } from "k6/options";
import { TIMEOUT_SECONDS } from "./page.ts";
import { whole } from "./settings.ts";

/**
 * `rate` requests a second for so many seconds. Of the virtual users, each of whom waits for
 * one answer at a time, there are enough while requests take half a second; if there
 * are none left, k6 drops requests, and the thresholds say so. A closed model, whose users
 * wait for answers before they ask again, would go easy on a target in trouble and hide it.
 */
export function open(rate: number, seconds: number, more: Partial<Scenario> = {}): Scenario {
  return {
    executor: "constant-arrival-rate",
    rate,
    timeUnit: "1s",
    duration: `${Math.round(seconds * 1000)}ms`,
    preAllocatedVUs: whole("NINES_VUS", Math.ceil(20 + rate / 2), 1, 100_000),
    gracefulStop: `${Math.ceil(TIMEOUT_SECONDS) + 1}s`,
    ...more,
  } as Scenario;
}

/** The requests that such a load certainly sends: the last is due at the very end. */
export function planned(rate: number, seconds: number): number {
  return Math.max(Math.floor(rate * seconds) - 1, 1);
}
