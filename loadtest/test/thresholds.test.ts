import assert from "node:assert/strict";
import { test } from "node:test";
import { number, text, urls, whole } from "../lib/settings.ts";
import { answered, asked, latency, rules } from "../lib/thresholds.ts";

test("every set of thresholds needs a request, and none that was rejected", () => {
  const { requests, rejected, aborted } = rules();
  assert.deepEqual({ requests, rejected, aborted }, { requests: ["count>=1"], rejected: ["count==0"], aborted: ["count==0"] });
});

test("a minimum of 0 % still needs its requests", () => {
  assert.deepEqual(rules(answered(0, 99))["requests"], ["count>=1", "count>=99"]);
});

test("thresholds that only ask for a metric never replace its rules, in either order", () => {
  const [rule, shown] = [answered(1, 5, "x"), asked("requests{scenario:x}", "availability{scenario:x}")];
  for (const merged of [rules(rule, shown), rules(shown, rule)]) {
    assert.deepEqual([...(merged["requests{scenario:x}"] ?? [])].sort(), ["count>=0", "count>=5"]);
    assert.deepEqual([...(merged["availability{scenario:x}"] ?? [])].sort(), ["rate>=0", "rate>=1"]);
  }
});

test("a limit of the latency needs an answered request", () => {
  assert.deepEqual(latency(["p(99)<=5"], "x"), { "latency{scenario:x}": ["p(99)<=5"], "answered{scenario:x}": ["count>=1"] });
});

test("a setting that is missing or wrong is named, with its value and what is allowed", () => {
  const refused: [string, () => unknown, RegExp][] = [
    ["", () => text("NINES_X", "what it is"), /NINES_X is missing: what it is/],
    ["many", () => number("NINES_X", 1, 1, 9), /NINES_X is "many"; allowed: a number from 1 to 9/],
    ["", () => number("NINES_X", 1, 0, 9), /NINES_X is ""/],
    ["10", () => number("NINES_X", 1, 1, 9), /NINES_X is "10"/],
    ["1.5", () => whole("NINES_X", 1, 1, 9), /NINES_X is 1.5; allowed: a whole number from 1 to 9/],
    ["http://a, b", () => urls("NINES_X", "where"), /NINES_X has " b"; allowed: http:\/\/HOST:PORT/],
  ];
  for (const [value, read, why] of refused) {
    __ENV["NINES_X"] = value;
    assert.throws(read, why);
  }
});

test("addresses are read without spaces and without the slash at the end", () => {
  __ENV["NINES_X"] = "http://a:1/, https://b:2";
  assert.deepEqual(urls("NINES_X", "where"), ["http://a:1", "https://b:2"]);
});
