/** Fields on the sphere as pictures of the whole sphere. */

export interface SphereMapOptions {
  /** Of the circles that values are given on, ascending, in radians from the north pole. */
  readonly colatitudes: ArrayLike<number>;
  /** Points on each circle, the first at longitude 0. */
  readonly longitudes: number;
  /** Value of the first colour. */
  readonly low: number;
  /** Value of the last colour. */
  readonly high: number;
  /** Pixels of the picture from west to east, an even number; half as many from north to south. */
  readonly width: number;
}

/** Pixels of a `map` picture that are no colours. */
export const MAP = { outside: 0, line: 1, first: 2 } as const;

/** Degrees between the lines of the graticule. */
const [PARALLELS, MERIDIANS] = [30, 60];

/**
 * A field `[latitudes, longitudes]` in Mollweide's projection, which keeps areas, longitude 0 in the middle: pixels for a
 * `PictureGrid` with the colours of a `map`. Values are interpolated linearly between points, and near a pole are those of
 * the last circle.
 */
export function sphereMap(values: ArrayLike<number>, options: SphereMapOptions): Uint8Array {
  const { colatitudes, longitudes, low, high, width } = options;
  if (values.length !== colatitudes.length * longitudes)
    throw new RangeError(`sphereMap: expected ${colatitudes.length} x ${longitudes} values, got ${values.length}`);
  if (!Number.isInteger(width) || width < 2 || width % 2 !== 0)
    throw new RangeError(`sphereMap: width must be an even number of at least 2, got ${width}`);
  const height = width / 2;
  const place = (column: number, row: number): { readonly theta: number; readonly lambda: number } | null => {
    const x = (2 * (column + 0.5)) / width - 1;
    const y = 1 - (2 * (row + 0.5)) / height;
    if (x * x + y * y > 1) return null;
    const t = Math.asin(y);
    const lambda = (Math.PI * x) / Math.cos(t);
    return Math.abs(lambda) > Math.PI ? null : { theta: Math.acos((2 * t + Math.sin(2 * t)) / Math.PI), lambda };
  };
  const cellOf = (at: { readonly theta: number; readonly lambda: number } | null): string =>
    at
      ? `${Math.floor((at.theta * 180) / Math.PI / PARALLELS)} ${Math.floor((at.lambda * 180) / Math.PI / MERIDIANS)}`
      : "";
  const scale = high > low ? (255 - MAP.first) / (high - low) : 0;
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [column, row] = [i % width, Math.floor(i / width)];
    const here = place(column, row);
    if (!here) return MAP.outside;
    // Lines run where a pixel and the next one lie in different cells of the graticule; the rim is one too.
    const own = cellOf(here);
    const isLine = cellOf(place(column + 1, row)) !== own || cellOf(place(column, row + 1)) !== own;
    if (isLine || !place(column - 1, row) || !place(column, row - 1)) return MAP.line;
    const value = interpolated(values, here, options);
    return MAP.first + Math.round(Math.min(255 - MAP.first, Math.max(0, (value - low) * scale)));
  });
}

function interpolated(
  values: ArrayLike<number>,
  { theta, lambda }: { readonly theta: number; readonly lambda: number },
  { colatitudes, longitudes }: SphereMapOptions,
): number {
  let below = 0;
  while (below < colatitudes.length && (colatitudes[below] as number) <= theta) below++;
  const [north, south] = [Math.max(0, below - 1), Math.min(colatitudes.length - 1, below)];
  const gap = (colatitudes[south] as number) - (colatitudes[north] as number);
  const down = gap > 0 ? (theta - (colatitudes[north] as number)) / gap : 0;
  const along = ((lambda / (2 * Math.PI)) * longitudes + longitudes) % longitudes;
  const west = Math.floor(along) % longitudes;
  const right = along - Math.floor(along);
  const on = (circle: number): number =>
    (1 - right) * (values[circle * longitudes + west] as number) +
    right * (values[circle * longitudes + ((west + 1) % longitudes)] as number);
  return (1 - down) * on(north) + down * on(south);
}
