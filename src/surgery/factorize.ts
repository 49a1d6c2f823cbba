/** Dense feed-forward layers as products of low rank, and structured ones as dense. */
import { Matrix, SVD } from "ml-matrix";
import { type Tensor, tensor } from "../array/index.ts";
import type { FfnConfig } from "../models/index.ts";
import {
  type FactorParams,
  type FfnParams,
  type LinearParams,
  type LowRankFactors,
  mergeFactors,
  type Structure,
  structuredLinear,
} from "../nn/index.ts";
import { type ConfiguredDecoder, replaceFfns } from "./replace.ts";

/**
 * The factors of the matrix of rank `rank` that is nearest to `weight: [inputs, outputs]` in the sum of squares, by its
 * singular value decomposition; each gets the root of the singular values. Computed on the host in double precision, so
 * the weight must have values; takes seconds for matrices of some hundred rows. Throws one sentence for a rank that does
 * not fit.
 * Source: Eckart and Young 1936, "The approximation of one matrix by another of lower rank".
 */
export function truncatedSvd(weight: Tensor, rank: number): LowRankFactors {
  if (weight.rank !== 2)
    throw new RangeError(`truncatedSvd: expected a matrix, got shape [${weight.shape.join(", ")}]`);
  const [rows, columns] = weight.shape as [number, number];
  const most = Math.min(rows, columns);
  if (!Number.isInteger(rank) || rank < 1 || rank > most)
    throw new RangeError(
      `truncatedSvd: rank must be a whole number from 1 to ${most} for a matrix of ${rows} × ${columns}, got ${rank}`,
    );
  const decomposition = new SVD(Matrix.from1DArray(rows, columns, Array.from(weight.data, Number)), {
    autoTranspose: true,
  });
  const roots = decomposition.diagonal.map(Math.sqrt);
  const vectors = (all: Matrix) => all.subMatrix(0, all.rows - 1, 0, rank - 1).mulRowVector(roots.slice(0, rank));
  const made = (matrix: Matrix): Tensor => {
    const values = matrix.to1DArray();
    const data = weight.dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
    return tensor(data, { shape: [matrix.rows, matrix.columns] });
  };
  return {
    inner: made(vectors(decomposition.leftSingularVectors)),
    weight: made(vectors(decomposition.rightSingularVectors).transpose()),
  };
}

/**
 * Turns every feed-forward sublayer of kind `dense` into one of kind `lowRank` by `truncatedSvd` of its two matrices.
 * With the largest rank, the width, the logits stay the same. Parameters must have values. Throws one sentence if there
 * is no such sublayer or the rank does not fit.
 */
export function factorizeFfns(model: ConfiguredDecoder, rank: number): ConfiguredDecoder {
  let changed = 0;
  const factorized = replaceFfns(model, ({ ffn, params }) => {
    if (ffn.kind !== "dense") return null;
    changed++;
    const map = ({ weight, ...bias }: LinearParams) => ({ ...truncatedSvd(weight, rank), ...bias });
    const { up, down } = params as FfnParams;
    return { ffn: { ...ffn, kind: "lowRank", rank }, params: { up: map(up), down: map(down) } };
  });
  if (changed === 0) throw new Error("factorizeFfns: the model has no feed-forward sublayer of kind dense");
  return factorized;
}

/**
 * Turns every structured feed-forward sublayer (`lowRank`, `blockShuffle`, `blockDense`) into one of kind `dense` with
 * the products of its factors; guides of self-guided training are left out. The logits stay the same. Throws one
 * sentence if there is no such sublayer.
 * Source: Wei et al. 2024, arXiv:2406.16450 (pre-merging).
 */
export function mergeFfns(model: ConfiguredDecoder): ConfiguredDecoder {
  let changed = 0;
  const { width } = model.config;
  const merged = replaceFfns(model, ({ ffn, params }) => {
    if (ffn.kind !== "lowRank" && ffn.kind !== "blockShuffle" && ffn.kind !== "blockDense") return null;
    changed++;
    const { hidden, activation = "gelu", bias = true } = ffn;
    const map = (inputs: number, outputs: number, own: FactorParams | { readonly factors: FactorParams }) =>
      mergeFactors(structuredLinear({ inputs, outputs, ...structureOf(ffn) }), "factors" in own ? own.factors : own);
    const { up, down } = params as { readonly up: FactorParams; readonly down: FactorParams };
    return {
      ffn: { kind: "dense", hidden, activation, bias },
      params: { up: map(width, hidden, up), down: map(hidden, width, down) },
    };
  });
  if (changed === 0)
    throw new Error("mergeFfns: the model has no feed-forward sublayer of kind lowRank, blockShuffle or blockDense");
  return merged;
}

type Structured = Extract<FfnConfig, { readonly kind: "lowRank" | "blockShuffle" | "blockDense" }>;

function structureOf(ffn: Structured): Structure {
  switch (ffn.kind) {
    case "lowRank":
      return { form: "lowRank", rank: ffn.rank };
    case "blockShuffle":
      return { form: "blockShuffle", blocks: ffn.blocks };
    case "blockDense":
      return { form: "blockDense", blocks: ffn.blocks, rank: ffn.rank };
  }
}
