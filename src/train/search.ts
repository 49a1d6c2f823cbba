/** Choice of learning rates. */

/**
 * The learning rate at which each model scores highest. `score` trains all models at one rate, for as short as may be,
 * and gives a score by name on data held out for this choice, never on test data; the first of equal rates wins.
 */
export async function searchRates(
  rates: readonly number[],
  score: (rate: number) => Promise<{ readonly [name: string]: number }>,
): Promise<{ readonly [name: string]: number }> {
  const best: Record<string, { rate: number; score: number }> = {};
  for (const rate of rates) {
    for (const [name, value] of Object.entries(await score(rate))) {
      if (!best[name] || value > best[name].score) best[name] = { rate, score: value };
    }
  }
  return Object.fromEntries(Object.entries(best).map(([name, { rate }]) => [name, rate]));
}
