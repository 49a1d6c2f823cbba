/** Associated Legendre functions in the normalization of spherical harmonics, stable for any degree. */

/** Values are kept as `x·2^(960·e)` while they are too small for float64: near the poles high orders start there. */
const BIG = 2 ** 960;

/**
 * `P_l^m(cos θ)` at every colatitude for all degrees from `order` to `degree`, normalized so that
 * `Y_lm = P_l^m(cos θ)·e^(imφ)` has length 1 on the sphere, with the phase of Condon and Shortley. Row after row for
 * `l = order … degree`, each a value for each colatitude.
 *
 * Recurrence over the degree from the sectoral value, in numbers with an exponent of their own, so that nothing underflows
 * on the way to degrees where it matters. Source: Fukushima 2012, "Numerical computation of spherical harmonics of
 * arbitrary degree and order by extending exponent of floating point numbers".
 */
export function legendreFunctions(order: number, degree: number, colatitudes: ArrayLike<number>): Float64Array {
  const count = colatitudes.length;
  const table = new Float64Array(Math.max(0, degree - order + 1) * count);
  for (let k = 0; k < count; k++) {
    const [cos, sin] = [Math.cos(colatitudes[k] as number), Math.sin(colatitudes[k] as number)];
    let [before, value, exponent] = [0, Math.sqrt(1 / (4 * Math.PI)), 0];
    for (let m = 1; m <= order; m++) {
      value *= -Math.sqrt((2 * m + 1) / (2 * m)) * sin;
      if (value !== 0 && Math.abs(value) < 1 / BIG) {
        value *= BIG;
        exponent--;
      }
    }
    for (let l = order; l <= degree; l++) {
      table[(l - order) * count + k] = exponent === 0 ? value : 0;
      const [next, last] = [l + 1, l];
      const a = Math.sqrt(((2 * next + 1) * (2 * next - 1)) / ((next - order) * (next + order)));
      const b =
        last === order
          ? 0
          : Math.sqrt(
              ((2 * next + 1) * (last - order) * (last + order)) / ((2 * last - 1) * (next - order) * (next + order)),
            );
      [before, value] = [value, a * cos * value - b * before];
      if (exponent < 0 && Math.abs(value) > 1) {
        [before, value] = [before / BIG, value / BIG];
        exponent++;
      }
    }
  }
  return table;
}

/**
 * What of a harmonic varies along a meridian. `value`: P_l^m. `slope`: its derivative by the colatitude, `along`: m/sin θ
 * times it, both over √(l(l+1)).
 */
export type HarmonicPart = "value" | "slope" | "along";

/** A part of all harmonics up to a degree, `[orders, degrees, colatitudes]`, zero where the order is larger than the degree. */
export const harmonicTable = (part: HarmonicPart, colatitudes: Float64Array, degree: number): Float64Array =>
  part === "value" ? valuesOf(colatitudes, degree) : slopesOf(part, colatitudes, degree);

/** All functions up to a degree, `[orders, degrees, colatitudes]`; orders as many as degrees unless told otherwise. */
function valuesOf(colatitudes: Float64Array, degree: number, orders: number = degree + 1): Float64Array {
  const count = colatitudes.length;
  const all = new Float64Array(orders * (degree + 1) * count);
  for (let m = 0; m < Math.min(orders, degree + 1); m++)
    all.set(legendreFunctions(m, degree, colatitudes), (m * (degree + 1) + m) * count);
  return all;
}

/** The two kinds of derivatives, from neighbouring orders, so that nothing is divided by the sine. */
function slopesOf(part: Exclude<HarmonicPart, "value">, colatitudes: Float64Array, degree: number): Float64Array {
  const [size, count] = [degree + 1, colatitudes.length];
  const values = valuesOf(colatitudes, degree, size + 1);
  const value = (l: number, m: number, k: number): number => {
    if (m < 0) return -value(l, -m, k);
    return m > l ? 0 : (values[(m * size + l) * count + k] as number);
  };
  const made = new Float64Array(size * size * count);
  for (let m = 0; m < size; m++) {
    for (let l = Math.max(1, m); l < size; l++) {
      const scale = 0.5 / Math.sqrt(l * (l + 1));
      for (let k = 0; k < count; k++) {
        made[(m * size + l) * count + k] =
          part === "slope"
            ? scale *
              (Math.sqrt((l - m) * (l + m + 1)) * value(l, m + 1, k) -
                Math.sqrt((l + m) * (l - m + 1)) * value(l, m - 1, k))
            : -scale *
              Math.sqrt((2 * l + 1) / (2 * l - 1)) *
              (Math.sqrt((l - m) * (l - m - 1)) * value(l - 1, m + 1, k) +
                Math.sqrt((l + m) * (l + m - 1)) * value(l - 1, m - 1, k));
      }
    }
  }
  return made;
}
