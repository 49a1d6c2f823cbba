/** Spherical harmonic transforms of real fields and of tangent vector fields: Fourier transforms along latitudes, then products with Legendre functions. */
import { shared, table } from "../array/dft.ts";
import {
  add,
  type Complex,
  concat,
  type DType,
  irfft,
  isFloat,
  matmul,
  mul,
  neg,
  reshape,
  rfft,
  type Shape,
  split,
  type Tensor,
  transpose,
} from "../array/index.ts";
import { sizeOf } from "../array/shape.ts";
import { type HarmonicPart, harmonicTable } from "./legendre.ts";
import { type Latitudes, latitudesOf, type SphereGrid } from "./sphere-grids.ts";

export interface SphericalOptions {
  readonly latitudes: number;
  /** Twice the latitudes by default. The first lies at longitude 0. */
  readonly longitudes?: number;
  /** `gauss-legendre` by default. */
  readonly grid?: SphereGrid;
  /**
   * Largest degree; by default the largest for which the transform is exact: products of two harmonics are integrated
   * exactly by the latitudes, and told apart by the longitudes.
   */
  readonly degree?: number;
}

/** A field of tangent vectors: its components to the south and to the east. */
export interface TangentField {
  readonly south: Tensor;
  readonly east: Tensor;
}

/** Coefficients of a field of tangent vectors: of gradients, and of gradients turned by a right angle. */
export interface TangentCoefficients {
  /** Has divergence and no curl. */
  readonly spheroidal: Complex;
  /** Has curl and no divergence. */
  readonly toroidal: Complex;
}

export interface SphericalTransform extends Latitudes {
  readonly latitudes: number;
  readonly longitudes: number;
  readonly degree: number;
  /**
   * Coefficients `a_lm = ∫ f·conj(Y_lm)` of a real field `[..., latitudes, longitudes]`: `[..., degree + 1, degree + 1]` by
   * degree and order, zero where the order is larger. Negative orders are `a_l,-m = (-1)^m·conj(a_lm)`.
   */
  analyze(field: Tensor): Complex;
  /** The real field of such coefficients. Imaginary parts at order 0 are taken as zero. */
  synthesize(coefficients: Complex): Tensor;
  /** Coefficients of a tangent field in the vectors `∇Y_lm/√(l(l+1))` and `r × ∇Y_lm/√(l(l+1))`. */
  analyzeTangent(field: TangentField): TangentCoefficients;
  /** The tangent field of such coefficients. */
  synthesizeTangent(coefficients: TangentCoefficients): TangentField;
}

/**
 * A spherical harmonic transform of orthonormal harmonics with the phase of Condon and Shortley. It works in the type of
 * what it is given, float32 or float64, and has gradients, since it is made of products and Fourier transforms. Exact for
 * fields of no higher degree, if the grid is fine enough for that degree; else the nearest that the grid can tell.
 */
export function sphericalHarmonics({
  latitudes,
  longitudes = 2 * latitudes,
  grid = "gauss-legendre",
  degree: wanted,
}: SphericalOptions): SphericalTransform {
  const circles = latitudesOf(grid, latitudes);
  if (!Number.isInteger(longitudes) || longitudes < 1)
    throw new RangeError(`sphericalHarmonics: longitudes is a whole number of at least 1, got ${longitudes}`);
  const degree = wanted ?? Math.min(Math.floor(circles.exactTo / 2), Math.floor((longitudes - 1) / 2));
  const most = Math.floor(longitudes / 2);
  if (!Number.isInteger(degree) || degree < 0 || degree > most)
    throw new RangeError(
      `sphericalHarmonics: ${longitudes} longitudes tell orders up to ${most} apart, so degree is a whole number from 0 to that, got ${degree}`,
    );
  const name = `${grid} ${latitudes} ${longitudes} ${degree}`;
  const size = degree + 1;
  const tables = (kind: HarmonicPart, weighted: boolean, dtype: DType) =>
    harmonicTensor(name, kind, weighted, dtype, circles, { degree, longitudes });
  const check = (operation: string, x: Tensor, shape: Shape): void => {
    if (!isFloat(x.dtype) || x.dtype === "float16")
      throw new TypeError(`${operation}: expected float32 or float64, got ${x.dtype}`);
    if (x.rank < 2 || x.shape.at(-2) !== shape[0] || x.shape.at(-1) !== shape[1])
      throw new RangeError(`${operation}: expected [..., ${shape.join(", ")}], got [${x.shape.join(", ")}]`);
  };
  /** Fourier sums along each circle. */
  const alongCircles = (operation: string, field: Tensor): Complex => {
    check(operation, field, [latitudes, longitudes]);
    return rfft(field, { frequencies: size });
  };
  const fromCircles = (z: Complex): Tensor => irfft(z, { length: longitudes });
  const overLatitudes = (kind: HarmonicPart, z: Complex): Complex => byOrder(z, tables(kind, true, z.re.dtype), false);
  const overDegrees = (kind: HarmonicPart, z: Complex): Complex => byOrder(z, tables(kind, false, z.re.dtype), true);
  return {
    ...circles,
    latitudes,
    longitudes,
    degree,
    analyze: (field) => overLatitudes("value", alongCircles("analyze", field)),
    synthesize(coefficients) {
      check("synthesize", coefficients.re, [size, size]);
      return fromCircles(overDegrees("value", coefficients));
    },
    analyzeTangent({ south, east }) {
      const [s, e] = [alongCircles("analyzeTangent", south), alongCircles("analyzeTangent", east)];
      // conj(∂φ) turns the east component by -i, conj(-∂φ) the south component by i.
      return {
        spheroidal: plus(overLatitudes("slope", s), turned(overLatitudes("along", e), -1)),
        toroidal: plus(overLatitudes("slope", e), turned(overLatitudes("along", s), 1)),
      };
    },
    synthesizeTangent({ spheroidal, toroidal }) {
      for (const z of [spheroidal, toroidal]) check("synthesizeTangent", z.re, [size, size]);
      return {
        south: fromCircles(plus(overDegrees("slope", spheroidal), turned(overDegrees("along", toroidal), -1))),
        east: fromCircles(plus(overDegrees("slope", toroidal), turned(overDegrees("along", spheroidal), 1))),
      };
    },
  };
}

const plus = (a: Complex, b: Complex): Complex => ({ re: add(a.re, b.re), im: add(a.im, b.im) });

/** Times i or -i. */
const turned = ({ re, im }: Complex, sign: 1 | -1): Complex =>
  sign === 1 ? { re: neg(im), im: re } : { re: im, im: neg(re) };

/**
 * Sums over the axis before the last, for each order by a matrix of its own: `[..., given, orders]` by
 * `[orders, degrees, latitudes]` gives the other of degrees and latitudes. Both parts are columns of one product.
 */
function byOrder({ re, im }: Complex, matrices: Tensor, transposeA: boolean): Complex {
  const outer = re.shape.slice(0, -2);
  const [given, orders] = re.shape.slice(-2) as [number, number];
  const batch = sizeOf(outer);
  const columns = (x: Tensor) => transpose(reshape(x, [batch, given, orders]), [2, 1, 0]);
  const summed = matmul(matrices, concat([columns(re), columns(im)], { axis: -1 }), { transposeA });
  const back = (x: Tensor) => reshape(transpose(x, [2, 1, 0]), [...outer, -1, orders]);
  const [a, b] = split(summed, { axis: -1, sizes: [batch, batch] }) as [Tensor, Tensor];
  return { re: back(a), im: back(b) };
}

/**
 * The functions of a kind, `[orders, degrees, latitudes]`: for sums over points with their weights, for sums over degrees
 * with the factor that the inverse Fourier transform takes away. As factors of their own, the runtime would join them with
 * the products, in float32 whatever the type.
 */
function harmonicTensor(
  name: string,
  kind: HarmonicPart,
  weighted: boolean,
  dtype: DType,
  { colatitudes, weights }: Latitudes,
  { degree, longitudes }: { readonly degree: number; readonly longitudes: number },
): Tensor {
  return shared(`harmonics ${name} ${kind} ${weighted} ${dtype}`, () => {
    const size = degree + 1;
    const count = colatitudes.length;
    const values = harmonicTable(kind, colatitudes, degree);
    const made = table(
      [size, size, count],
      dtype,
      (i) =>
        (values[i] as number) * (weighted ? ((2 * Math.PI) / longitudes) * (weights[i % count] as number) : longitudes),
    );
    return { re: made, im: made };
  }).re;
}

/** The sum over orders of the squares of coefficients of a real field, for each degree: `[..., degree + 1]`. */
export function degreePower({ re, im }: Complex): Tensor {
  const size = re.shape.at(-1) as number;
  const both = table([size, 1], re.dtype, (m) => (m === 0 ? 1 : 2));
  const squares = add(mul(re, re), mul(im, im));
  return reshape(matmul(squares, both), re.shape.slice(0, -1));
}
