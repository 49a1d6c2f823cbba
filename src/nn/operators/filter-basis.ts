/** Functions on a disc that local kernels are made of. */

/** How finely a disc is divided. */
export interface PolarBasis {
  /** Nodes along a diameter. With an odd number one of them is the centre. */
  readonly rings: number;
  /** Directions on each ring; 1 makes all functions isotropic. */
  readonly directions: number;
}

/** A function of distance from the centre (1 at the edge of the disc) and angle. */
export type DiscFunction = (distance: number, angle: number) => number;

/**
 * Piecewise linear functions in polar coordinates: each is 1 at its node and falls to 0 at the neighbouring rings and
 * directions; with an odd number of rings the first is the cone about the centre. With an even number, the innermost
 * functions go on through the centre to the other side. There are `⌊rings/2⌋·directions`, and one more for odd rings.
 * Source: Liu-Schiaffini et al. 2024, arXiv:2402.16845, and the code published with it.
 */
export function filterBasis({ rings, directions }: PolarBasis): readonly DiscFunction[] {
  for (const [name, value] of Object.entries({ rings, directions }))
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`filterBasis: ${name} must be a whole number of at least 1, got ${value}`);
  const gap = 2 / (rings + 1);
  const turn = (2 * Math.PI) / directions;
  const hat = (distance: number): number => Math.max(0, 1 - Math.abs(distance));
  const along = (angle: number, node: number): number => {
    if (directions === 1) return 1;
    const apart = Math.abs(angle - node) % (2 * Math.PI);
    return hat(Math.min(apart, 2 * Math.PI - apart) / turn);
  };
  const isOdd = rings % 2 === 1;
  const around = Array.from({ length: Math.floor(rings / 2) * directions }, (_, i): DiscFunction => {
    const ring = (Math.floor(i / directions) + (isOdd ? 1 : 0.5)) * gap;
    const node = (i % directions) * turn - Math.PI;
    return (distance, angle) => {
      const here = hat((distance - ring) / gap) * along(angle, node);
      return isOdd ? here : here + hat((distance + ring) / gap) * along(angle + Math.PI, node);
    };
  });
  return isOdd ? [(distance) => hat(distance / gap), ...around] : around;
}

/** Functions on the points of a grid around its centre. */
export interface SampledBasis {
  /** `[functions, extent, extent]`: each function sums to 1. */
  readonly values: Float64Array;
  /** Points along each axis, odd. */
  readonly extent: number;
}

/**
 * The functions on a disc of some radius at the points of a periodic grid with `n` points along each axis of a unit square.
 * Throws where the radius is below one cell, or a function has no point within.
 */
export function sampledBasis(functions: readonly DiscFunction[], radius: number, n: number): SampledBasis {
  const reach = Math.floor(radius * n + 1e-9);
  if (reach < 1)
    throw new RangeError(`localIntegral: a radius of ${radius} is below one cell of a grid of ${n} points; enlarge it`);
  const extent = 2 * reach + 1;
  const values = new Float64Array(functions.length * extent ** 2);
  for (const [b, psi] of functions.entries()) {
    const own = values.subarray(b * extent ** 2, (b + 1) * extent ** 2);
    let total = 0;
    for (let i = 0; i < own.length; i++) {
      const [dy, dx] = [Math.floor(i / extent) - reach, (i % extent) - reach];
      const distance = Math.hypot(dx, dy) / (radius * n);
      const value = distance <= 1 ? psi(distance, Math.atan2(dy, dx)) : 0;
      own[i] = value;
      total += value;
    }
    if (total <= 0)
      throw new RangeError(
        `localIntegral: function ${b} of the basis has no point of a grid of ${n} within a radius of ${radius}; enlarge it`,
      );
    for (let i = 0; i < own.length; i++) (own[i] as number) /= total;
  }
  return { values, extent };
}
