/** Faults of a service, changed through its admin listener while a run goes on. */

import http from "k6/http";
import { text, urls } from "./settings.ts";
import { abort } from "./target.ts";

/** What `GET /faults` shows and `PUT /faults` takes. */
export interface FaultSet {
  seed: number;
  begin_ms?: number;
  faults: { id: string; [key: string]: unknown }[];
}

/** Our own fault among those that a service may have already. */
const ID = "k6-fault-window";

const ADMINS = urls(
  "NINES_ADMIN_URL",
  "the admin listener of the service that is to fail, for example http://127.0.0.1:9090",
);
const TOKEN = text("NINES_ADMIN_TOKEN", "the token that changes faults");

/** The faults in force, of each replica, without one that an earlier run left. */
export function look(): FaultSet[] {
  return ADMINS.map((url) => {
    const answer = http.get(`${url}/faults`, { timeout: "10s", tags: { to: "admin" } });
    if (answer.status !== 200) abort(`NINES_ADMIN_URL: ${url}/faults: ${told(answer)}`);
    const set = answer.json() as unknown as FaultSet;
    return { ...set, faults: set.faults.filter(({ id }) => id !== ID) };
  });
}

/** Puts a fault in force at every replica, beside those that were there. */
export function add(sets: FaultSet[], kind: string, probability: number): void {
  put(sets.map((set) => ({ ...set, faults: [...set.faults, { id: ID, kind, probability }] })));
}

/** Puts back what was there; also what shows whether the token is good. */
export function put(sets: FaultSet[]): void {
  sets.forEach((set, i) => {
    const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
    const url = `${ADMINS[i]}/faults`;
    const answer = http.put(url, JSON.stringify(set), { headers, timeout: "10s", tags: { to: "admin" } });
    if (answer.status === 401 || answer.status === 403) {
      abort(`NINES_ADMIN_TOKEN: ${url} refuses it: ${told(answer)}`);
    }
    if (answer.status !== 200) abort(`${url}: ${told(answer)}`);
  });
}

function told(answer: { status: number; body: unknown; error: string }): string {
  return answer.status === 0 ? answer.error : `status ${answer.status}: ${String(answer.body).slice(0, 300)}`;
}
