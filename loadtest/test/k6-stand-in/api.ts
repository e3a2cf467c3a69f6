/**
 * A stand-in for k6, so that the scripts can be tested without it; not a load generator. This file has the part of k6's
 * API that the scripts use, for all of k6's modules: its default export has the members of all of theirs. As in k6,
 * calls block: each virtual user is a thread, and the main thread (run.ts) sends its requests.
 */
import { isMainThread, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";

export type Tags = Record<string, string>;
type Parameters = { headers?: Tags; timeout?: number | string; tags?: Tags };
Object.assign(globalThis, { __ENV: process.env });
/** The kinds of all metrics: k6's own, and those that the script creates. */
export const kinds = new Map(["http_reqs", "dropped_iterations"].map((name) => [name, "counter"]));

/** The scenario and number of the iteration that runs; no scenario during setup and teardown. */
export const scenario = { name: "", iterationInTest: 0 };
/** The main thread sets it to 1 when it has sent an answer to this virtual user. */
const answered: Int32Array = isMainThread ? new Int32Array(1) : workerData.answered;

/** Hands a message to the main thread. */
function post(type: string, content: object, tags: Tags = {}): void {
  const all = scenario.name === "" ? tags : { ...tags, scenario: scenario.name };
  parentPort?.postMessage({ type, ...content, tags: all });
}

const metric = (kind: string) =>
  class {
    constructor(readonly name: string) {
      kinds.set(name, kind);
    }
    add(value: number | boolean, tags?: Tags): void {
      post("sample", { metric: this.name, value: Number(value) }, tags);
    }
  };
export const [Counter, Rate, Trend] = [metric("counter"), metric("rate"), metric("trend")] as const;

export function sleep(seconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}

/** Milliseconds from k6's notation: a number of them, or a text like `10s` or `10ms`. */
export function milliseconds(time: number | string): number {
  return Number.parseFloat(String(time)) * (/\ds$/.test(String(time)) ? 1000 : 1);
}

function send(method: string, url: string, body: string | null, { headers, timeout = "60s", tags }: Parameters = {}) {
  post("request", { method, url, body, headers, timeout: milliseconds(timeout) }, tags);
  Atomics.wait(answered, 0, 0);
  Atomics.store(answered, 0, 0);
  const answer = receiveMessageOnPort(parentPort!)?.message;
  const timings = { blocked: 0, connecting: 0, tls_handshaking: 0, duration: answer.duration };
  return { ...answer, timings, json: () => JSON.parse(answer.body) };
}

export default {
  get: (url: string, parameters?: Parameters) => send("GET", url, null, parameters),
  post: (url: string, body: string, parameters?: Parameters) => send("POST", url, body, parameters),
  put: (url: string, body: string, parameters?: Parameters) => send("PUT", url, body, parameters),
  scenario,
  test: { abort: (why: string) => post("abort", { why }) },
  b64decode: (text: string, _variant: "rawurl", _format: "s") => Buffer.from(text, "base64url").toString(),
};

/** A function of the script to call, and for which scenario. */
export type Call = { name: string; argument?: unknown; scenario?: typeof scenario };

function serve(script: Record<string, Function>, call: Call): void {
  Object.assign(scenario, call.scenario ?? { name: "" });
  try {
    post("done", { result: script[call.name]?.(call.argument) });
  } catch (error) {
    post("done", { error: String(error) });
  }
}
if (!isMainThread) import(workerData.file).then((script) => parentPort?.on("message", (call) => serve(script, call)));
