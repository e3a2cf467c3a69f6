/** What counts are worth: intervals and bounds of a share, exact where it matters. */

/** An estimate lies between these two. */
export interface Interval {
  low: number;
  high: number;
}

/** The quantile of the normal distribution for two-sided intervals of 99 %. */
export const Z99 = 2.5758293035489004;

/** Wilson's interval of 99 % for a share of `n`; without any observation everything is possible. */
export function wilson(successes: number, n: number): Interval {
  if (n === 0) return { low: 0, high: 1 };
  const share = successes / n;
  const z2 = Z99 * Z99;
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z99 / (1 + z2 / n)) * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n));
  // At the ends the formula is exact, and rounding would hide it.
  return {
    low: successes === 0 ? 0 : middle - half,
    high: successes === n ? 1 : middle + half,
  };
}

/** The chance of at most `k` failures among `n` requests that each fail with `p`. */
export function atMost(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  if (k >= n || p === 0) return 1;
  if (p === 1) return 0;
  // In logarithms: the first terms of a large `n` are too small for a number.
  const odds = Math.log(p) - Math.log1p(-p);
  let term = n * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let i = 0; i < k; i++) {
    term += Math.log((n - i) / (i + 1)) + odds;
    sum += Math.exp(term);
  }
  return Math.min(sum, 1);
}

/**
 * The availability that `n` requests with `lost` lost prove: the one-sided lower bound of
 * Clopper and Pearson, which is exact. With any availability below it, so few would be lost
 * in at most `1 - confidence` of all tests.
 */
export function proven(lost: number, n: number, confidence = 0.95): number {
  if (lost >= n) return 0;
  let [low, high] = [0, 1];
  for (let halvings = 0; halvings < 60; halvings++) {
    const middle = (low + high) / 2;
    if (atMost(lost, n, middle) > 1 - confidence) low = middle;
    else high = middle;
  }
  return 1 - high;
}

/** The fewest requests, with `lost` of them lost, that prove the availability `share`. */
export function needed(share: number, lost: number, confidence = 0.95): number {
  let [none, enough] = [lost, lost + 1];
  while (proven(lost, enough, confidence) < share) enough *= 2;
  while (enough - none > 1) {
    const middle = Math.floor((none + enough) / 2);
    if (proven(lost, middle, confidence) < share) none = middle;
    else enough = middle;
  }
  return enough;
}

/**
 * The shares that `n` requests show which each succeed with `share`, in all but one test in
 * a million: outside of it, something else is going on.
 */
export function expected(share: number, n: number): Interval {
  if (share <= 0 || share >= 1) return { low: share, high: share };
  const [tail, odds] = [5e-7, Math.log1p(-share) - Math.log(share)];
  let [most, least, failures] = [0, 0, 0];
  let term = n * Math.log(share);
  for (let sum = Math.exp(term); sum <= 1 - tail && failures < n; sum += Math.exp(term)) {
    if (sum < tail) least = failures + 1;
    term += Math.log((n - failures) / (failures + 1)) + odds;
    most = ++failures;
  }
  return { low: 1 - most / n, high: 1 - least / n };
}

/**
 * The ranks, as percentages, between which the percentile `p` of `n` values lies with 99 %,
 * whatever their distribution; above 100 where the largest of them is too small to tell.
 */
export function ranks(p: number, n: number): Interval {
  const share = p / 100;
  const half = Z99 * Math.sqrt((share * (1 - share)) / n);
  return { low: 100 * Math.max(share - half, 0), high: 100 * (share + half + 1 / n) };
}
