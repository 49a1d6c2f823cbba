/** The gamma function of complex arguments, on the host. */

/** A complex number. */
export interface ComplexNumber {
  readonly re: number;
  readonly im: number;
}

/** `B_2n/(2n(2n-1))` of Stirling's series. */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400] as const;

/** From this real part on, Stirling's series has all digits. */
const ENOUGH = 12;

/**
 * The logarithm of the gamma function, continuous off the negative axis, by Stirling's series where it converges at once and
 * the recurrence `Γ(z + 1) = z·Γ(z)` elsewhere. Infinite at 0, -1, -2, …
 */
export function logGamma({ re, im }: ComplexNumber): ComplexNumber {
  let x = re;
  let [logs, angles] = [0, 0];
  while (x < ENOUGH) {
    logs += Math.log(Math.hypot(x, im));
    angles += Math.atan2(im, x);
    x++;
  }
  const [log, angle] = [Math.log(Math.hypot(x, im)), Math.atan2(im, x)];
  let real = (x - 0.5) * log - im * angle - x + 0.5 * Math.log(2 * Math.PI);
  let imaginary = im * log + (x - 0.5) * angle - im;
  // Odd powers of 1/z.
  const square = x * x + im * im;
  let [a, b] = [x / square, -im / square];
  const [c, d] = [a * a - b * b, 2 * a * b];
  for (const factor of STIRLING) {
    real += factor * a;
    imaginary += factor * b;
    [a, b] = [a * c - b * d, a * d + b * c];
  }
  return { re: real - logs, im: imaginary - angles };
}
