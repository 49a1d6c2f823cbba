/** Streams cut to fewer dimensions: directions that carry the most are kept, and every matrix on the stream shrinks. */
import { Matrix, QrDecomposition } from "ml-matrix";
import { evaluate, key, normal } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { type Covariance, participationRatio, principalComponents } from "../probe/index.ts";
import type { StudyProgress } from "../report/index.ts";
import { foldNorms } from "./fold-norms.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { type Basis, rotateStream } from "./rotate.ts";
import { readingPlaces, walkStream } from "./walk-stream.ts";

/**
 * How the directions that are kept are found: the principal components of what is read at each place; a random basis, the
 * same for all places; or the stream's own axes, those with the most energy over all places.
 */
export const rotations = ["pca", "random", "none"] as const;
export type RotationKind = (typeof rotations)[number];

export interface SliceOptions {
  /** Share of the dimensions that is taken away, from 0 to below 1. */
  readonly share: number;
  /** Principal components unless told otherwise. */
  readonly rotation?: RotationKind;
  /** The dimensions that are left are rounded down to a multiple of this; 1 by default. */
  readonly multiple?: number;
  /** Text that says which directions carry what. */
  readonly text: TokenFile;
  /** Tokens of it that are used; 8,192 by default, and no fewer than the stream has dimensions. */
  readonly tokens?: number;
  /** Seed of the random basis; 0 by default. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StudyProgress) => void;
}

/** What was found at one place that reads the stream. */
export interface SlicedPlace {
  /** `blocks[0].mixer`, …, and `head`. */
  readonly place: string;
  /** Share of the energy of what is read there that the kept directions hold, as the sliced model gets it. */
  readonly energy: number;
  /** Participation ratio of its spectrum: how many directions it fills; null where no spectrum was computed. */
  readonly effectiveRank: number | null;
}

export interface Sliced extends ConfiguredDecoder {
  /** Dimensions that are left, of how many. */
  readonly kept: number;
  readonly width: number;
  readonly places: readonly SlicedPlace[];
}

/**
 * The model with a narrower stream: norms are folded (`foldNorms`), the stream is turned (`rotateStream`), and dimensions
 * are cut. With principal components each place has a basis of its own, found on what the model reads there after all
 * places before it were cut, and shortcuts get matrices between the bases. With a share of 0 the model computes what it
 * computed. Heads and hidden units stay as they are. Throws one sentence if the share, or the model, cannot be cut so.
 * Source: Ashkboos et al. 2024 (SliceGPT), arXiv:2401.15024; compared by arXiv:2503.04377.
 */
export async function sliceStream(model: ConfiguredDecoder, options: SliceOptions): Promise<Sliced> {
  const { share, rotation = "pca", multiple = 1, tokens = 8192, text, seed = 0, signal, onProgress } = options;
  const { width } = model.config;
  const kept = keptOf(width, share, multiple);
  onProgress?.({ done: 0, total: 1, stage: "folding norms" });
  const folded = await foldNorms(model, "sliceStream");
  const names = readingPlaces(folded);
  const given = rotation === "random" ? await randomBasis(width, kept, seed) : null;
  const places: SlicedPlace[] = [];
  const energies = new Float64Array(width);
  const bases: Basis[] = [];
  const walk = walkStream(folded, text, {
    tokens: Math.max(tokens, width),
    ...(signal ? { signal } : {}),
  });
  let next = await walk.next();
  for (const [i, place] of names.entries()) {
    onProgress?.({ done: i, total: names.length, stage: place });
    const covariance = next.value as Covariance;
    for (let k = 0; k < width; k++) (energies[k] as number) += covariance.matrix[k * width + k] as number;
    if (rotation === "pca") {
      const { variances, components } = principalComponents(covariance);
      bases.push(columnsOf(components, width, kept));
      const rank = participationRatio(variances);
      places.push({ place, energy: energyIn(bases.at(-1) as Basis, covariance), effectiveRank: rank });
    } else if (given) {
      bases.push(given);
      places.push({ place, energy: energyIn(given, covariance), effectiveRank: null });
    }
    // The axes with the most energy over all places are known at the end only: until then nothing is cut.
    next = await walk.next(bases.at(-1) ?? null);
  }
  const axes = rotation === "none" ? axisBasis(energies, kept) : null;
  onProgress?.({ done: names.length, total: names.length, stage: "turning weights" });
  signal?.throwIfAborted();
  return { ...(await rotateStream(folded, axes ? names.map(() => axes) : bases)), kept, width, places };
}

function keptOf(width: number, share: number, multiple: number): number {
  if (!(share >= 0 && share < 1)) throw new RangeError(`sliceStream: share must be from 0 to below 1, got ${share}`);
  if (!Number.isInteger(multiple) || multiple < 1)
    throw new RangeError(`sliceStream: multiple must be a whole number of at least 1, got ${multiple}`);
  // Rounded to 9 digits first, since 1 - 0.9 is a little less than 0.1.
  const most = Math.floor(Number(((1 - share) * width).toFixed(9)));
  const kept = most === width ? width : most - (most % multiple);
  if (kept < 1)
    throw new RangeError(
      `sliceStream: a share of ${share} leaves no dimension of ${width}${multiple > 1 ? ` in multiples of ${multiple}` : ""}`,
    );
  return kept;
}

/** The first rows of a matrix of unit vectors as a basis. */
function columnsOf(rows: Float64Array, width: number, kept: number): Basis {
  const matrix = new Float64Array(width * kept);
  for (let k = 0; k < kept; k++) for (let i = 0; i < width; i++) matrix[i * kept + k] = rows[k * width + i] as number;
  return { width, kept, matrix };
}

/** Uniformly distributed orthonormal vectors, in double precision. */
export async function randomBasis(width: number, kept: number, seed: number): Promise<Basis> {
  const drawn = (await evaluate(normal(key(seed), [width, width]))).data as Float32Array;
  const { orthogonalMatrix: q, upperTriangularMatrix: r } = new QrDecomposition(
    Matrix.from1DArray(width, width, Array.from(drawn)),
  );
  const matrix = new Float64Array(width * kept);
  // The signs of the diagonal of R make the factor unique, and so uniformly distributed.
  for (let i = 0; i < width; i++)
    for (let k = 0; k < kept; k++) matrix[i * kept + k] = q.get(i, k) * Math.sign(r.get(k, k));
  return { width, kept, matrix };
}

/** The axes with the most energy, in their order. */
function axisBasis(energies: Float64Array, kept: number): Basis {
  const width = energies.length;
  const chosen = [...energies.keys()]
    .sort((a, b) => (energies[b] as number) - (energies[a] as number))
    .slice(0, kept)
    .sort((a, b) => a - b);
  const matrix = new Float64Array(width * kept);
  for (const [k, i] of chosen.entries()) matrix[i * kept + k] = 1;
  return { width, kept, matrix };
}

/** Share of the trace of `C` that `Qᵀ·C·Q` has. */
function energyIn({ width, kept, matrix }: Basis, { matrix: covariance }: Covariance): number {
  let [inside, all] = [0, 0];
  for (let i = 0; i < width; i++) {
    all += covariance[i * width + i] as number;
    for (let j = 0; j < width; j++) {
      let product = 0;
      for (let k = 0; k < kept; k++) product += (matrix[i * kept + k] as number) * (matrix[j * kept + k] as number);
      inside += product * (covariance[i * width + j] as number);
    }
  }
  return inside / all;
}

/**
 * The perplexity that a model is predicted to have when a share of the dimensions of its stream is taken away:
 * `PPL₀^(1/(1 - share))`, so that its loss grows as 1/(1 - share).
 * Source: Xu, Alazraki and Mandic 2025, arXiv:2503.04377.
 */
export function slicedPerplexity(perplexity: number, share: number): number {
  if (!(perplexity >= 1))
    throw new RangeError(`slicedPerplexity: expected a perplexity of at least 1, got ${perplexity}`);
  if (!(share >= 0 && share < 1))
    throw new RangeError(`slicedPerplexity: share must be from 0 to below 1, got ${share}`);
  return perplexity ** (1 / (1 - share));
}
