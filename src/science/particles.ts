/** Particles that attract each other and drift: the equation that a transformer without weights per layer would follow. */
import type { Field } from "./flows.ts";

/** Positions of `count` particles one after the other, each of `dimension` numbers, as one vector. */
export interface Particles {
  readonly count: number;
  readonly dimension: number;
}

/**
 * Attraction as in self-attention: `F_i = Σ_j p_ij·(x_j - x_i)` with `p_ij = softmax_j(x_i·x_j)`. It moves each particle
 * towards the weighted mean of all, by what they are to each other.
 */
export function attraction({ count, dimension }: Particles): Field {
  return (x) => {
    const at = (i: number, k: number): number => x[i * dimension + k] as number;
    const slope = new Array<number>(count * dimension).fill(0);
    for (let i = 0; i < count; i++) {
      const scores = Array.from({ length: count }, (_, j) => {
        let total = 0;
        for (let k = 0; k < dimension; k++) total += at(i, k) * at(j, k);
        return total;
      });
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const sum = weights.reduce((total, w) => total + w, 0);
      for (let k = 0; k < dimension; k++) {
        const mean = weights.reduce((total, w, j) => total + w * at(j, k), 0) / sum;
        slope[i * dimension + k] = mean - at(i, k);
      }
    }
    return slope;
  };
}

/**
 * Drift of each particle by itself, as in a feed-forward layer: `G_i = tanh(M·x_i)` with the rows of M as given,
 * `[dimension][dimension]`.
 */
export function drift({ count, dimension }: Particles, matrix: readonly (readonly number[])[]): Field {
  return (x) =>
    Array.from({ length: count * dimension }, (_, at) => {
      const first = at - (at % dimension);
      const row = matrix[at % dimension] as readonly number[];
      return Math.tanh(row.reduce((total, m, k) => total + m * (x[first + k] as number), 0));
    });
}
