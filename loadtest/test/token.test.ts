import assert from "node:assert/strict";
import { test } from "node:test";
import { end, fresh, given, lifetime, renewal } from "../lib/token.ts";

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
const jwt = (claims: object) => `${encoded({ alg: "EdDSA" })}.${encoded(claims)}.c2lnbmF0dXJl`;
const [ISSUED, LIFE] = [1_700_000_000, 3600];
const token = jwt({ sub: "Zoë", iat: ISSUED, exp: ISSUED + LIFE });

test("a JWT says how long it is good", () => {
  assert.deepEqual(lifetime(token), { issued: ISSUED, expires: ISSUED + LIFE });
});

test("a token that does not say how long it is good is never replaced", () => {
  for (const other of ["", "abc", "a.b.c", jwt({ sub: "u" }), jwt({ iat: "1", exp: 2 })]) {
    assert.equal(lifetime(other), undefined);
    assert.equal(renewal(fresh(other, 5), 0), Number.POSITIVE_INFINITY);
    assert.equal(end(given(other)), Number.POSITIVE_INFINITY);
  }
});

test("a token is replaced between half and three quarters of its life, well before its end", () => {
  const session = fresh(token, 1000);
  assert.deepEqual([renewal(session, 0), renewal(session, 1)], [1000 + LIFE * 500, 1000 + LIFE * 750]);
  assert.equal(end(session), 1000 + (LIFE - 1) * 1000);
});

test("the life of a fresh token counts from the login, whatever the server's clock says", () => {
  assert.deepEqual(fresh(token, 42), { token, from: 42, seconds: LIFE });
  assert.deepEqual(given(token), { token, from: ISSUED * 1000, seconds: LIFE });
});
