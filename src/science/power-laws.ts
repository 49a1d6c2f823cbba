/** Spectra as sums of complex power laws, and what becomes of a power law when the modes along one axis are summed. */
import { type ComplexNumber, logGamma } from "../spectral/index.ts";

/** `P(k) = Re Σ_n c_n (k/k_0)^(ν_n)`, `ν_n = bias + 2πi·n/L`, for the frequencies `n ≥ 0`; those above 0 count twice. */
export interface PowerLaws {
  readonly pivot: number;
  readonly bias: number;
  readonly terms: readonly { readonly coefficient: ComplexNumber; readonly frequency: number }[];
}

export interface PowerLawOptions {
  /** The range of wavenumbers, and how many points in it. The spectrum over k^bias should be small at both ends. */
  readonly from: number;
  readonly to: number;
  /** An even number. */
  readonly count: number;
  readonly bias: number;
}

/** The power laws of a spectrum on a logarithmic grid, whose points they reproduce. */
export function powerLaws(power: (k: number) => number, { from, to, count, bias }: PowerLawOptions): PowerLaws {
  if (!(from > 0 && to > from)) throw new RangeError(`powerLaws: expected 0 < from < to, got ${from} and ${to}`);
  if (!Number.isInteger(count) || count < 2 || count % 2 !== 0)
    throw new RangeError(`powerLaws: count is an even whole number of at least 2, got ${count}`);
  const length = Math.log(to / from);
  const values = Float64Array.from({ length: count }, (_, m) => {
    const ratio = Math.exp((m * length) / count);
    const value = power(from * ratio);
    if (!(value > 0 && Number.isFinite(value)))
      throw new RangeError(`powerLaws: the spectrum is above 0 everywhere, got ${value} at k = ${from * ratio}`);
    return value / ratio ** bias;
  });
  const terms = Array.from({ length: count / 2 + 1 }, (_, n) => {
    let [re, im] = [0, 0];
    for (let m = 0; m < count; m++) {
      const angle = (2 * Math.PI * ((n * m) % count)) / count;
      re += (values[m] as number) * Math.cos(angle);
      im -= (values[m] as number) * Math.sin(angle);
    }
    // Real part only: frequencies between 0 and the highest stand for their conjugates too.
    const weight = (n === 0 || 2 * n === count ? 1 : 2) / count;
    return { coefficient: { re: weight * re, im: weight * im }, frequency: (2 * Math.PI * n) / length };
  });
  return { pivot: from, bias, terms };
}

/** The sum of the power laws at a wavenumber. */
export function sumOfPowerLaws({ pivot, bias, terms }: PowerLaws, k: number): number {
  const log = Math.log(k / pivot);
  const total = terms.reduce(
    (sum, { coefficient: { re, im }, frequency }) =>
      sum + re * Math.cos(frequency * log) - im * Math.sin(frequency * log),
    0,
  );
  return total * Math.exp(bias * log);
}

/** Below it the modified Bessel function is summed as a series, above it integrated. */
const SERIES = 2;

/** Angle by which the path of the integral keeps off the line on which the integrand stops to fall off. */
const MARGIN = 0.25;

/**
 * `G_ν(t)` of `∫ dq/2π e^(iqd) (q² + a²)^(ν/2) = a^(ν+1) G_ν(a·d)`:
 * `G_ν(t) = (t/2)^(-μ) K_μ(t)/(√π Γ(-ν/2))`, `μ = (ν + 1)/2`, for complex ν of negative real part and `t > 0`. The two
 * factors that are tiny and huge for large imaginary parts are joined as logarithms.
 * Source: Basset's integral, DLMF 10.32.11.
 */
export function lineOfSightKernel({ re, im }: ComplexNumber, t: number): ComplexNumber {
  if (!(re < 0)) throw new RangeError(`lineOfSightKernel: the exponent has a negative real part, got ${re}`);
  if (!(t > 0)) throw new RangeError(`lineOfSightKernel: t is above 0, got ${t}`);
  const mu = { re: (re + 1) / 2, im: im / 2 };
  const below = logGamma({ re: -re / 2, im: -im / 2 });
  return t < SERIES ? bySeries(mu, t, below) : byIntegral(mu, t, below);
}

/** `K_μ = ½Γ(μ)(t/2)^(-μ) Σ (t²/4)^k/(k! (1-μ)_k)` and the same with -μ; not for whole real μ. */
function bySeries(mu: ComplexNumber, t: number, below: ComplexNumber): ComplexNumber {
  let [re, im] = [0, 0];
  for (const sign of [1, -1] as const) {
    const above = logGamma({ re: sign * mu.re, im: sign * mu.im });
    // (t/2)^(-μ) twice, or not at all.
    const power = sign === 1 ? -2 * Math.log(t / 2) : 0;
    const size = Math.exp(above.re - below.re + power * mu.re) / (2 * Math.sqrt(Math.PI));
    const angle = above.im - below.im + power * mu.im;
    let [a, b] = [1, 0];
    let [sumRe, sumIm] = [0, 0];
    for (let k = 0; k < 60; k++) {
      sumRe += a;
      sumIm += b;
      // Next term: times t²/4 over (k+1)(k+1-sign·μ).
      const [p, q] = [(k + 1) * (k + 1 - sign * mu.re), -(k + 1) * sign * mu.im];
      const factor = (t * t) / 4 / (p * p + q * q);
      [a, b] = [factor * (a * p + b * q), factor * (b * p - a * q)];
      if (Math.abs(a) + Math.abs(b) < 1e-18) break;
    }
    const [c, s] = [size * Math.cos(angle), size * Math.sin(angle)];
    re += c * sumRe - s * sumIm;
    im += c * sumIm + s * sumRe;
  }
  return { re, im };
}

/** `K_μ(t) = ½∫ exp(-t·cosh u - μu) du` along a line below or above the real one, on which it does not cancel. */
function byIntegral(mu: ComplexNumber, t: number, below: ComplexNumber): ComplexNumber {
  const tilt = mu.im === 0 ? 0 : Math.sign(mu.im) * Math.min(Math.PI / 2 - MARGIN, Math.abs(Math.atan2(mu.im, t)));
  const reach = Math.acosh(1 + 45 / (t * Math.cos(tilt))) + Math.abs(mu.re);
  const step = 0.02;
  let [re, im] = [0, 0];
  const scale = -mu.im * tilt - below.re;
  for (let u = -Math.ceil(reach / step) * step; u <= reach; u += step) {
    const size = Math.exp(scale - t * Math.cosh(u) * Math.cos(tilt) - mu.re * u);
    const angle = t * Math.sinh(u) * Math.sin(tilt) - mu.im * u + mu.re * tilt - below.im;
    re += size * Math.cos(angle);
    im += size * Math.sin(angle);
  }
  const ends = Math.exp(-mu.re * Math.log(t / 2)) * (step / (2 * Math.sqrt(Math.PI)));
  const turn = -mu.im * Math.log(t / 2);
  const [c, s] = [ends * Math.cos(turn), ends * Math.sin(turn)];
  return { re: re * c - im * s, im: re * s + im * c };
}
