/** Runs a script under the stand-in for k6: `node run.js SCRIPT.js`. The exit codes are those of k6. */
import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { type Call, milliseconds } from "./api.js";
import { Metrics } from "./metrics.js";

const EXIT = { brokenThreshold: 99, interrupted: 105, exception: 107, aborted: 108 };
type Scenario = { exec?: string; startTime?: string; rate?: number; duration?: string; preAllocatedVUs?: number };

const fail = (error: unknown) => [console.error(String(error)), process.exit(EXIT.exception)];
const file = pathToFileURL(process.argv[2] ?? "").href;
const script = await import(file).catch(fail);
const scenarios: Record<string, Scenario> = script.options.scenarios;
const metrics = new Metrics(script.options.thresholds);
const most = Math.max(...Object.values(scenarios).map(({ preAllocatedVUs = 1 }) => preAllocatedVUs));
const stopped = new AbortController();
let code = 0;

function stop(why: number, text: string): void {
  console.error(text);
  code ||= why;
  stopped.abort();
}

/** Sends a request of a virtual user; status 0 if there is no answer. */
async function exchange({ url, timeout, ...request }: Record<string, any>): Promise<object> {
  const start = performance.now();
  try {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(timeout) });
    // k6 writes the names of headers like `Server-Timing`.
    const named = [...answer.headers].map(([name, text]) => [name.replace(/\b[a-z]/g, (c) => c.toUpperCase()), text]);
    const text = await answer.text();
    const headers = Object.fromEntries(named);
    return { status: answer.status, body: text, headers, duration: performance.now() - start };
  } catch (error) {
    return { status: 0, body: null, headers: {}, error: String((error as Error).cause ?? error), duration: 0 };
  }
}

/** Starts a virtual user; gives the function that makes it call a function of the script. */
function virtualUser(): (call: Call) => Promise<{ result?: unknown; error?: string }> {
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./api.js", import.meta.url), { workerData: { file, answered } }).on("error", fail);
  let done: (message: object) => void;
  worker.on("message", async (message) => {
    if (message.type === "sample") metrics.add(message.metric, message.value, message.tags);
    if (message.type === "abort") stop(EXIT.aborted, `test aborted: ${message.why}`);
    if (message.type === "done") done(message);
    if (message.type !== "request") return;
    metrics.add("http_reqs", 1, message.tags);
    worker.postMessage(await exchange(message));
    Atomics.store(answered, 0, 1);
    Atomics.notify(answered, 0);
  });
  return (call) => new Promise((resolve) => [(done = resolve), worker.postMessage(call)]);
}

const first = virtualUser();
// A thread takes long to start: some are ready before the load starts, the others start when they are needed.
const idle = [first, ...Array.from({ length: Math.min(most, 6) - 1 }, virtualUser)];
let users = idle.length;
const underWay: Promise<void>[] = [];

/** Runs an iteration, or drops it if all virtual users are busy. */
async function iterate(name: string, exec: string, iterationInTest: number, argument: unknown): Promise<void> {
  const user = idle.shift() ?? (users < most && users++ ? virtualUser() : undefined);
  if (user === undefined) return metrics.add("dropped_iterations", 1, { scenario: name });
  const { error } = await user({ name: exec, argument, scenario: { name, iterationInTest } });
  idle.push(user);
  if (error !== undefined) console.error(`${name}: ${error}`);
}

/** Starts the iterations of a scenario when they are due, until the run is stopped. */
async function play(name: string, start: number, argument: unknown): Promise<void> {
  const { exec = "default", rate = 1, duration = "1ms", startTime = "0s" } = scenarios[name] ?? {};
  for (let i = 0; (i * 1000) / rate < milliseconds(duration); i++) {
    const wait = Math.max(start + milliseconds(startTime) + (i * 1000) / rate - performance.now(), 0);
    await setTimeout(wait, undefined, { signal: stopped.signal }).catch(() => {});
    if (stopped.signal.aborted) return;
    underWay.push(iterate(name, exec, i, argument));
  }
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop(EXIT.interrupted, "interrupted"));
const start = performance.now();
const { result: setup_data, error } = await first({ name: "setup" });
if (error === undefined) {
  await Promise.all(idle.map((user) => user({ name: "no function, only an answer" })));
  await Promise.all(Object.keys(scenarios).map((name) => play(name, performance.now(), setup_data)));
  await Promise.all(underWay);
  await first({ name: "teardown", argument: setup_data });
} else stop(EXIT.exception, error);

const summary = metrics.summary(script.options.summaryTrendStats);
const data = { metrics: summary, state: { testRunDurationMs: performance.now() - start }, setup_data };
for (const [target, text] of Object.entries(script.handleSummary(data) as Record<string, string>)) {
  writeFileSync(target === "stdout" ? process.stdout.fd : target, text);
}
const isBroken = Object.values(summary).some(({ thresholds }) => Object.values(thresholds).some(({ ok }) => !ok));
process.exit(code || (isBroken ? EXIT.brokenThreshold : 0));
