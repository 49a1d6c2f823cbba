/** Fields on the sphere at other points than those of a grid, and turned about any axis. */
import { legendreFunctions } from "./legendre.ts";

/** Coefficients of a real field by degree and order, `[degree + 1, degree + 1]`, see `SphericalTransform`. */
export interface HarmonicCoefficients {
  readonly re: ArrayLike<number>;
  readonly im: ArrayLike<number>;
}

/** Values of a real field at points, by the sum over its harmonics. */
export function harmonicSum(
  { re, im }: HarmonicCoefficients,
  degree: number,
  points: { readonly colatitudes: ArrayLike<number>; readonly longitudes: ArrayLike<number> },
): Float64Array {
  const size = degree + 1;
  if (re.length !== size * size || im.length !== size * size)
    throw new RangeError(`harmonicSum: expected ${size} x ${size} coefficients, got ${re.length} and ${im.length}`);
  const { colatitudes, longitudes } = points;
  if (colatitudes.length !== longitudes.length)
    throw new RangeError(
      `harmonicSum: expected as many longitudes as colatitudes, got ${longitudes.length} and ${colatitudes.length}`,
    );
  const values = new Float64Array(colatitudes.length);
  for (let m = 0; m < size; m++) {
    const rows = legendreFunctions(m, degree, colatitudes);
    for (let i = 0; i < values.length; i++) {
      let [a, b] = [0, 0];
      for (let l = m; l < size; l++) {
        const p = rows[(l - m) * values.length + i] as number;
        a += p * (re[l * size + m] as number);
        b += p * (im[l * size + m] as number);
      }
      const angle = m * (longitudes[i] as number);
      (values[i] as number) += (m === 0 ? 1 : 2) * (a * Math.cos(angle) - (m === 0 ? 0 : b * Math.sin(angle)));
    }
  }
  return values;
}

/** Angles of a rotation, applied from right to left: about the axis by γ, towards longitude 0 by β, about the axis by α. */
export type EulerAngles = readonly [alpha: number, beta: number, gamma: number];

/**
 * A real field that is turned as a whole, on the points of a grid `[latitudes, longitudes]`: its value at x is that of
 * the field at the point that the rotation brings to x.
 */
export function rotatedField(
  coefficients: HarmonicCoefficients,
  {
    degree,
    colatitudes,
    longitudes,
  }: { readonly degree: number; readonly colatitudes: Float64Array; readonly longitudes: number },
  [alpha, beta, gamma]: EulerAngles,
): Float64Array {
  const count = colatitudes.length * longitudes;
  const [theta, phi] = [new Float64Array(count), new Float64Array(count)];
  const [sin, cos] = [Math.sin(beta), Math.cos(beta)];
  for (let i = 0; i < count; i++) {
    const own = colatitudes[Math.floor(i / longitudes)] as number;
    const angle = (2 * Math.PI * (i % longitudes)) / longitudes - alpha;
    const [x, y, z] = [Math.sin(own) * Math.cos(angle), Math.sin(own) * Math.sin(angle), Math.cos(own)];
    const [u, w] = [cos * x - sin * z, sin * x + cos * z];
    theta[i] = Math.atan2(Math.hypot(u, y), w);
    phi[i] = Math.atan2(y, u) - gamma;
  }
  return harmonicSum(coefficients, degree, { colatitudes: theta, longitudes: phi });
}
