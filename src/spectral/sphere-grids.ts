/** Grids on the sphere: circles of latitude with weights that integrate polynomials exactly. */

/**
 * `gauss-legendre`: circles at the roots of a Legendre polynomial, which integrates degrees up to `2·latitudes - 1`.
 * `equiangular`: equal steps from pole to pole, both included. `offset`: equal steps, the poles half a step outside.
 * These two integrate degrees up to `latitudes - 1`.
 */
export const sphereGrids = ["gauss-legendre", "equiangular", "offset"] as const;
export type SphereGrid = (typeof sphereGrids)[number];

export interface Latitudes {
  /** From 0 at the north pole to π, ascending, in radians. */
  readonly colatitudes: Float64Array;
  /** Of the integral over the cosine of the colatitude: they add up to 2. */
  readonly weights: Float64Array;
  /** Polynomials of up to this degree in the cosine are integrated exactly. */
  readonly exactTo: number;
}

/** The circles of a grid. */
export function latitudesOf(grid: SphereGrid, count: number): Latitudes {
  const least = grid === "equiangular" ? 2 : 1;
  if (!Number.isInteger(count) || count < least)
    throw new RangeError(`latitudesOf: a ${grid} grid has a whole number of at least ${least} latitudes, got ${count}`);
  if (grid === "gauss-legendre") return gaussLegendre(count);
  if (grid === "equiangular") return clenshawCurtis(count);
  if (grid === "offset") return fejer(count);
  throw new RangeError(`latitudesOf: grid is one of ${sphereGrids.join(", ")}, got ${JSON.stringify(grid)}`);
}

/** The roots of the Legendre polynomial by Newton's method from their asymptotic places. */
function gaussLegendre(count: number): Latitudes {
  const [colatitudes, weights] = [new Float64Array(count), new Float64Array(count)];
  for (let i = 0; i < count; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 20; step++) {
      let [before, value] = [1, x];
      for (let l = 2; l <= count; l++) [before, value] = [value, ((2 * l - 1) * x * value - (l - 1) * before) / l];
      slope = (count * (x * value - before)) / (x * x - 1);
      const change = value / slope;
      x -= change;
      if (Math.abs(change) < 1e-16) break;
    }
    colatitudes[i] = Math.acos(x);
    weights[i] = 2 / ((1 - x * x) * slope * slope);
  }
  return { colatitudes, weights, exactTo: 2 * count - 1 };
}

/** Source: Clenshaw and Curtis 1960, "A method for numerical integration on an automatic computer". */
function clenshawCurtis(count: number): Latitudes {
  const intervals = count - 1;
  const colatitudes = Float64Array.from({ length: count }, (_, j) => (Math.PI * j) / intervals);
  const weights = colatitudes.map((theta, j) => {
    let total = 1;
    for (let k = 1; 2 * k <= intervals; k++)
      total -= ((2 * k === intervals ? 1 : 2) * Math.cos(2 * k * theta)) / (4 * k * k - 1);
    return ((j === 0 || j === intervals ? 1 : 2) * total) / intervals;
  });
  return { colatitudes, weights, exactTo: intervals };
}

/** Source: Fejér 1933, "Mechanische Quadraturen mit positiven Cotesschen Zahlen". */
function fejer(count: number): Latitudes {
  const colatitudes = Float64Array.from({ length: count }, (_, j) => (Math.PI * (j + 0.5)) / count);
  const weights = colatitudes.map((theta) => {
    let total = 1;
    for (let k = 1; 2 * k <= count; k++) total -= (2 * Math.cos(2 * k * theta)) / (4 * k * k - 1);
    return (2 * total) / count;
  });
  return { colatitudes, weights, exactTo: count - 1 };
}
