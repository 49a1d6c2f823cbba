/** Encodings of places on the Earth, as inputs of networks. */
import {
  add,
  arange,
  clip,
  concat,
  cos,
  flip,
  mul,
  sin,
  slice,
  sqrt,
  square,
  sub,
  type Tensor,
  tensor,
} from "../../array/index.ts";
import { checkCount } from "../checks.ts";

/** An encoding: `[..., 2]`, longitude and latitude in degrees, to `[..., features]`. */
export interface LocationEncoding {
  readonly features: number;
  encode(places: Tensor): Tensor;
}

const RADIANS = Math.PI / 180;

/** Longitude and latitude in radians, each `[..., 1]`. */
function radians(operation: string, places: Tensor): readonly [longitude: Tensor, latitude: Tensor] {
  if (places.shape.at(-1) !== 2)
    throw new RangeError(
      `${operation}: expected [..., longitude and latitude], got shape [${places.shape.join(", ")}]`,
    );
  const part = (i: number): Tensor => mul(slice(places, { starts: [i], stops: [i + 1], axes: [-1] }), RADIANS);
  return [part(0), part(1)];
}

const encoding = (
  operation: string,
  features: number,
  fn: (longitude: Tensor, latitude: Tensor) => readonly Tensor[],
): LocationEncoding => ({
  features,
  encode: (places) => concat(fn(...radians(operation, places)), { axis: -1 }),
});

/** Longitude and latitude in radians: 2 features, with a cut at the date line. */
export const directEncoding = (): LocationEncoding =>
  encoding("directEncoding", 2, (longitude, latitude) => [longitude, latitude]);

/** The point in space on the unit sphere: 3 features. */
export const cartesianEncoding = (): LocationEncoding =>
  encoding("cartesianEncoding", 3, (longitude, latitude) => [
    mul(cos(latitude), cos(longitude)),
    mul(cos(latitude), sin(longitude)),
    sin(latitude),
  ]);

/** Cosine and sine of longitude and latitude: 4 features. Source: Mac Aodha et al. 2019, arXiv:1906.05272. */
export const wrapEncoding = (): LocationEncoding =>
  encoding("wrapEncoding", 4, (longitude, latitude) => [cos(longitude), sin(longitude), cos(latitude), sin(latitude)]);

export interface FrequencyOptions {
  /** How many frequencies. */
  readonly frequencies: number;
  /** Shortest and longest scale in degrees, between which the scales are geometric; 10 and 360 by default. */
  readonly scales?: readonly [shortest: number, longest: number];
}

/** Factors on angles in radians, one full turn for the longest scale of 360 degrees. */
function factorsOf(
  operation: string,
  { frequencies, scales: [least, most] = [10, 360] }: FrequencyOptions,
): readonly number[] {
  checkCount(operation, { frequencies });
  if (!(least > 0 && most >= least))
    throw new RangeError(`${operation}: scales must rise from above 0, got ${least} and ${most}`);
  return Array.from({ length: frequencies }, (_, i) => {
    const scale = most * (least / most) ** (frequencies === 1 ? 0 : i / (frequencies - 1));
    return 360 / scale;
  });
}

const waves = (angle: Tensor, factors: readonly number[]): Tensor[] =>
  factors.flatMap((factor) => [sin(mul(angle, factor)), cos(mul(angle, factor))]);

/** Sines and cosines of longitude and latitude at several scales: 4 features for each. Source: Mai et al. 2020, arXiv:2003.00824. */
export function gridEncoding(options: FrequencyOptions): LocationEncoding {
  const factors = factorsOf("gridEncoding", options);
  return encoding("gridEncoding", 4 * factors.length, (longitude, latitude) => [
    ...waves(longitude, factors),
    ...waves(latitude, factors),
  ]);
}

/**
 * Sines and cosines along three directions of the map at angles of 120 degrees, at several scales: 6 features for each.
 * Source: Mai et al. 2020, arXiv:2003.00824 (theory).
 */
export function theoryEncoding(options: FrequencyOptions): LocationEncoding {
  const factors = factorsOf("theoryEncoding", options);
  return encoding("theoryEncoding", 6 * factors.length, (longitude, latitude) =>
    [0, 1, 2].flatMap((i) => {
      const angle = (2 * Math.PI * i) / 3;
      return waves(add(mul(longitude, Math.cos(angle)), mul(latitude, Math.sin(angle))), factors);
    }),
  );
}

/**
 * Real spherical harmonics of degrees 0 to `degrees - 1`, orthonormal on the sphere: `degrees²` features, for each degree l
 * those of order -l to l: `√2·P_l^|m|·sin(|m|φ)` for m < 0, `P_l^0`, `√2·P_l^m·cos(mφ)`. They have neither poles nor a date
 * line: the squares of one degree add up to `(2l + 1)/4π` everywhere. Normalized recurrences keep them finite.
 * Source: Rußwurm et al. 2023, arXiv:2310.06743.
 */
export function sphericalHarmonicEncoding({ degrees }: { readonly degrees: number }): LocationEncoding {
  checkCount("sphericalHarmonicEncoding", { degrees });
  return encoding("sphericalHarmonicEncoding", degrees ** 2, (longitude, latitude) => {
    const height = sin(latitude);
    const radius = sqrt(clip(sub(1, square(height)), 0, 1));
    const orders = arange(degrees, longitude.dtype);
    const angles = mul(longitude, orders);
    const [cosines, sines] = [cos(angles), sin(angles)];
    return legendreRows(height, radius, degrees).flatMap((row, degree) => {
      if (degree === 0) return [row];
      const positive = mul(part(row, 1, degree + 1), Math.SQRT2);
      const west = mul(positive, part(sines, 1, degree + 1));
      return [flip(west, { axis: -1 }), part(row, 0, 1), mul(positive, part(cosines, 1, degree + 1))];
    });
  });
}

const part = (x: Tensor, start: number, stop: number): Tensor =>
  slice(x, { starts: [start], stops: [stop], axes: [-1] });

/** `P_l^m` for m from 0 to l, `[..., l + 1]` for each degree l. */
function legendreRows(height: Tensor, radius: Tensor, degrees: number): readonly Tensor[] {
  const constants = (values: readonly number[]): Tensor =>
    tensor(height.dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values));
  const one = add(mul(height, 0), 1);
  const rows = [mul(one, Math.sqrt(1 / (4 * Math.PI)))];
  for (let l = 1; l < degrees; l++) {
    const [last, before] = [rows[l - 1] as Tensor, rows[l - 2]];
    const orders = Array.from({ length: l }, (_, m) => m);
    const rise = constants(orders.map((m) => Math.sqrt((4 * l * l - 1) / (l * l - m * m))));
    const risen = mul(rise, mul(height, last));
    // The row two degrees down has no order l - 1.
    const fall = orders.slice(0, -1).map((m) => {
      return Math.sqrt(((2 * l + 1) * ((l - 1) ** 2 - m * m)) / ((2 * l - 3) * (l * l - m * m)));
    });
    const lower = before
      ? concat([sub(part(risen, 0, l - 1), mul(constants(fall), before)), part(risen, l - 1, l)], { axis: -1 })
      : risen;
    const sectoral = mul(mul(part(last, l - 1, l), radius), Math.sqrt((2 * l + 1) / (2 * l)));
    rows.push(concat([lower, sectoral], { axis: -1 }));
  }
  return rows;
}

/** Places as a tensor `[count, 2]` of longitudes, brought to -180 to 180 degrees, and latitudes. */
export function placesOf(points: readonly (readonly [longitude: number, latitude: number])[]): Tensor {
  const data = Float32Array.from(
    points.flatMap(([longitude, latitude]) => {
      if (!(Math.abs(latitude) <= 90))
        throw new RangeError(`placesOf: expected latitudes from -90 to 90 degrees, got ${latitude}`);
      return [longitude - 360 * Math.round(longitude / 360), latitude];
    }),
  );
  return tensor(data, { shape: [points.length, 2] });
}
