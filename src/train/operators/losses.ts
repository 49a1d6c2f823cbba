/** Distances between functions on grids, relative to the size of the one that is wanted. */
import {
  add,
  type DType,
  div,
  mean,
  mul,
  reshape,
  rfft,
  rfft2,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../array/index.ts";
import { degreePower, latitudesOf, type SphereGrid, sphericalHarmonics } from "../../spectral/index.ts";

export interface RelativeErrorOptions {
  /**
   * Order s of the Sobolev norm `Σ_k (1 + |2πk|²)^s·|û_k|²` of periodic functions on the unit line or square: 0 is L2 and
   * the default, 1 weighs small scales by their slope, -1 counts large scales most.
   */
  readonly order?: number;
  /**
   * The grid on the sphere that the fields `[batch, channels, latitudes, longitudes]` lie on: sums over it are integrals
   * by its quadrature weights, so that the crowded points near the poles count by their area, and the Sobolev norm is
   * `Σ_lm (1 + l(l+1))^s·|û_lm|²`. Plane by default.
   */
  readonly sphere?: SphereGrid;
  /** `mean` over examples by default; `none` gives one number for each. */
  readonly reduction?: "mean" | "none";
}

/**
 * Relative error `‖prediction - target‖/‖target‖` of each example over its channels and grid, in L2 or another Sobolev norm.
 * Both are `[batch, channels, ...grid]`, with one or two axes of the grid for orders other than 0; a scalar by default.
 * Targets must not be zero.
 */
export function relativeError(
  prediction: Tensor,
  target: Tensor,
  { order = 0, sphere, reduction = "mean" }: RelativeErrorOptions = {},
): Tensor {
  if (prediction.shape.join() !== target.shape.join())
    throw new RangeError(
      `relativeError: expected two tensors of one shape, got [${prediction.shape.join(", ")}] and [${target.shape.join(", ")}]`,
    );
  const power = (x: Tensor): Tensor => {
    if (sphere) return spherePower(x, order, sphere);
    return order === 0 ? total(square(x)) : sobolevPower(x, order);
  };
  const each = sqrt(div(power(sub(prediction, target)), power(target)));
  return reduction === "mean" ? mean(each) : each;
}

/** Sums over all but the first axis. */
const total = (x: Tensor): Tensor => sum(reshape(x, [x.shape[0] as number, -1]), { axis: 1 });

function spherePower(x: Tensor, order: number, grid: SphereGrid): Tensor {
  if (x.rank !== 4)
    throw new RangeError(
      `relativeError: expected [batch, channels, latitudes, longitudes], got [${x.shape.join(", ")}]`,
    );
  const [latitudes, longitudes] = x.shape.slice(2) as [number, number];
  if (order === 0) return total(mul(square(x), column(latitudesOf(grid, latitudes).weights, x.dtype)));
  const sphere = sphericalHarmonics({ latitudes, longitudes, grid });
  const weights = Float64Array.from({ length: sphere.degree + 1 }, (_, l) => (1 + l * (l + 1)) ** order);
  return total(mul(degreePower(sphere.analyze(x)), reshape(column(weights, x.dtype), [-1])));
}

const column = (values: Float64Array, dtype: DType): Tensor =>
  tensor(dtype === "float64" ? values : Float32Array.from(values), { shape: [values.length, 1], dtype });

function sobolevPower(x: Tensor, order: number): Tensor {
  const grid = x.shape.slice(2);
  if (grid.length < 1 || grid.length > 2)
    throw new RangeError(`relativeError: orders other than 0 need one or two axes of the grid, got ${grid.length}`);
  const { re, im } = grid.length === 1 ? rfft(x) : rfft2(x);
  const n = grid.at(-1) as number;
  const columns = re.shape.at(-1) as number;
  const weights = Float64Array.from({ length: (grid.length === 2 ? (grid[0] as number) : 1) * columns }, (_, i) => {
    const [row, k] = [Math.floor(i / columns), i % columns];
    const height = grid.length === 2 ? (grid[0] as number) : 1;
    const l = row <= height / 2 ? row : row - height;
    // Frequencies but 0 and n/2 stand for their conjugates too.
    const both = k === 0 || 2 * k === n ? 1 : 2;
    return both * (1 + (2 * Math.PI) ** 2 * (k ** 2 + l ** 2)) ** order;
  });
  const shape = re.shape.slice(2);
  const weight = tensor(x.dtype === "float64" ? weights : Float32Array.from(weights), { shape, dtype: x.dtype });
  return total(mul(add(square(re), square(im)), weight));
}
