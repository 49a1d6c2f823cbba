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
