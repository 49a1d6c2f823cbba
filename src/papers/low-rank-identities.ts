/** Identities of low-rank feed-forward layers: operations, and the error of truncated decompositions. */
import { evaluate, flopCount, key, matmul, normal, zeros } from "../array/index.ts";
import { decoder } from "../models/index.ts";
import { ffn, structuredFfn } from "../nn/index.ts";
import { truncatedSvd } from "../surgery/index.ts";
import { type LanguageModel, type LanguageSetting, languageModelFlops } from "../train/index.ts";
import { lowRank } from "./low-rank-generation.ts";
import { familyConfig } from "./structured-sizes.ts";

/** Operations for a block of this rank over those of the dense one. */
export function operationsOver(width: number, rank: number): number {
  const x = zeros([1, width]);
  const [dense, low] = [
    ffn({ width, hidden: 4 * width }),
    structuredFfn({ width, hidden: 4 * width, form: "lowRank", rank }),
  ];
  return flopCount(low.apply, low.init(key(0)), x) / flopCount(dense.apply, dense.init(key(0)), x);
}

/** Operations of training by the published formula over those in the graph: of dense and low-rank models the one farther from 1. */
export function formulaOverGraph(setting: LanguageSetting): number {
  const { vocabulary, width, depth, budget } = setting;
  const shape = { ...setting, context: budget.context };
  const ratios = [undefined, lowRank(width, 1 / 4)].map((layer) => {
    const { training } = languageModelFlops(decoder(familyConfig(shape, layer)) as LanguageModel, budget.context);
    const attention = 2 * (2 * width * width + 2 * width * width + 2 * budget.context * width);
    const dense = 2 * 8 * width * width;
    const weights = dense + (depth - 1) * (layer ? (5 / 16) * dense : dense);
    return (3 * (depth * attention + weights + 2 * vocabulary * width)) / training;
  });
  return ratios.reduce((far, ratio) => (Math.abs(ratio - 1) > Math.abs(far - 1) ? ratio : far));
}

/** How far the error of a truncated decomposition is from the sum of the squares that were left out, relatively. */
export async function truncationError(): Promise<number> {
  const weight = await evaluate(normal(key(6), [24, 96], { std: 0.02, dtype: "float64" }));
  const whole = truncatedSvd(weight, 24);
  // Each factor has the roots of the singular values, so the squared lengths of its columns are these values.
  const values = Array.from({ length: 24 }, (_, j) =>
    Array.from({ length: 24 }, (_, i) => Number(whole.inner.data[24 * i + j]) ** 2).reduce((a, b) => a + b),
  );
  const rank = 6;
  const { inner, weight: outer } = truncatedSvd(weight, rank);
  const near = await evaluate(matmul(inner, outer));
  const error = near.data as Float64Array;
  const squares = error.reduce((total, value, i) => total + (value - Number(weight.data[i])) ** 2, 0);
  const left = values.slice(rank).reduce((total, value) => total + value ** 2, 0);
  return Math.abs(squares / left - 1);
}
