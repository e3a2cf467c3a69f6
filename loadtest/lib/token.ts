/** How long an access token is good, and when a virtual user replaces it. */

import encoding from "k6/encoding";

/** A token and its lifetime, by the clock of this machine. Plain data: `setup` hands it to every virtual user. */
export interface Session {
  token: string;
  /** When its lifetime started, in milliseconds since 1970. */
  from: number;
  /** How long it is good, in seconds; undefined for a token that does not say so. */
  seconds?: number;
}

/** When a JWT was issued and when it expires, in seconds since 1970. */
export interface Lifetime {
  issued: number;
  expires: number;
}

/** The part of its lifetime after which a token is replaced, at the earliest and at the latest. */
const RENEWAL = { earliest: 0.5, latest: 0.75 };
/** A JWT counts in whole seconds, and a request takes a moment: the last second of a token is not used. */
const MARGIN_SECONDS = 1;

/** The lifetime in a JWT (RFC 7519); undefined for any other token, and for a JWT without one. */
export function lifetime(token: string): Lifetime | undefined {
  try {
    const payload = encoding.b64decode(token.split(".")[1] ?? "", "rawurl", "s");
    const { iat, exp } = JSON.parse(payload) as { iat?: unknown; exp?: unknown };
    return typeof iat === "number" && typeof exp === "number" ? { issued: iat, expires: exp } : undefined;
  } catch {
    return undefined;
  }
}

/** A token received in answer to a login sent at `from`. The server's clock may differ from this one, so only the length counts. */
export function fresh(token: string, from: number): Session {
  const found = lifetime(token);
  return { token, from, ...(found && { seconds: found.expires - found.issued }) };
}

/** A token from elsewhere. When it was issued is known from its own claims only. */
export function given(token: string): Session {
  const found = lifetime(token);
  return fresh(token, (found?.issued ?? 0) * 1000);
}

/**
 * When a virtual user replaces the token, in milliseconds since 1970. `chance` is its own random number from 0 to 1: auth
 * limits the logins per minute, so the users of a run must not all log in at the same moment.
 */
export function renewal({ from, seconds = Number.POSITIVE_INFINITY }: Session, chance: number): number {
  return from + seconds * 1000 * (RENEWAL.earliest + chance * (RENEWAL.latest - RENEWAL.earliest));
}

/** The end of a token's use, in milliseconds since 1970. */
export function end({ from, seconds = Number.POSITIVE_INFINITY }: Session): number {
  return from + (seconds - MARGIN_SECONDS) * 1000;
}
