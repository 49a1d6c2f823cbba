/** Filters that a small network makes of the position of each tap. */
import { type DType, exp, mul, type Tensor, tensor, transpose } from "../../array/index.ts";
import { checkCount } from "../checks.ts";
import { siren } from "../fields/siren.ts";
import type { Layer } from "../layer.ts";
import type { LinearParams } from "../linear.ts";

export interface ImplicitFilterOptions {
  /** Filters, one for each feature. */
  readonly width: number;
  /** Positions over which features of a tap and the decay run; a filter has up to so many taps. */
  readonly positions: number;
  /** Hidden units of the network; 32 by default. */
  readonly hidden?: number;
  /** Frequencies of the sinusoids that the network reads; 8 by default. */
  readonly frequencies?: number;
}

/** Parameters of an implicit filter: those of its network. */
export type ImplicitFilterParams = { readonly network: readonly LinearParams[] };

/** Filters whose number of parameters does not grow with their taps. */
export interface ImplicitFilter extends Pick<Layer<ImplicitFilterParams>, "init"> {
  /** The first `taps` taps of each filter: `[width, taps]`. */
  taps(params: ImplicitFilterParams, taps: number): Tensor;
}

/** At the end of the positions the slowest filter has decayed to this, and the fastest to it after `FASTEST` of them. */
const DECAYED = 0.01;
const FASTEST = 0.1;

/**
 * Implicit filters: `h_c(t) = e^(-a_c·t/positions)·f_c(t)`, f a sine network with two hidden layers of `t/positions` and of
 * the sines and cosines of its first frequencies, a_c fixed rates of decay, spread evenly from slow to fast over the
 * features. Throws one sentence for more taps than positions.
 * Source: Poli et al. 2023, "Hyena hierarchy", arXiv:2302.10866, section 3.3; the rates are ours.
 */
export function implicitFilter(options: ImplicitFilterOptions): ImplicitFilter {
  const { width, positions, hidden = 32, frequencies = 8 } = options;
  checkCount("implicitFilter", { width, positions, hidden, frequencies });
  const inputs = 1 + 2 * frequencies;
  const network = siren({ inputs, outputs: width, hidden, layers: 2, frequency: 10 });
  const table = (dtype: DType, rows: number, columns: number, value: (row: number, column: number) => number): Tensor =>
    tensor(
      Float64Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)),
      { shape: [rows, columns], dtype },
    );
  return {
    init: (key) => ({ network: network.init(key) }),
    taps: (params, taps) => {
      if (!Number.isInteger(taps) || taps < 1 || taps > positions)
        throw new RangeError(
          `implicitFilter: taps must be a whole number from 1 to the ${positions} positions, got ${taps}`,
        );
      const { dtype } = (params.network[0] as LinearParams).weight;
      const features = table(dtype, taps, inputs, (t, i) => {
        if (i === 0) return t / positions;
        const angle = (2 * Math.PI * (((Math.floor((i - 1) / 2) + 1) * t) % positions)) / positions;
        return i % 2 === 1 ? Math.sin(angle) : Math.cos(angle);
      });
      const slow = -Math.log(DECAYED);
      const rate = (c: number): number => slow + (slow / FASTEST - slow) * (width > 1 ? c / (width - 1) : 0);
      const exponents = table(dtype, taps, width, (t, c) => (-rate(c) * t) / positions);
      return transpose(mul(network.apply(params.network, features), exp(exponents)), [1, 0]);
    },
  };
}
