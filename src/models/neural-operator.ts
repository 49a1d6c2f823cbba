/** Neural operators: networks from functions to functions that are trained on one grid and serve others. */
import { broadcastTo, concat, gelu, mul, sin, type Tensor, type Tree, tensor } from "../array/index.ts";
import {
  compose,
  type Layer,
  normalOf,
  type OperatorBlockOptions,
  operatorBlock,
  pointwise,
  type TransformOnceOptions,
  transformOnceLayer,
} from "../nn/index.ts";
import { dct, idct, latitudesOf, type SphereGrid, sphereGrids } from "../spectral/index.ts";

/** Functions in and out, and the network between them. */
export interface NeuralOperatorOptions extends Omit<OperatorBlockOptions, "activation"> {
  /** Channels of the function that is given. */
  readonly inputs: number;
  /** Channels of the function that is wanted. */
  readonly outputs: number;
  readonly layers: number;
  /** Channels before the last map; twice the width by default. */
  readonly hidden?: number;
  /**
   * Whether blocks are told where they are, by coordinates from 0 to 1: of points `i/n`, which is the default, or of the
   * centres `(i + ½)/n` of cells, whichever the fields are given on. With a grid on the sphere, by the cosine of the
   * colatitude alone, which no rotation about the axis changes.
   */
  readonly coordinates?: GridPoints | SphereGrid | "none";
}

/** Where the values of a field lie: on the points `i/n` or on the centres `(i + ½)/n` of cells. */
export type GridPoints = "points" | "centres";

/** `x: [batch, channels, ...grid]` with the coordinates of its points or centres as further channels. */
export function withCoordinates(x: Tensor, lie: GridPoints = "points"): Tensor {
  const [batch, , ...grid] = x.shape as [number, number, ...number[]];
  const channels = grid.map((n, axis) => {
    const places = Float64Array.from({ length: n }, (_, i) => (i + (lie === "centres" ? 0.5 : 0)) / n);
    const line = tensor(x.dtype === "float64" ? places : Float32Array.from(places), {
      shape: [1, 1, ...grid.map((_, other) => (other === axis ? n : 1))],
      dtype: x.dtype,
    });
    return broadcastTo(line, [batch, 1, ...grid]);
  });
  return concat([x, ...channels], { axis: 1 });
}

/** `x: [batch, channels, latitudes, longitudes]` with the cosine of the colatitude as a further channel. */
export function withLatitude(x: Tensor, grid: SphereGrid): Tensor {
  const [batch, , latitudes, longitudes] = x.shape as [number, number, number, number];
  const cosines = latitudesOf(grid, latitudes).colatitudes.map(Math.cos);
  const line = tensor(x.dtype === "float64" ? cosines : Float32Array.from(cosines), {
    shape: [1, 1, latitudes, 1],
    dtype: x.dtype,
  });
  return concat([x, broadcastTo(line, [batch, 1, latitudes, longitudes])], { axis: 1 });
}

const isSphereGrid = (name: string): name is SphereGrid => (sphereGrids as readonly string[]).includes(name);

/**
 * A neural operator: channels are lifted to a width at each point, `layers` blocks follow, the last without activation,
 * and two pointwise maps lead to the output. With `modes` alone it is the Fourier neural operator, with
 * `spherical` alone that on the sphere.
 * `x: [batch, inputs, ...grid]` gives `[batch, outputs, ...grid]`, on any grid that the blocks can work on.
 * Source: Li et al. 2020, arXiv:2010.08895; local kernels: Liu-Schiaffini et al. 2024, arXiv:2402.16845;
 * on the sphere: Bonev et al. 2023, arXiv:2306.03838.
 */
export function neuralOperator(options: NeuralOperatorOptions): Layer<{ readonly [name: string]: Tree }> {
  const {
    inputs,
    outputs,
    layers,
    width,
    dimensions = 2,
    hidden = 2 * width,
    coordinates = "points",
    ...block
  } = options;
  if (!Number.isInteger(layers) || layers < 1)
    throw new RangeError(`neuralOperator: layers must be a whole number of at least 1, got ${layers}`);
  const isSphere = isSphereGrid(coordinates);
  if (isSphere && dimensions !== 2)
    throw new RangeError("neuralOperator: coordinates on the sphere need a grid of 2 axes");
  const further = coordinates === "none" ? 0 : isSphere ? 1 : dimensions;
  const blocks = Object.fromEntries(
    Array.from({ length: layers }, (_, i) => [
      `block${i}`,
      operatorBlock({ ...block, width, dimensions, ...(i === layers - 1 ? { activation: (x: Tensor) => x } : {}) }),
    ]),
  );
  const parts: { readonly [name: string]: Layer<Tree> } = {
    lift: pointwise({ inputs: inputs + further, outputs: width }),
    ...blocks,
    widen: pointwise({ inputs: width, outputs: hidden }),
    project: pointwise({ inputs: hidden, outputs }),
  };
  return compose(parts, (part, x: Tensor) => {
    const call = (name: string, h: Tensor): Tensor => (part[name] as (h: Tensor) => Tensor)(h);
    const placed =
      coordinates === "none" ? x : isSphere ? withLatitude(x, coordinates) : withCoordinates(x, coordinates);
    const lifted = call("lift", placed);
    const last = Object.keys(blocks).reduce((h, name) => call(name, h), lifted);
    return call("project", gelu(call("widen", last)));
  }) as Layer<{ readonly [name: string]: Tree }>;
}

export interface TransformOnceModelOptions extends Omit<TransformOnceOptions, "points"> {
  /** Channels of the function that is given. */
  readonly inputs: number;
  /** Channels of the function that is wanted. */
  readonly outputs: number;
  readonly layers: number;
  /** Points along both axes of the grid that it is made for; spectra of other grids are rescaled to it. */
  readonly size: number;
  /** Channels inside the head; 128 by default. */
  readonly hidden?: number;
}

/** A network from a field to the spectrum of another. */
export interface TransformOnce extends Layer<{ readonly [name: string]: Tree }> {
  /** The field of a spectrum that `apply` gives, on a grid of `size × size` points. */
  toField(spectrum: Tensor, size: number): Tensor;
  /** The spectrum of a field `[batch, outputs, n, n]`, with all frequencies of the model's grid: what `apply` is held against. */
  toSpectrum(field: Tensor): Tensor;
}

/**
 * Transform Once: the field and its coordinates are lifted to a width at each point, one cosine transform keeps the lowest
 * frequencies, all layers work on them, and the output is a spectrum `[batch, outputs, rows, columns]`, so that training
 * needs no inverse transform. `x: [batch, inputs, n, n]`. Spectra are those of the orthonormal transform on the grid of
 * `size`, whose values lie on the centres of cells; on other grids they are multiplied by `size/n` first, which keeps the spectrum of a function what it was.
 * The last map begins near zero. Source: Poli et al. 2022, arXiv:2211.14453, and the code published with it.
 */
export function transformOnce({
  inputs,
  outputs,
  layers,
  size,
  hidden = 128,
  width,
  modes,
  ...layer
}: TransformOnceModelOptions): TransformOnce {
  if (Math.max(...modes) > size)
    throw new RangeError(`transformOnce: ${modes.join(" x ")} modes are more than a grid of ${size} x ${size} has`);
  const names = Array.from({ length: layers }, (_, i) => `layer${i}`);
  const own = transformOnceLayer({ width, modes, points: size ** 2, ...layer });
  const model = compose<{ readonly [name: string]: Layer<Tree> }>(
    {
      lift: pointwise({ inputs: inputs + 2, outputs: width }),
      ...Object.fromEntries(names.map((name) => [name, own])),
      widen: pointwise({ inputs: width, outputs: hidden, bias: false }),
      project: pointwise({ inputs: hidden, outputs, bias: false, init: normalOf(1e-8) }),
    },
    (part, x: Tensor) => {
      const call = (name: string, h: Tensor): Tensor => (part[name] as (h: Tensor) => Tensor)(h);
      const spectrum = scaled(call("lift", withCoordinates(x, "centres")), modes, size);
      const last = names.reduce((z, name) => call(name, z), spectrum);
      return call("project", sin(call("widen", last)));
    },
  ) as Layer<{ readonly [name: string]: Tree }>;
  return {
    ...model,
    toField: (spectrum, n) => mul(idct(idct(spectrum, { axis: -1, length: n }), { axis: -2, length: n }), n / size),
    toSpectrum: (field) =>
      scaled(field, [Math.min(size, field.shape[2] as number), Math.min(size, field.shape[3] as number)], size),
  };
}

/** The lowest frequencies of fields `[batch, channels, n, n]`, as they would be on a grid of `size` points. */
function scaled(x: Tensor, [rows, columns]: readonly [number, number], size: number): Tensor {
  const [height, width] = [x.shape[2] as number, x.shape[3] as number];
  const z = dct(dct(x, { axis: -1, frequencies: columns }), { axis: -2, frequencies: rows });
  return height === size && width === size ? z : mul(z, size / Math.sqrt(height * width));
}
