/** Whether tokens belong together, judged by a text and not by a model: similarity of the company they keep. */
import type { TokenFile } from "../data/index.ts";

/** Vectors of tokens from counts: rows of length 1, or 0 for tokens that were not met. */
export interface DistributionalVectors {
  /** `[vocabulary, contexts]`. */
  readonly rows: Float32Array;
  readonly contexts: number;
  /** How often each token occurs in the text. */
  readonly counts: Float64Array;
}

export interface DistributionalOptions {
  readonly vocabulary: number;
  /** The most frequent tokens, so many of them, are the contexts; 1,000 by default. */
  readonly contexts?: number;
  /** Tokens on each side that are a token's company; 5 by default. */
  readonly window?: number;
  /** Tokens of the text that are counted at most, from its start; 5 million by default. */
  readonly most?: number;
}

/** Tokens that are read at once. */
const PIECE = 2 ** 16;

/**
 * Positive pointwise mutual information of tokens with the most frequent tokens in a window around them, each row scaled
 * to length 1. Factorizing such a matrix is what word2vec and GloVe do in effect; the rows themselves serve as well where
 * there are few contexts.
 * Source: Bullinaria and Levy 2007; Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix Factorization".
 */
export function distributionalVectors(
  text: TokenFile,
  { vocabulary, contexts: wanted = 1000, window = 5, most = 5_000_000 }: DistributionalOptions,
): DistributionalVectors {
  const length = Math.min(text.length, most);
  const tokens = new Uint32Array(length);
  for (let start = 0; start < length; start += PIECE)
    tokens.set(text.read(start, Math.min(PIECE, length - start)), start);
  const counts = new Float64Array(vocabulary);
  for (const token of tokens) (counts[token] as number)++;
  const contexts = Math.min(wanted, vocabulary);
  const frequent = Array.from(counts.keys()).sort((a, b) => (counts[b] as number) - (counts[a] as number) || a - b);
  const columnOf = new Int32Array(vocabulary).fill(-1);
  frequent.slice(0, contexts).forEach((token, column) => {
    columnOf[token] = column;
  });
  const rows = new Float32Array(vocabulary * contexts);
  for (let at = 0; at < length; at++) {
    const column = columnOf[tokens[at] as number] as number;
    if (column < 0) continue;
    const [first, last] = [Math.max(0, at - window), Math.min(length - 1, at + window)];
    for (let near = first; near <= last; near++)
      if (near !== at) (rows[(tokens[near] as number) * contexts + column] as number)++;
  }
  toInformation(rows, contexts);
  return { rows, contexts, counts };
}

/** Counts become positive pointwise mutual information, and rows get length 1. */
function toInformation(rows: Float32Array, contexts: number): void {
  const rowTotals = new Float64Array(rows.length / contexts);
  const columnTotals = new Float64Array(contexts);
  let total = 0;
  rows.forEach((count, i) => {
    (rowTotals[Math.floor(i / contexts)] as number) += count;
    (columnTotals[i % contexts] as number) += count;
    total += count;
  });
  for (let row = 0; row < rowTotals.length; row++) {
    const own = rows.subarray(row * contexts, (row + 1) * contexts);
    let squares = 0;
    for (let c = 0; c < contexts; c++) {
      const count = own[c] as number;
      const expected = ((rowTotals[row] as number) * (columnTotals[c] as number)) / total;
      const information = count === 0 ? 0 : Math.max(0, Math.log(count / expected));
      own[c] = information;
      squares += information * information;
    }
    const length = Math.sqrt(squares);
    if (length > 0) for (let c = 0; c < contexts; c++) (own[c] as number) /= length;
  }
}

/**
 * Mean cosine of all pairs of tokens, from 0 to 1: how much they belong together. Tokens that were not met are similar to
 * none. It judges by company, so forms of one word, names of months and words of a topic all score; a set with a relation
 * that leaves no trace in the text does not.
 */
export function coherence({ rows, contexts }: DistributionalVectors, tokens: readonly number[]): number {
  // |Σ u|² is the sum over all pairs, each token with itself included.
  const sum = new Float64Array(contexts);
  let own = 0;
  for (const token of tokens) {
    const row = rows.subarray(token * contexts, (token + 1) * contexts);
    for (let c = 0; c < contexts; c++) {
      const value = row[c] as number;
      (sum[c] as number) += value;
      own += value * value;
    }
  }
  const all = sum.reduce((total, value) => total + value * value, 0);
  return (all - own) / (tokens.length * (tokens.length - 1));
}

/** Share of the values that are above that quantile of others: 0.05 on average, at 0.95, if both are drawn alike. */
export function shareAbove(values: readonly number[], others: readonly number[], quantile = 0.95): number {
  const sorted = [...others].sort((a, b) => a - b);
  const bound = sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] as number;
  return values.filter((value) => value > bound).length / values.length;
}
