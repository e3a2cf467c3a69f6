/**
 * Are 99.99 % proven? Clients that try again, as good clients do: a request is lost only if
 * none of up to three attempts is answered. By default 120,000 requests, of which five may be
 * lost: then an availability of less than 99.99 % would have been found out with 95 %.
 *
 * A client that does not try again finds less than 99 % where each service fails one request
 * in a hundred, whatever the services do among themselves: what the gateway loses, nobody else
 * can make up for. Both are shown.
 */

import { sleep } from "k6";
import exec from "k6/execution";
import { Counter, Rate } from "k6/metrics";
import type { Options } from "k6/options";
import { open } from "./lib/load.ts";
import { type Answer, isAnswered, read, settle } from "./lib/page.ts";
import { trendStats } from "./lib/percentiles.ts";
import { number, whole } from "./lib/settings.ts";
import { atMost, needed, proven } from "./lib/statistics.ts";
import { type Data, availability, hops, overall, report, value } from "./lib/summary.ts";
import { EDGES, type Target, arrive } from "./lib/target.ts";
import * as thresholds from "./lib/thresholds.ts";
import { count, interval, percent } from "./lib/words.ts";

const REQUESTS = whole("NINES_REQUESTS", 120_000, 1, 100_000_000);
const RATE = whole("NINES_RATE", 600, 1, 10_000);
const GOAL = number("NINES_AVAILABILITY", 0.9999, 0.5, 0.9999999);
const GOAL_TEXT = `${Number((GOAL * 100).toFixed(6))} %`;
const ATTEMPTS = whole("NINES_ATTEMPTS", 3, 1, 10);
/** The longest pause before the second attempt; twice as long before each further one. */
const BACKOFF_MS = number("NINES_BACKOFF_MS", 10, 0, 60_000);
/** More may be lost only in a longer run: its end should not hang on the last request. */
const LOST_MAX = whole("NINES_LOST", 5, 0, 100);

/** The most that may be lost: as many as still leave the goal proven; none in a run too short for it. */
const ALLOWED = allowed(LOST_MAX);
/** A little longer than needed, because a busy machine begins the last ones late. */
const SECONDS = REQUESTS / RATE + 0.5;

const lost = new Counter("lost");
const attempts = new Counter("attempts");
const first = new Rate("first_attempts");

export const options: Options = {
  scenarios: { prove: open(RATE, SECONDS) },
  thresholds: thresholds.rules(thresholds.answered(0, REQUESTS), { lost: [`count<=${ALLOWED}`] }),
  summaryTrendStats: trendStats,
};

export const setup = () => arrive(SECONDS);

export default function (target: Target): void {
  const answer = ask(target, exec.scenario.iterationInTest);
  settle(answer);
  lost.add(answer.outcome === "failed" ? 1 : 0);
}

/**
 * One request, tried until it is answered, or can't be any more; each time at the next
 * gateway. It takes as long as all of its attempts and the pauses between them.
 */
function ask(target: Target, number: number): Answer {
  let milliseconds = 0;
  for (let attempt = 0; ; attempt++) {
    const edge = EDGES[(number + attempt) % EDGES.length] ?? "";
    const answer = read(target, edge, `prove-${number}`, attempt);
    attempts.add(1);
    if (attempt === 0) first.add(isAnswered(answer.outcome));
    milliseconds += answer.milliseconds;
    const isOver = answer.outcome !== "failed" || !answer.repeatable;
    if (isOver || attempt + 1 === ATTEMPTS) return { ...answer, milliseconds };
    // Full jitter: clients that failed together do not come back together.
    const pause = Math.random() * BACKOFF_MS * 2 ** attempt;
    sleep(pause / 1000);
    milliseconds += pause;
  }
}

/** The most that may be lost of so many requests, and still prove the goal; 0 where nothing does. */
function allowed(most: number): number {
  const isProof = (lost: number) => atMost(lost, REQUESTS, 1 - GOAL) <= 0.05;
  let lost = most;
  while (lost > 0 && !isProof(lost)) lost--;
  return lost;
}

/** What the run proves, in words. */
function proof(sent: number, gone: number): string {
  const bound = proven(gone, sent);
  const seen = `${count(sent)} requests with ${count(gone)} lost`;
  const said = `${seen} prove at least ${percent(bound)} (one-sided, 95 %, Clopper-Pearson)`;
  if (bound >= GOAL) return `${said}: ${GOAL_TEXT} is proven`;
  // So many that it would take hours to make up for them.
  if (gone > 100) return `${said}, not ${GOAL_TEXT}`;
  return `${said}; ${GOAL_TEXT} with ${count(gone)} lost takes ${count(needed(GOAL, gone))} requests`;
}

export function handleSummary(data: Data): Record<string, string> {
  const [sent, gone, tried] = [value(data, "requests"), value(data, "lost"), value(data, "attempts")];
  const naive = availability(data, "first_attempts");
  const limits = `each tried up to ${ATTEMPTS} times, at most ${ALLOWED} lost`;
  const title = `prove-availability: ${count(REQUESTS)} requests at ${RATE}/s, ${limits}, open model`;
  const lines = [
    ...overall(data),
    `attempts      ${count(tried)}, ${(tried / Math.max(sent, 1)).toFixed(4)} for one request`,
    `without them  ${percent(naive.share)}  (${interval(naive)}, 99 %, Wilson): first attempts alone`,
    `proof         ${proof(sent, gone)}`,
    ...hops(data),
  ];
  return report(title, data, lines, {
    proof: {
      requests: sent,
      lost: gone,
      allowed: ALLOWED,
      bound: proven(gone, sent),
      confidence: 0.95,
      method: "Clopper-Pearson, one-sided",
    },
    attempts: tried,
    first_attempts: naive,
  });
}
