import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "../lib/hops.ts";
import { knee } from "../lib/knee.ts";
import { type Data, availability, broken, invalid, report } from "../lib/summary.ts";
import { count, interval, milliseconds, percent } from "../lib/words.ts";

type Values = Record<string, Record<string, number>>;
const data = (values: Values): Data => ({
  metrics: Object.fromEntries(Object.entries(values).map(([name, values]) => [name, { values }])),
  state: { testRunDurationMs: 1 },
});
const good: Values = {
  requests: { count: 9 },
  rejected: { count: 0 },
  availability: { passes: 9, fails: 0 },
};

test("a run without a request is invalid and gets no verdict, though no threshold is broken", () => {
  const nothing = data({ availability: { passes: 0, fails: 0 }, requests: { count: 0 } });
  const printed = report("title", nothing, ["the conclusion"], {})["stdout"] ?? "";
  assert.match(printed, /✗ INVALID: .*: no request was sent/);
  assert.doesNotMatch(printed, /✔|100\.00 %|the conclusion/);
});

test("a run that gave up is invalid, whatever it sent before", () => {
  assert.match(invalid(data({ ...good, aborted: { count: 1 } })) ?? "", /gave up/);
});

test("rejected requests make a run invalid", () => {
  assert.match(invalid(data({ ...good, rejected: { count: 3 } })) ?? "", /3 of 9 requests were rejected/);
});

test("a run whose thresholds hold gets a tick, and its conclusion", () => {
  const printed = report("title", data(good), ["the conclusion"], {})["stdout"] ?? "";
  assert.match(printed, /the conclusion\n\n✔/);
});

test("a broken threshold is named, and there is no tick", () => {
  const one = data(good);
  one.metrics["availability"] = { values: good["availability"] ?? {}, thresholds: { "rate>=1": { ok: false } } };
  assert.deepEqual(broken(one), ["availability: rate>=1"]);
  const printed = report("title", one, [], {})["stdout"] ?? "";
  assert.match(printed, /✗ availability: rate>=1/);
  assert.doesNotMatch(printed, /✔/);
});

test("a share of nothing is unknown, and prints as such", () => {
  const { share } = availability(data({}));
  assert.ok(Number.isNaN(share));
  assert.equal(percent(share), "?");
});

test("numbers are printed with commas and units; nearly all is never all", () => {
  assert.deepEqual([count(120_000), count(999)], ["120,000", "999"]);
  assert.deepEqual([percent(0.9606), percent(0.999875), percent(0.9999996), percent(1)],
    ["96.06 %", "99.9875 %", "99.9999600 %", "100.00 %"]);
  assert.equal(interval({ low: 0.9, high: 0.95 }), "90.00 – 95.00 %");
  assert.deepEqual([milliseconds(1.5), milliseconds(2500), milliseconds(undefined)], ["1.50 ms", "2.50 s", "?"]);
});

test("Server-Timing names each hop with its duration and outcome", () => {
  assert.deepEqual(parse('auth;dur=1.234;desc="ok", profile;dur=2.0;desc="ok", database;dur=0.9;desc="failed"'), [
    { name: "auth", milliseconds: 1.234, outcome: "ok" },
    { name: "profile", milliseconds: 2, outcome: "ok" },
    { name: "database", milliseconds: 0.9, outcome: "failed" },
  ]);
});

test("entries of Server-Timing without a duration are left out", () => {
  assert.deepEqual(parse("").length, 0);
  assert.deepEqual(parse("cache, cdn;desc=hit, auth;dur=1").map(({ name }) => name), ["auth"]);
});

const step = (rate: number, ...reasons: string[]) => ({ rate, reasons });

test("the knee is between the last step that is kept and the next", () => {
  assert.equal(knee([step(1), step(2), step(3, "slow")]), "the target keeps up to 2/s, no longer at 3/s: slow");
  assert.match(knee([step(1), step(2)]), /^the target keeps up to 2\/s, the last step/);
  assert.match(knee([step(1, "slow"), step(2, "late")]), /with any step, no longer at 1\/s: slow$/);
});

test("a step that fails below one that is kept was disturbed, and is not the knee", () => {
  assert.match(knee([step(1), step(2, "late"), step(3)]), /up to 3\/s.*disturbed at 2\/s: late/);
});
