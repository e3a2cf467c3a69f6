/** One request for a page, as an attempt of a client: what is sent, and what came of it. */

import http from "k6/http";
import { Counter, Rate, Trend } from "k6/metrics";
import { count } from "./hops.ts";
import { number, share } from "./settings.ts";
import { type Target, hexadecimal, token } from "./target.ts";

/** How long an answer is waited for. */
export const TIMEOUT_SECONDS = number("NINES_TIMEOUT", 5, 0.01, 60);
/** The share of requests whose traces are kept, where services leave that to their caller. */
const TRACED = share("NINES_TRACED", 1);

const requests = new Counter("requests");
const answered = new Counter("answered");
const rejected = new Counter("rejected");
const availability = new Rate("availability");
const degraded = new Counter("degraded");
const latency = new Trend("latency", true);

/** `rejected`: the gateway takes the request itself to be wrong, which says nothing about the chain. */
export type Outcome = "ok" | "degraded" | "failed" | "rejected";

/** What came of an attempt. */
export interface Answer {
  outcome: Outcome;
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
  if (isRejected(answer.status)) complain(answer.status, answer.body);
  const { blocked, connecting, tls_handshaking, duration } = answer.timings;
  return {
    outcome: outcome(answer.status, answer.headers["Nines-Outcome"]),
    milliseconds: blocked + connecting + tls_handshaking + duration,
    repeatable: isRepeatable(answer.status, answer.body),
  };
}

/** Whether the client got its page. */
export function isAnswered(outcome: Outcome): boolean {
  return outcome === "ok" || outcome === "degraded";
}

/**
 * Counts a request by its final outcome. The latency is that of answered requests; the availability leaves out rejected
 * ones, which invalidate the run.
 */
export function settle({ outcome, milliseconds }: Pick<Answer, "outcome" | "milliseconds">): void {
  requests.add(1);
  rejected.add(outcome === "rejected" ? 1 : 0);
  degraded.add(outcome === "degraded" ? 1 : 0);
  if (outcome !== "rejected") availability.add(isAnswered(outcome));
  if (!isAnswered(outcome)) return;
  answered.add(1);
  latency.add(milliseconds);
}

/** k6 has it; its types have not. */
declare const console: { error(text: string): void };

let hasComplained = false;

/** Prints the first rejection that this virtual user receives. */
function complain(status: number, body: unknown): void {
  if (hasComplained) return;
  hasComplained = true;
  console.error(`the gateway rejects a request as wrong: status ${status}: ${String(body).slice(0, 300)}`);
}

/**
 * The request's id, and which attempt it is: faults are drawn from both. k6 keeps no spans of
 * its own, so the trace begins at the gateway; its id is made here, so that it could be found.
 */
function headers(target: Target, request: string, attempt: number): Record<string, string> {
  const kept = Math.random() < TRACED ? "01" : "00";
  return {
    authorization: `Bearer ${token(target)}`,
    "x-request-id": `${target.run}-${request}`,
    "nines-attempt": `gateway:${attempt}`,
    traceparent: `00-${hexadecimal(32)}-${hexadecimal(16)}-${kept}`,
  };
}

/** A client error: the requests are wrong, or one client asks for more than it may (429). */
function isRejected(status: number): boolean {
  return status >= 400 && status < 500;
}

function outcome(status: number, header: string | undefined): Outcome {
  if (isRejected(status)) return "rejected";
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
