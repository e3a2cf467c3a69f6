/** One request for a page, as an attempt of a client: what is sent, and what came of it. */

import http from "k6/http";
import { Counter, Rate, Trend } from "k6/metrics";
import { count } from "./hops.ts";
import { number, share } from "./settings.ts";
import { type Target, hexadecimal } from "./target.ts";

/** How long an answer is waited for. */
export const TIMEOUT_SECONDS = number("NINES_TIMEOUT", 5, 0.01, 60);
/** The share of requests whose traces are kept, where services leave that to their caller. */
const TRACED = share("NINES_TRACED", 1);

const availability = new Rate("availability");
const degraded = new Counter("degraded");
const latency = new Trend("latency", true);

/** What came of an attempt. */
export interface Answer {
  outcome: "ok" | "degraded" | "failed";
  /** From the request to the end of the answer, with the wait for a connection. */
  milliseconds: number;
  /** Whether the same request may be sent again, and might succeed. */
  repeatable: boolean;
}

/** Reads the page of the token's user from `edge`. */
export function read(target: Target, edge: string, request: string, attempt = 0): Answer {
  const answer = http.get(`${edge}/v1/me`, {
    headers: headers(target, request, attempt),
    timeout: TIMEOUT_SECONDS * 1000,
    tags: { to: "page", name: "/v1/me" },
  });
  count(answer.headers["Server-Timing"]);
  const { blocked, connecting, tls_handshaking, duration } = answer.timings;
  return {
    outcome: outcome(answer.status, answer.headers["Nines-Outcome"]),
    milliseconds: blocked + connecting + tls_handshaking + duration,
    repeatable: isRepeatable(answer.status, answer.body),
  };
}

/** Counts a request by what became of it in the end; the latency is that of answered ones. */
export function settle({ outcome, milliseconds }: Pick<Answer, "outcome" | "milliseconds">): void {
  availability.add(outcome !== "failed");
  degraded.add(outcome === "degraded" ? 1 : 0);
  if (outcome !== "failed") latency.add(milliseconds);
}

/**
 * The request's id, and which attempt it is: faults are drawn from both. k6 keeps no spans of
 * its own, so the trace begins at the gateway; its id is made here, so that it could be found.
 */
function headers({ token, run }: Target, request: string, attempt: number): Record<string, string> {
  const kept = Math.random() < TRACED ? "01" : "00";
  return {
    authorization: `Bearer ${token}`,
    "x-request-id": `${run}-${request}`,
    "nines-attempt": `gateway:${attempt}`,
    traceparent: `00-${hexadecimal(32)}-${hexadecimal(16)}-${kept}`,
  };
}

/** The request is known to be good: whatever is not the page is a failure. */
function outcome(status: number, header: string | undefined): Answer["outcome"] {
  if (status !== 200) return "failed";
  return header === "degraded" ? "degraded" : "ok";
}

/** A page may be read again; whether that can help, the answer says where there is one. */
function isRepeatable(status: number, body: unknown): boolean {
  if (status === 0) return true;
  if (status < 500 && status !== 429) return false;
  try {
    return (JSON.parse(String(body)) as { retryable?: boolean }).retryable ?? true;
  } catch {
    // A proxy's page, not one of our problems.
    return true;
  }
}
