/**
 * Fourier transforms of float64 values in host memory, for solvers whose results must be the same to the bit on every
 * machine: the order of the sums is fixed, whatever the number of threads and the width of vector units.
 */

/** Complex values as two arrays of one length. */
export interface ComplexArray {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

export const complexArray = (length: number): ComplexArray => ({
  re: new Float64Array(length),
  im: new Float64Array(length),
});

/** A transform for one length, with room to work in. */
export interface FourierPlan {
  readonly length: number;
  /**
   * `Z_f = Σ_t z_t e^(-2πi·f·t/length)` in place for each of the lanes that lie side by side: `z: [length, lanes]`.
   * The inverse has the other sign and no factor.
   */
  transform(z: ComplexArray, options?: { readonly inverse?: boolean }): void;
}

/** Throws unless a grid has a power of two points along an axis, at least 4. */
export function checkGrid(operation: string, size: number): void {
  if (!Number.isInteger(size) || size < 4 || (size & (size - 1)) !== 0)
    throw new RangeError(`${operation}: the points along an axis must be a power of two of at least 4, got ${size}`);
}

/**
 * A plan for powers of two. Stages of radix 4, the last of radix 2 where one is left, sort as they go.
 * Source: Stockham 1966, "High-speed convolution and correlation".
 */
export function fourierPlan(length: number): FourierPlan {
  checkGrid("fourierPlan", length);
  const turn = (part: number): readonly [number, number] => {
    const angle = (-2 * Math.PI * part) / length;
    return [Math.cos(angle), Math.sin(angle)];
  };
  const cosines = Float64Array.from({ length }, (_, i) => turn(i)[0]);
  const sines = Float64Array.from({ length }, (_, i) => turn(i)[1]);
  let spare = complexArray(0);
  return {
    length,
    transform({ re, im }, { inverse = false } = {}) {
      if (spare.re.length !== re.length) spare = complexArray(re.length);
      // The inverse is the transform with real and imaginary parts exchanged.
      let [from, to] = inverse ? [{ re: im, im: re }, spare] : [{ re, im }, spare];
      let stride = re.length / length;
      for (let n = length; n > 1; ) {
        const radix = n % 4 === 0 ? 4 : 2;
        if (radix === 4) radix4(from, to, n, stride, cosines, sines);
        else radix2(from, to, re.length >> 1);
        [from, to] = [to, from];
        n /= radix;
        stride *= radix;
      }
      if (from === spare) {
        to.re.set(from.re);
        to.im.set(from.im);
      }
    },
  };
}

/** Transforms of length 2, the last stage: no factors are left. */
function radix2(from: ComplexArray, to: ComplexArray, half: number): void {
  for (let q = 0; q < half; q++) {
    const ar = from.re[q] as number;
    const ai = from.im[q] as number;
    const br = from.re[q + half] as number;
    const bi = from.im[q + half] as number;
    to.re[q] = ar + br;
    to.im[q] = ai + bi;
    to.re[q + half] = ar - br;
    to.im[q + half] = ai - bi;
  }
}

/** One stage: transforms of length 4 over elements `n/4` apart, and the factors that turn them. */
function radix4(
  { re, im }: ComplexArray,
  { re: tre, im: tim }: ComplexArray,
  n: number,
  stride: number,
  cosines: Float64Array,
  sines: Float64Array,
): void {
  const quarter = n / 4;
  const step = quarter * stride;
  const every = cosines.length / n;
  for (let p = 0; p < quarter; p++) {
    const c1 = cosines[p * every] as number;
    const s1 = sines[p * every] as number;
    const c2 = cosines[2 * p * every] as number;
    const s2 = sines[2 * p * every] as number;
    const c3 = cosines[3 * p * every] as number;
    const s3 = sines[3 * p * every] as number;
    const source = p * stride;
    const target = 4 * p * stride;
    for (let q = 0; q < stride; q++) {
      const i = source + q;
      const ar = re[i] as number;
      const ai = im[i] as number;
      const br = re[i + step] as number;
      const bi = im[i + step] as number;
      const cr = re[i + 2 * step] as number;
      const ci = im[i + 2 * step] as number;
      const dr = re[i + 3 * step] as number;
      const di = im[i + 3 * step] as number;
      const sumR = ar + cr;
      const sumI = ai + ci;
      const otherR = br + dr;
      const otherI = bi + di;
      const o = target + q;
      tre[o] = sumR + otherR;
      tim[o] = sumI + otherI;
      // (a - c) - i·(b - d), a + c - (b + d) and (a - c) + i·(b - d)
      const x1 = ar - cr + (bi - di);
      const y1 = ai - ci - (br - dr);
      const x2 = sumR - otherR;
      const y2 = sumI - otherI;
      const x3 = ar - cr - (bi - di);
      const y3 = ai - ci + (br - dr);
      tre[o + stride] = x1 * c1 - y1 * s1;
      tim[o + stride] = x1 * s1 + y1 * c1;
      tre[o + 2 * stride] = x2 * c2 - y2 * s2;
      tim[o + 2 * stride] = x2 * s2 + y2 * c2;
      tre[o + 3 * stride] = x3 * c3 - y3 * s3;
      tim[o + 3 * stride] = x3 * s3 + y3 * c3;
    }
  }
}

/** Whole frequencies in the order of a transform: 0, 1, ..., size/2 - 1, -size/2, ..., -1. */
export const waveNumber = (index: number, size: number): number => (index < size / 2 ? index : index - size);

/** Exchanges the axes of `z: [rows, columns]` into `to`. */
function transposeInto(z: ComplexArray, to: ComplexArray, size: number): void {
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      to.re[column * size + row] = z.re[row * size + column] as number;
      to.im[column * size + row] = z.im[row * size + column] as number;
    }
  }
}

/** A transform of square grids. Values are `[y, x]`, spectra `[kx, ky]`: the axes are exchanged once on each way. */
export interface SquarePlan {
  readonly size: number;
  /** `Z_k = Σ_x z_x e^(-2πi·k·x/size)/size²` into `spectrum`; `values` is used up. */
  forward(values: ComplexArray, spectrum: ComplexArray): void;
  /** `z_x = Σ_k Z_k e^(2πi·k·x/size)` into `values`; `spectrum` is used up. */
  inverse(spectrum: ComplexArray, values: ComplexArray): void;
}

/** A plan for `size × size` grids; `size` is a power of two. */
export function squarePlan(size: number): SquarePlan {
  const plan = fourierPlan(size);
  return {
    size,
    forward(values, spectrum) {
      plan.transform(values);
      transposeInto(values, spectrum, size);
      plan.transform(spectrum);
      const factor = 1 / size ** 2;
      for (let i = 0; i < size * size; i++) {
        (spectrum.re[i] as number) *= factor;
        (spectrum.im[i] as number) *= factor;
      }
    },
    inverse(spectrum, values) {
      plan.transform(spectrum, { inverse: true });
      transposeInto(spectrum, values, size);
      plan.transform(values, { inverse: true });
    },
  };
}

/**
 * A periodic field `[y, x]` on points moved by `shift` of their spacing along both axes: the value at `i` is that at
 * `i + shift` of the sum of waves through the field. Frequencies of half the points are left out.
 */
export function shiftedField2d(values: Float64Array, size: number, shift: number): Float64Array {
  checkGrid("shiftedField2d", size);
  const plan = squarePlan(size);
  const spectrum = complexArray(size * size);
  plan.forward({ re: Float64Array.from(values), im: new Float64Array(size * size) }, spectrum);
  for (let i = 0; i < size * size; i++) {
    const kx = waveNumber(Math.floor(i / size), size);
    const ky = waveNumber(i % size, size);
    const kept = 2 * Math.abs(kx) < size && 2 * Math.abs(ky) < size ? 1 : 0;
    const angle = (2 * Math.PI * (kx + ky) * shift) / size;
    const re = spectrum.re[i] as number;
    const im = spectrum.im[i] as number;
    spectrum.re[i] = kept * (re * Math.cos(angle) - im * Math.sin(angle));
    spectrum.im[i] = kept * (re * Math.sin(angle) + im * Math.cos(angle));
  }
  const moved = complexArray(size * size);
  plan.inverse(spectrum, moved);
  return moved.re;
}
