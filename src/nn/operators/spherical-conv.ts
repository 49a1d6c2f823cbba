/** Convolution on the sphere: a factor for each degree of the spherical harmonics. */
import { concat, fold, matmul, neg, normal, reshape, split, type Tensor, transpose } from "../../array/index.ts";
import { latitudesOf, type SphereGrid, type SphericalTransform, sphericalHarmonics } from "../../spectral/index.ts";
import { checkCount } from "../checks.ts";
import type { Layer } from "../layer.ts";
import { checkGrid } from "./modes.ts";

export interface SphericalConvOptions {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Largest degree that is kept. */
  readonly degree: number;
  /** Circles that the fields lie on; `gauss-legendre` by default. */
  readonly grid?: SphereGrid;
  /**
   * `real` weights are those of a kernel that is the same in all directions: the layer commutes with all rotations, and
   * with reflections too, so that networks of such layers cannot tell left from right. `complex` weights, which are the
   * default and those of the published code, also turn every wave along the circles by a quarter: the layer commutes with
   * rotations about the axis alone.
   */
  readonly weights?: "complex" | "real";
  /** Root mean square of new weights; `√(2/(inputs + outputs))` by default. */
  readonly std?: number;
}

/** A matrix for each degree, `[degree + 1, inputs, outputs]`: real weights, or real and imaginary parts. */
export type SphericalConvParams = { readonly re: Tensor; readonly im?: Tensor };

/**
 * Spherical convolution: `y = S⁻¹(W_l · (S x)_lm)`, where S is the spherical harmonic transform, and 0 for degrees that are
 * not kept. The same weights serve any grid that is fine enough for the degree. `x: [batch, inputs, latitudes, longitudes]`
 * gives `[batch, outputs, latitudes, longitudes]`, first circle near the north pole, first point at longitude 0.
 * Sources: Driscoll and Healy 1994, "Computing Fourier transforms and convolutions on the 2-sphere"; Bonev et al. 2023,
 * arXiv:2306.03838.
 */
export function sphericalConv({
  inputs,
  outputs,
  degree,
  grid = "gauss-legendre",
  weights = "complex",
  std = Math.sqrt(2 / (inputs + outputs)),
}: SphericalConvOptions): Layer<SphericalConvParams> {
  checkCount("sphericalConv", { inputs, outputs, degree });
  if (weights !== "complex" && weights !== "real")
    throw new RangeError(`sphericalConv: weights are complex or real, got ${JSON.stringify(weights)}`);
  // Names of grids are checked before there is a field.
  latitudesOf(grid, 2);
  const transform = transforms(degree, grid);
  const shape = [degree + 1, inputs, outputs];
  return {
    init: (key) =>
      weights === "real"
        ? { re: normal(fold(key, "re"), shape, { std }) }
        : {
            re: normal(fold(key, "re"), shape, { std: std * Math.SQRT1_2 }),
            im: normal(fold(key, "im"), shape, { std: std * Math.SQRT1_2 }),
          },
    apply: ({ re, im }, x) => {
      checkGrid("sphericalConv", x, inputs, 2);
      const sphere = transform(x.shape[2] as number, x.shape[3] as number);
      const z = sphere.analyze(x);
      // Complex products as real ones: (a + ib)(c + id) is [a, b] times [[c, d], [-d, c]]. Real weights see two fields.
      const axis = im ? 1 : 0;
      const weight = im ? concat([concat([re, im], { axis: 2 }), concat([neg(im), re], { axis: 2 })], { axis: 1 }) : re;
      const mixed = byDegree(concat([z.re, z.im], { axis }), weight);
      const half = (mixed.shape[axis] as number) / 2;
      const [a, b] = split(mixed, { axis, sizes: [half, half] }) as [Tensor, Tensor];
      return sphere.synthesize({ re: a, im: b });
    },
  };
}

/** A matrix of channels for each degree: `z: [batch, inputs, degrees, orders]`, `weight: [degrees, inputs, outputs]`. */
function byDegree(z: Tensor, weight: Tensor): Tensor {
  const [batch, inputs, degrees, orders] = z.shape as [number, number, number, number];
  const rows = reshape(transpose(z, [2, 3, 0, 1]), [degrees, orders * batch, inputs]);
  return transpose(reshape(matmul(rows, weight), [degrees, orders, batch, -1]), [2, 3, 0, 1]);
}

/** Transforms of one degree for grids of any size; refuses those that cannot hold the degree. */
function transforms(degree: number, grid: SphereGrid): (latitudes: number, longitudes: number) => SphericalTransform {
  const known = new Map<string, SphericalTransform>();
  return (latitudes, longitudes) => {
    const name = `${latitudes} ${longitudes}`;
    const found = known.get(name);
    if (found) return found;
    const most = Math.min(Math.floor(latitudesOf(grid, latitudes).exactTo / 2), Math.floor((longitudes - 1) / 2));
    if (degree > most)
      throw new RangeError(
        `sphericalConv: a ${grid} grid of ${latitudes} x ${longitudes} points holds degrees up to ${most}, got ${degree}`,
      );
    const made = sphericalHarmonics({ latitudes, longitudes, grid, degree });
    known.set(name, made);
    return made;
  };
}
