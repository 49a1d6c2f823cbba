/** Maps of vectors to fewer numbers, by name: each is asked for as many as one likes. */
import {
  add,
  div,
  evaluate,
  eye,
  key,
  matmul,
  sqrt,
  square,
  sum,
  swapAxes,
  type Tensor,
  take,
  tensor,
} from "../../array/index.ts";
import { permutation } from "../../data/index.ts";
import { orthonormal, randomProjection } from "../../nn/index.ts";
import { dct, realFourier } from "../../spectral/index.ts";
import { rowCovariance } from "../covariance.ts";
import { principalComponents } from "../pca.ts";

/** A map of vectors to fewer numbers. Queries and vectors must go through the same one. */
export interface Reduction {
  readonly inputs: number;
  readonly outputs: number;
  /** `[inputs, outputs]` of a linear map, which is `x·matrix`; null for others. */
  readonly matrix: Tensor | null;
  /** `[..., inputs]` to `[..., outputs]`, in the graph. */
  apply(x: Tensor): Tensor;
}

/** Reductions of one kind, for vectors of one width. */
export interface ReductionFamily {
  /** As many numbers as it can give. */
  readonly largest: number;
  /** The reduction to so many numbers. Throws one sentence if it cannot be had. */
  to(size: number): Reduction;
}

/** What a kind of reduction is made from. */
interface Given {
  /** `[count, width]`. */
  readonly vectors: Tensor;
  readonly width: number;
  readonly seed: number;
}

interface Method {
  /** What it keeps, in a few words. */
  readonly about: string;
  family(given: Given): Promise<ReductionFamily>;
}

const sized = (name: string, largest: number, to: (size: number) => Reduction): ReductionFamily => ({
  largest,
  to(size) {
    if (!Number.isInteger(size) || size < 1 || size > largest)
      throw new RangeError(`reduction ${name}: expected a size from 1 to ${largest}, got ${size}`);
    return to(size);
  },
});

const checkedRows = (name: string, x: Tensor, inputs: number): Tensor => {
  if (x.shape.at(-1) === inputs) return x;
  throw new RangeError(`reduction ${name}: expected rows [..., ${inputs}], got [${x.shape.join(", ")}]`);
};

/** A linear kind: the reduction to M numbers is the first M columns of one matrix `[width, width]`. */
const linear = (name: string, about: string, matrixOf: (given: Given) => Tensor | Promise<Tensor>): Method => ({
  about,
  async family(given) {
    const { width } = given;
    const whole = await evaluate(await matrixOf(given));
    return sized(name, width, (outputs) => {
      const cut = new Float32Array(width * outputs);
      for (let row = 0; row < width; row++)
        cut.set((whole.data as Float32Array).subarray(row * width, row * width + outputs), row * outputs);
      const matrix = tensor(cut, { shape: [width, outputs] });
      return { inputs: width, outputs, matrix, apply: (x) => matmul(checkedRows(name, x, width), matrix) };
    });
  },
});

/** Absolute values of the frequencies from `first` on: one number for the two of each. */
const amplitudes = (name: string, about: string, first: 0 | 1): Method => ({
  about,
  family: async ({ width }) =>
    sized(name, Math.floor(width / 2) + 1 - first, (outputs) => ({
      inputs: width,
      outputs,
      matrix: null,
      apply: (x) => amplitudesOf(checkedRows(name, x, width), first, outputs),
    })),
});

/**
 * `|Σ_t x_t e^(-2πi·f·t/n)|/√n` of `count` frequencies from `first` on, of rows `[..., n]`: what is left of `rfft` without
 * phases. Two products with matrices, as the linear kinds have one.
 */
function amplitudesOf(x: Tensor, first: number, count: number): Tensor {
  const n = x.shape.at(-1) as number;
  const wave = (of: (angle: number) => number): Tensor =>
    tensor(
      Float64Array.from({ length: n * count }, (_, i) => {
        const [t, f] = [Math.floor(i / count), first + (i % count)];
        return of((2 * Math.PI * ((f * t) % n)) / n) / Math.sqrt(n);
      }),
      { shape: [n, count], dtype: x.dtype },
    );
  return sqrt(add(square(matmul(x, wave(Math.cos))), square(matmul(x, wave(Math.sin)))));
}

/** Rows scaled to length 1, as the cosine sees them. */
const unitRows = (x: Tensor): Tensor => div(x, sqrt(sum(square(x), { axis: 1, keepDims: true })));

/** The kinds of reduction by name. */
export const reductionMethods = {
  amplitude: amplitudes("amplitude", "absolute values of the lowest frequencies along the index", 0),
  "amplitude-without-mean": amplitudes("amplitude-without-mean", "the same, without the sum, which is frequency 0", 1),
  fourier: linear("fourier", "cosines and sines of the lowest frequencies along the index", ({ width }) =>
    realFourier(eye(width)),
  ),
  "permuted-fourier": linear(
    "permuted-fourier",
    "the same after a random permutation of the index, a control",
    ({ width, seed }) => take(realFourier(eye(width)), tensor(Int32Array.from(permutation(width, seed, 0)))),
  ),
  cosine: linear("cosine", "the lowest frequencies of the cosine transform along the index", ({ width }) =>
    dct(eye(width)),
  ),
  pca: linear("pca", "principal components of these vectors, about the origin", async ({ vectors, width }) => {
    const covariance = await rowCovariance(unitRows(vectors), { centred: false, name: "vectors" });
    const { components } = principalComponents(covariance);
    return swapAxes(tensor(Float32Array.from(components), { shape: [width, width] }), 0, 1);
  }),
  truncation: linear("truncation", "the first numbers as they are", ({ width }) => eye(width)),
  rotation: linear("rotation", "the first numbers after a random rotation", ({ width, seed }) =>
    orthonormal(key(seed), [width, width], { fanIn: width, fanOut: width }),
  ),
  gaussian: linear("gaussian", "products with random vectors of independent normal numbers", ({ width, seed }) =>
    randomProjection({ inputs: width, outputs: width, seed }).apply({}, eye(width)),
  ),
} as const satisfies Record<string, Method>;

/** `"amplitude"`, `"fourier"`, `"pca"`, … */
export type ReductionName = keyof typeof reductionMethods;

/**
 * Reductions of vectors `[count, width]`, float32 with values, by the kind's name. Only `pca` looks at their numbers, and
 * needs at least as many vectors as numbers in each; `seed` (0 by default) says what the random kinds draw. Throws one
 * sentence for an unknown name, or vectors of another form.
 *
 * Linear kinds with orthonormal columns keep inner products of what they keep, and all of them at full size; `gaussian`
 * keeps them on average. Amplitudes are not linear: they are the same for x, for -x and for any circular shift of x.
 * Sources: Bulgakov and Segal 2024, arXiv:2404.06278 (amplitudes of the lowest frequencies); Pearson 1901; Johnson and
 * Lindenstrauss 1984.
 */
export async function reductionFamily(
  name: string,
  vectors: Tensor,
  { seed = 0 }: { readonly seed?: number } = {},
): Promise<ReductionFamily> {
  const method = (reductionMethods as Readonly<Record<string, Method>>)[name];
  if (!(method && Object.hasOwn(reductionMethods, name)))
    throw new RangeError(
      `unknown reduction ${JSON.stringify(name)}; known are ${Object.keys(reductionMethods).join(", ")}`,
    );
  if (vectors.rank !== 2 || vectors.dtype !== "float32" || vectors.size === 0)
    throw new RangeError(
      `reduction ${name}: expected vectors [count, width] of float32, got ${vectors.dtype} [${vectors.shape.join(", ")}]`,
    );
  return method.family({ vectors, width: vectors.shape[1] as number, seed });
}
