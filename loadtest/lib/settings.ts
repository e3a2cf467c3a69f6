/**
 * What a run is told by `-e NAME=VALUE` or the environment. A setting that is missing or wrong ends the run
 * before it begins, with its name, its value and what is allowed.
 */

/** A text; without a fallback it must be given. */
export function text(name: string, meaning: string, fallback?: string): string {
  const value = __ENV[name] ?? fallback;
  if (value === undefined || value.trim() === "") {
    throw new Error(`${name} is missing: ${meaning}; set it with -e ${name}=…`);
  }
  return value.trim();
}

/** A number within bounds. */
export function number(name: string, fallback: number, least: number, most: number): number {
  const given = __ENV[name];
  if (given === undefined) return fallback;
  const value = given.trim() === "" ? Number.NaN : Number(given);
  if (value >= least && value <= most) return value;
  throw new Error(`${name} is ${JSON.stringify(given)}; allowed: a number from ${least} to ${most}`);
}

/** A whole number within bounds. */
export function whole(name: string, fallback: number, least: number, most: number): number {
  const value = number(name, fallback, least, most);
  if (Number.isInteger(value)) return value;
  throw new Error(`${name} is ${value}; allowed: a whole number from ${least} to ${most}`);
}

/** A probability. */
export function share(name: string, fallback: number): number {
  return number(name, fallback, 0, 1);
}

/** Addresses with commas between them, without the slash at the end. */
export function urls(name: string, meaning: string): string[] {
  return text(name, meaning)
    .split(",")
    .map((url) => {
      if (/^https?:\/\/[^/\s]+\/?$/.test(url.trim())) return url.trim().replace(/\/$/, "");
      const allowed = "http://HOST:PORT or https://HOST:PORT, several with commas between them";
      throw new Error(`${name} has ${JSON.stringify(url)}; allowed: ${allowed}`);
    });
}
