/** Fields on the sphere as maps: truth, predictions and errors. */
import { type PictureGrid, sphereMap } from "../../report/index.ts";
import { latitudesOf, type SphereGrid } from "../../spectral/index.ts";

/** A field `[latitudes, longitudes]` and what it is called. */
export interface NamedField {
  readonly name: string;
  readonly values: ArrayLike<number>;
}

export interface SphereFiguresOptions {
  readonly title: string;
  /** What the caption begins with, as a sentence. */
  readonly caption: string;
  /** What the fields are, with their unit. */
  readonly quantity: string;
  readonly grid: SphereGrid;
  readonly latitudes: number;
  readonly longitudes: number;
  readonly input: ArrayLike<number>;
  readonly truth: ArrayLike<number>;
  readonly predictions: readonly NamedField[];
}

/** Pixels of a map from west to east. */
const WIDTH = 300;

/** Maps of input and truth, then of each prediction, on the scale of the truth, and its error, all on one scale. */
export function sphereFigure(options: SphereFiguresOptions): PictureGrid {
  const { title, caption, quantity, grid, latitudes, longitudes, input, truth, predictions } = options;
  const { colatitudes } = latitudesOf(grid, latitudes);
  const errors = predictions.map(({ values }) => Float64Array.from(truth, (v, i) => (values[i] as number) - v));
  const largest = (fields: readonly ArrayLike<number>[]): number =>
    fields.reduce(
      (top, field) => Array.from(field).reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), top),
      0,
    );
  const [most, off] = [largest([truth]), largest(errors)];
  const map = (values: ArrayLike<number>, high: number): Uint8Array =>
    sphereMap(values, { colatitudes, longitudes, low: -high, high, width: WIDTH });
  return {
    kind: "pictures",
    title,
    caption: `${caption} Mollweide's projection, which keeps areas; lines every 30 degrees of latitude and 60 of longitude.`,
    width: WIDTH,
    height: WIDTH / 2,
    colors: "map",
    columns: ["input, prediction", "truth, error"],
    scales: [
      { label: quantity, low: -most, high: most },
      { label: "error", low: -off, high: off },
    ],
    rows: [
      { label: "flow", pictures: [map(input, most), map(truth, most)] },
      ...predictions.map(({ name, values }, i) => ({
        label: name,
        pictures: [map(values, most), map(errors[i] as Float64Array, off)],
      })),
    ],
  };
}
