/** The chain that a run calls, and the user on whose behalf. */

import { sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { text, urls } from "./settings.ts";
import { type Session, end, fresh, given, renewal } from "./token.ts";

/** What `setup` hands to every virtual user. */
export interface Target {
  session: Session;
  /** Whether the scripts logged in, and can do so again. */
  renewable: boolean;
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
/** The pause after a login that failed while the old token is still good. */
const LOGIN_PAUSE_MS = 1000;

/** Counts runs that gave up: k6 calls `handleSummary` for them too, and no threshold has to fail. */
const aborted = new Counter("aborted");

/**
 * A k6 `setup` for a run of `seconds`: logs in, unless NINES_TOKEN is set, and checks that the gateway accepts the token.
 * A token that cannot be renewed must outlast the run.
 */
export function arrive(seconds: number): Target {
  const run = text("NINES_RUN", "a name for the run", hexadecimal(8));
  if (!/^[\w.-]{1,24}$/.test(run)) {
    throw new Error(`NINES_RUN is "${run}"; allowed: 1 to 24 letters, digits, ".", "_" or "-"`);
  }
  const session = TOKEN ? given(TOKEN) : logIn();
  check(session.token);
  const left = (end(session) - Date.now()) / 1000;
  if (TOKEN && left < seconds) {
    const lengths = `it expires in ${Math.max(Math.floor(left), 0)} s, and the run takes ${Math.ceil(seconds)} s`;
    abort(`NINES_TOKEN: ${lengths}; leave it out to log in as ${USER}, which renews the token`);
  }
  return { session, renewable: !TOKEN, run };
}

/** The token of this virtual user, which has its own copy of this module. */
let current: (Session & { renewAt: number }) | undefined;

/** A token that is good now. Logs in again before the old one expires; ends the run if that fails. */
export function token({ session, renewable }: Target): string {
  if (!renewable) return session.token;
  current ??= scheduled(session);
  if (Date.now() >= current.renewAt) current = renewed(current);
  return current.token;
}

function scheduled(session: Session) {
  return { ...session, renewAt: renewal(session, Math.random()) };
}

function renewed(old: Session) {
  // A token that has expired is of no use: then the login is tried until it succeeds, or the run ends.
  if (Date.now() >= end(old)) return scheduled(logIn());
  const from = Date.now();
  const answer = sendLogin(EDGES[Math.floor(Math.random() * EDGES.length)] ?? "");
  if (answer.status === 200) return scheduled(fresh(tokenOf(answer), from));
  return { ...old, renewAt: Date.now() + LOGIN_PAUSE_MS };
}

/** Ends the run, with exit code 108. */
export function abort(why: string): never {
  aborted.add(1);
  exec.test.abort(why);
  throw new Error(why);
}

/** `digits` random hexadecimal digits. */
export function hexadecimal(digits: number): string {
  let text = "";
  while (text.length < digits) {
    text += Math.floor(Math.random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  }
  return text.slice(0, digits);
}

type Answer = ReturnType<typeof http.get>;

function logIn(): Session {
  let from = 0;
  const answer = persist("logging in", (edge) => {
    from = Date.now();
    return sendLogin(edge);
  });
  if (answer.status === 200) return fresh(tokenOf(answer), from);
  return abort(`NINES_USER and NINES_PASSWORD: the gateway refuses the password of "${USER}"`);
}

function sendLogin(edge: string): Answer {
  const body = JSON.stringify({ username: USER, password: PASSWORD });
  const headers = { "content-type": "application/json" };
  return http.post(`${edge}/v1/login`, body, { headers, timeout: "10s", tags: { to: "login" } });
}

function tokenOf(answer: Answer): string {
  return (answer.json() as { token: string }).token;
}

function check(token: string): void {
  const headers = { authorization: `Bearer ${token}` };
  const answer = persist("reading a page", (edge) =>
    http.get(`${edge}/v1/me`, { headers, timeout: "10s", tags: { to: "check" } }),
  );
  if (answer.status === 200) return;
  abort(`NINES_TOKEN: the gateway refuses it (status ${answer.status}); leave it out to log in as ${USER}`);
}

/** Tries until the gateway accepts or refuses the caller; ends the run if it does neither. */
function persist(doing: string, send: (edge: string) => Answer): Answer {
  let why = "";
  for (let number = 0; number < TRIES; number++) {
    const edge = EDGES[number % EDGES.length] ?? "";
    const answer = send(edge);
    if ([200, 401, 403].includes(answer.status)) return answer;
    why = answer.status === 0 ? `${edge}: ${answer.error}` : `${edge}: status ${answer.status}`;
    // Not a gateway: another try does not change that.
    if (answer.status === 404) break;
    sleep(PAUSE_SECONDS);
  }
  return abort(`NINES_URL: ${doing} failed: ${why}`);
}
