/** Spherical Bessel functions. */

const HUGE = 1e200;

/**
 * `j_0(x) … j_degree(x)`, into an array of `degree + 1` places. By the recurrence upwards where the argument exceeds the
 * degree, else downwards from far above (Miller), which is stable there.
 */
export function sphericalBessel(degree: number, x: number, into = new Float64Array(degree + 1)): Float64Array {
  if (!Number.isInteger(degree) || degree < 0)
    throw new RangeError(`sphericalBessel: degree is a whole number of at least 0, got ${degree}`);
  if (!(x >= 0)) throw new RangeError(`sphericalBessel: x is at least 0, got ${x}`);
  if (x === 0) {
    into.fill(0);
    into[0] = 1;
    return into;
  }
  const zeroth = Math.sin(x) / x;
  const first = x < 1e-4 ? x / 3 : (zeroth - Math.cos(x)) / x;
  if (x > degree) {
    into[0] = zeroth;
    if (degree > 0) into[1] = first;
    for (let l = 2; l <= degree; l++) into[l] = ((2 * l - 1) / x) * (into[l - 1] as number) - (into[l - 2] as number);
    return into;
  }
  into.fill(0);
  let [above, value] = [0, 1 / HUGE];
  for (let l = degree + 20 + Math.ceil(4 * Math.sqrt(degree)); l > 0; l--) {
    [above, value] = [value, ((2 * l + 1) / x) * value - above];
    if (l - 1 <= degree) into[l - 1] = value;
    if (Math.abs(value) > HUGE) {
      above /= HUGE;
      value /= HUGE;
      for (let i = l - 1; i <= degree && into[i] !== 0; i++) into[i] = (into[i] as number) / HUGE;
    }
  }
  // j_0 or j_1, whichever is not near a root.
  const scale = Math.abs(zeroth) > Math.abs(first) || degree === 0 ? zeroth / value : first / (into[1] as number);
  for (let l = 0; l <= degree; l++) into[l] = (into[l] as number) * scale;
  return into;
}
