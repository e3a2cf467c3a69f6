/** Whom a run calls, and as whom. */

import { sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { text, urls } from "./settings.ts";

/** Known once the run begins. */
export interface Target {
  token: string;
  /** In the id of every request, so that one run's requests are not another's. */
  run: string;
}

/** The gateways: requests go to them in turn. */
export const EDGES = urls("NINES_URL", "where the gateway is, for example http://127.0.0.1:8080");

const TOKEN = __ENV["NINES_TOKEN"]?.trim();
const USER = text("NINES_USER", "whose page is read", "user-1");
const PASSWORD = text("NINES_PASSWORD", "the user's password", "password-1");
/** A chain with faults may need several tries, and one that is just starting a moment. */
const TRIES = 20;
const PAUSE_SECONDS = 0.1;

/** A k6 `setup`: logs in, unless there is a token, and finds out whether it is good. */
export function arrive(): Target {
  const run = text("NINES_RUN", "a name for the run", hexadecimal(8));
  if (!/^[\w.-]{1,24}$/.test(run)) {
    throw new Error(`NINES_RUN is "${run}"; allowed: 1 to 24 letters, digits, ".", "_" or "-"`);
  }
  const token = TOKEN || logIn();
  check(token);
  return { token, run };
}

/** Ends the run, with exit code 108. */
export function abort(why: string): never {
  exec.test.abort(why);
  throw new Error(why);
}

/** So many random hexadecimal digits. */
export function hexadecimal(digits: number): string {
  let text = "";
  while (text.length < digits) {
    text += Math.floor(Math.random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  }
  return text.slice(0, digits);
}

function logIn(): string {
  const body = JSON.stringify({ username: USER, password: PASSWORD });
  const headers = { "content-type": "application/json" };
  const answer = persist("logging in", (edge) =>
    http.post(`${edge}/v1/login`, body, { headers, timeout: "10s", tags: { to: "login" } }),
  );
  if (answer.status === 200) return (answer.json() as { token: string }).token;
  return abort(`NINES_USER and NINES_PASSWORD: the gateway refuses the password of "${USER}"`);
}

function check(token: string): void {
  const headers = { authorization: `Bearer ${token}` };
  const answer = persist("reading a page", (edge) =>
    http.get(`${edge}/v1/me`, { headers, timeout: "10s", tags: { to: "check" } }),
  );
  if (answer.status === 200) return;
  abort(`NINES_TOKEN: the gateway refuses it (status ${answer.status}); leave it out to log in as ${USER}`);
}

type Answer = ReturnType<typeof http.get>;

/** Tries until somebody is let in, or is told that they may not; gives up with the reason. */
function persist(doing: string, send: (edge: string) => Answer): Answer {
  let why = "";
  for (let number = 0; number < TRIES; number++) {
    const edge = EDGES[number % EDGES.length] ?? "";
    const answer = send(edge);
    if ([200, 401, 403].includes(answer.status)) return answer;
    why = answer.status === 0 ? `${edge}: ${answer.error}` : `${edge}: status ${answer.status}`;
    // Somebody else: that does not change by asking again.
    if (answer.status === 404) break;
    sleep(PAUSE_SECONDS);
  }
  return abort(`NINES_URL: ${doing} failed: ${why}`);
}
