/** Kernels of small support on the sphere that are functions of angles, so that they serve any grid. */
import {
  concat,
  type DType,
  fold,
  irfft,
  matmul,
  normal,
  reshape,
  rfft,
  slice,
  type Tensor,
  tensor,
  transpose,
} from "../../array/index.ts";
import { latitudesOf, type SphereGrid } from "../../spectral/index.ts";
import { checkCount } from "../checks.ts";
import type { Layer } from "../layer.ts";
import { type DiscFunction, filterBasis, type PolarBasis } from "./filter-basis.ts";
import type { LocalIntegralParams } from "./local.ts";
import { checkGrid } from "./modes.ts";

export interface SphericalLocalIntegralOptions {
  /** Channels of the input. */
  readonly inputs: number;
  /** Channels of the output. */
  readonly outputs: number;
  /** Radius of the kernel in radians, below π/2. */
  readonly radius: number;
  /** Circles that the fields lie on; `gauss-legendre` by default. */
  readonly grid?: SphereGrid;
  /** Functions that the kernel is made of; 2 rings of 4 directions, which are 4 functions, by default. */
  readonly basis?: PolarBasis;
}

/**
 * Local integral layer on the sphere: `y(p) = ∫ κ(R_p⁻¹ q)·x(q) dq` over the points q within the radius of p, where R_p
 * turns the north pole to p along its meridian and `κ = Σ_b θ_b ψ_b`, with fixed functions ψ_b of distance and direction
 * from the pole that have integral 1 about every point. Directions are counted from the south towards the east. It
 * commutes with turns about the axis, and with one direction, up to the grid, with all rotations.
 * `x: [batch, inputs, latitudes, longitudes]` gives `[batch, outputs, latitudes, longitudes]`. Throws where the radius is
 * below one cell of the grid.
 * Sources: Liu-Schiaffini et al. 2024, arXiv:2402.16845, section 4.2; Ocampo et al. 2022, arXiv:2209.13603.
 */
export function sphericalLocalIntegral({
  inputs,
  outputs,
  radius,
  grid = "gauss-legendre",
  basis = { rings: 2, directions: 4 },
}: SphericalLocalIntegralOptions): Layer<LocalIntegralParams> {
  checkCount("sphericalLocalIntegral", { inputs, outputs });
  if (!(radius > 0 && radius < Math.PI / 2))
    throw new RangeError(`sphericalLocalIntegral: radius must be above 0 and below π/2 radians, got ${radius}`);
  latitudesOf(grid, 2);
  const functions = filterBasis(basis);
  const known = new Map<string, Tensor>();
  const spectraOn = (latitudes: number, longitudes: number, dtype: DType): Tensor => {
    const name = `${latitudes} ${longitudes} ${dtype}`;
    const found = known.get(name) ?? kernelSpectra({ functions, radius, grid, latitudes, longitudes, dtype });
    known.set(name, found);
    return found;
  };
  return {
    init: (key) => ({
      weight: normal(fold(key, "weight"), [outputs, inputs, functions.length], { std: 1 / Math.sqrt(inputs) }),
    }),
    apply: ({ weight }, x) => {
      checkGrid("sphericalLocalIntegral", x, inputs, 2);
      const [batch, , latitudes, longitudes] = x.shape as [number, number, number, number];
      const spectra = spectraOn(latitudes, longitudes, x.dtype);
      const orders = spectra.shape[0] as number;
      const z = rfft(x);
      const rows = transpose(concat([z.re, z.im], { axis: 2 }), [3, 0, 1, 2]);
      const responses = matmul(reshape(rows, [orders, batch * inputs, 2 * latitudes]), spectra);
      const byFunction = reshape(responses, [orders, batch, inputs, functions.length, 2 * latitudes]);
      const flat = reshape(transpose(byFunction, [2, 3, 1, 4, 0]), [inputs * functions.length, -1]);
      const mixed = matmul(reshape(weight, [outputs, inputs * functions.length]), flat);
      const y = transpose(reshape(mixed, [outputs, batch, 2 * latitudes, orders]), [1, 0, 2, 3]);
      const part = (i: number): Tensor =>
        slice(y, { starts: [i * latitudes], stops: [(i + 1) * latitudes], axes: [2] });
      return irfft({ re: part(0), im: part(1) }, { length: longitudes });
    },
  };
}

interface Sampling {
  readonly functions: readonly DiscFunction[];
  readonly radius: number;
  readonly grid: SphereGrid;
  readonly latitudes: number;
  readonly longitudes: number;
}

/**
 * The functions about points of longitude 0, times the areas of the points they are taken at: for each function and circle
 * of its centre the values `[latitudes, longitudes]`, which add up to 1.
 */
function sampledOnSphere({ functions, radius, grid, latitudes, longitudes }: Sampling): readonly Float64Array[][] {
  const { colatitudes, weights } = latitudesOf(grid, latitudes);
  if (radius < Math.PI / latitudes)
    throw new RangeError(
      `sphericalLocalIntegral: a radius of ${radius} is below one cell of ${latitudes} circles, which is ${(Math.PI / latitudes).toFixed(4)} radians; enlarge it`,
    );
  return functions.map((psi, b) =>
    Array.from(colatitudes, (centre) => {
      const values = new Float64Array(latitudes * longitudes);
      let total = 0;
      for (let i = 0; i < values.length; i++) {
        const theta = colatitudes[Math.floor(i / longitudes)] as number;
        const phi = (2 * Math.PI * (i % longitudes)) / longitudes;
        // The point as seen with the centre at the north pole.
        const [x, y, z] = [Math.sin(theta) * Math.cos(phi), Math.sin(theta) * Math.sin(phi), Math.cos(theta)];
        const south = Math.cos(centre) * x - Math.sin(centre) * z;
        const up = Math.sin(centre) * x + Math.cos(centre) * z;
        const distance = Math.atan2(Math.hypot(south, y), up) / radius;
        if (distance > 1) continue;
        values[i] = (weights[Math.floor(i / longitudes)] as number) * psi(distance, Math.atan2(y, south));
        total += values[i] as number;
      }
      if (total <= 0)
        throw new RangeError(
          `sphericalLocalIntegral: function ${b} of the basis has no point of ${latitudes} x ${longitudes} within a radius of ${radius}; enlarge it`,
        );
      return values.map((value) => value / total);
    }),
  );
}

/**
 * What makes of Fourier coefficients along the circles those of the responses to each function, for each order a matrix
 * from real and imaginary parts of all circles to those of all functions and circles:
 * `[orders, 2·latitudes, functions·2·latitudes]`. Sums over longitudes are correlations, so spectra are conjugated.
 */
function kernelSpectra({ dtype, ...sampling }: Sampling & { readonly dtype: DType }): Tensor {
  const { functions, latitudes, longitudes } = sampling;
  const orders = Math.floor(longitudes / 2) + 1;
  const columns = functions.length * 2 * latitudes;
  const made = new Float64Array(orders * 2 * latitudes * columns);
  const turn = (2 * Math.PI) / longitudes;
  const [cosines, sines] = [Math.cos, Math.sin].map((wave) =>
    Float64Array.from({ length: longitudes }, (_, i) => wave(turn * i)),
  ) as [Float64Array, Float64Array];
  for (const [b, byCentre] of sampledOnSphere(sampling).entries())
    for (const [centre, values] of byCentre.entries())
      for (let circle = 0; circle < latitudes; circle++) {
        const row = values.subarray(circle * longitudes, (circle + 1) * longitudes);
        if (row.every((value) => value === 0)) continue;
        for (let m = 0; m < orders; m++) {
          let [re, im] = [0, 0];
          for (const [j, value] of row.entries()) {
            re += value * (cosines[(m * j) % longitudes] as number);
            im += value * (sines[(m * j) % longitudes] as number);
          }
          const at = (part: 0 | 1, ofPart: 0 | 1): number =>
            (m * 2 * latitudes + part * latitudes + circle) * columns + (2 * b + ofPart) * latitudes + centre;
          made[at(0, 0)] = re;
          made[at(1, 0)] = -im;
          made[at(0, 1)] = im;
          made[at(1, 1)] = re;
        }
      }
  return tensor(dtype === "float64" ? made : Float32Array.from(made), {
    shape: [orders, 2 * latitudes, columns],
    dtype,
  });
}
