/** BLEU: how many of the pieces of a translation occur in its reference. */

export interface BleuOptions {
  /** Length of the longest pieces; 4 by default. */
  readonly order?: number;
}

/** What makes up a BLEU score. */
export interface BleuScore {
  /** From 0 to 100. */
  readonly score: number;
  /** Share of pieces of each length, from 1 on, that occur in the reference. */
  readonly precisions: readonly number[];
  /** Factor below 1 for translations that are shorter than their references in all. */
  readonly brevity: number;
}

/**
 * BLEU of a whole corpus with one reference each: `100·brevity·exp(mean over n of log pₙ)`. pₙ is the share of all
 * n-grams of the translations that occur in their references, each at most as often as there; `brevity` is
 * `exp(1 - r/c)` if the c words of all translations are fewer than the r words of all references, else 1. Without
 * smoothing: the score is 0 if a length has no match. Words come as lists of strings or numbers. Throws one sentence if
 * the two corpora differ in size, or are empty.
 * Source: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation", section 2.
 */
export function bleu(
  translations: readonly Sentence[],
  references: readonly Sentence[],
  { order = 4 }: BleuOptions = {},
): BleuScore {
  if (translations.length !== references.length || translations.length === 0)
    throw new RangeError(
      `bleu: expected as many translations as references and at least one, got ${translations.length} and ${references.length}`,
    );
  if (!Number.isInteger(order) || order < 1)
    throw new RangeError(`bleu: order must be a whole number of at least 1, got ${order}`);
  const matches = new Array<number>(order).fill(0);
  const totals = new Array<number>(order).fill(0);
  let [made, wanted] = [0, 0];
  translations.forEach((translation, i) => {
    const reference = references[i] as Sentence;
    made += translation.length;
    wanted += reference.length;
    for (let n = 1; n <= order; n++) {
      const known = countPieces(reference, n);
      for (const [piece, times] of countPieces(translation, n))
        (matches[n - 1] as number) += Math.min(times, known.get(piece) ?? 0);
      (totals[n - 1] as number) += Math.max(0, translation.length - n + 1);
    }
  });
  const precisions = matches.map((hits, i) => (hits === 0 ? 0 : hits / (totals[i] as number)));
  const brevity = made === 0 ? 0 : Math.min(1, Math.exp(1 - wanted / made));
  const logs = precisions.reduce((total, p) => total + Math.log(p), 0);
  return { score: 100 * brevity * Math.exp(logs / order), precisions, brevity };
}

type Sentence = ArrayLike<string> | ArrayLike<number>;

/** How often each run of `n` words occurs. */
function countPieces(sentence: Sentence, n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + n <= sentence.length; start++) {
    let piece = "";
    // A word's length before it keeps words apart, whatever they are made of.
    for (let i = start; i < start + n; i++) piece += `${String(sentence[i]).length}:${sentence[i]}`;
    counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  return counts;
}
