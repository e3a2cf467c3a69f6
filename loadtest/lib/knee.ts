/** At which step of a rising load a target no longer keeps up. */

/** A step, and what keeps it from counting as kept; nothing if it is. */
export interface Step {
  rate: number;
  reasons: string[];
}

/**
 * The steps from the first on from which none is kept, in words. One that is not kept though
 * a higher one is was disturbed by something else than its rate.
 */
export function knee(steps: Step[]): string {
  const last = steps.map(({ reasons }) => reasons.length === 0).lastIndexOf(true);
  const [kept, broken] = [steps[last], steps[last + 1]];
  const disturbed = steps.slice(0, Math.max(last, 0)).filter(({ reasons }) => reasons.length > 0);
  return [
    kept === undefined ? "the target does not keep up with any step" : `the target keeps up to ${kept.rate}/s`,
    broken === undefined ? "the last step: NINES_STEPS takes it further" : `no longer at ${told(broken)}`,
    ...disturbed.map((step) => `disturbed at ${told(step)}; but a higher rate was kept`),
  ].join(", ");
}

function told({ rate, reasons }: Step): string {
  return `${rate}/s: ${reasons.join(", ")}`;
}
