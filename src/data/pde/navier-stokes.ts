/** Two-dimensional incompressible flow on a torus, in its vorticity. */
import { type ComplexArray, checkGrid, complexArray, squarePlan, waveNumber } from "./fourier.ts";
import { accumulate, rungeKutta } from "./time-step.ts";

export interface NavierStokesOptions {
  /** Points along each axis: a power of two. */
  readonly size: number;
  /** Kinematic viscosity. */
  readonly viscosity: number;
  /** Vorticity that is added in unit time, `[y, x]`; none by default. */
  readonly forcing?: Float64Array;
  /** Rate at which all scales lose vorticity, as by friction on the ground; 0 by default. */
  readonly drag?: number;
  /** Extent of the torus along each axis; 1 by default. */
  readonly length?: number;
}

/** A solver of one flow; states are vorticities on the points `i·length/size`, `[y, x]`. */
export interface NavierStokes {
  /** The state after `steps` steps of `dt`. Throws one sentence if it has blown up. */
  advance(vorticity: Float64Array, options: { readonly dt: number; readonly steps: number }): Float64Array;
  /** Velocities `[u, v]` along x and y. */
  velocity(vorticity: Float64Array): readonly [Float64Array, Float64Array];
}

/**
 * Solves `∂ω/∂t + u·∇ω = ν·Δω - drag·ω + forcing` with `u = (∂ψ/∂y, -∂ψ/∂x)`, `Δψ = -ω`, without mean flow. Derivatives are
 * spectral. Products are exact: of the frequencies the lower two thirds are kept. Friction is integrated exactly, the rest
 * by the Runge-Kutta method of order 4. The product is that of `u·∇ω = (∂xx - ∂yy)(uv) + ∂xy(v² - u²)`, two transforms for
 * one evaluation. Sources: Orszag 1971, "On the elimination of aliasing in finite-difference schemes by filtering
 * high-wavenumber components"; Basdevant 1983, "Technical improvements for direct numerical simulation of homogeneous
 * three-dimensional turbulence".
 */
export function navierStokes2d(options: NavierStokesOptions): NavierStokes {
  const { size, viscosity, forcing, drag = 0, length = 1 } = options;
  checkGrid("navierStokes2d", size);
  for (const [name, value] of Object.entries({ viscosity, drag }))
    if (!(value >= 0)) throw new RangeError(`navierStokes2d: ${name} must be at least 0, got ${value}`);
  if (!(length > 0)) throw new RangeError(`navierStokes2d: length must be above 0, got ${length}`);
  const plan = squarePlan(size);
  const waves = waveTable(size, length);
  const toSpectrum = (values: Float64Array): ComplexArray => {
    if (values.length !== size * size)
      throw new RangeError(`navierStokes2d: expected ${size} x ${size} values, got ${values.length}`);
    const spectrum = complexArray(size * size);
    plan.forward({ re: Float64Array.from(values), im: new Float64Array(size * size) }, spectrum);
    return masked(spectrum, waves.kept);
  };
  const push = forcing ? toSpectrum(forcing) : null;
  const flow = velocitySpectrum(waves);
  const room = [complexArray(size * size), complexArray(size * size)] as const;

  /** `∂ω/∂t` without friction. */
  const slope = (state: ComplexArray, out: ComplexArray): void => {
    const [spectrum, values] = room;
    flow(state, spectrum);
    plan.inverse(spectrum, values);
    for (let i = 0; i < size * size; i++) {
      const u = values.re[i] as number;
      const v = values.im[i] as number;
      values.re[i] = u * v;
      values.im[i] = v * v - u * u;
    }
    plan.forward(values, spectrum);
    advection(spectrum, waves, out);
    if (push) accumulate(out, push, 1);
  };

  return {
    advance(vorticity, { dt, steps }) {
      const state = toSpectrum(vorticity);
      const step = rungeKutta(
        slope,
        size * size,
        (i) => Math.exp((-(viscosity * (waves.squared[i] as number) + drag) * dt) / 2),
        dt,
      );
      for (let k = 0; k < steps; k++) step(state);
      const values = complexArray(size * size);
      plan.inverse(state, values);
      if (!values.re.every(Number.isFinite))
        throw new RangeError(
          `navierStokes2d: the flow has blown up within ${steps} steps of ${dt}; a smaller step or more viscosity is needed`,
        );
      return values.re;
    },
    velocity(vorticity) {
      const values = complexArray(size * size);
      const [spectrum] = room;
      flow(toSpectrum(vorticity), spectrum);
      plan.inverse(spectrum, values);
      return [values.re, values.im];
    },
  };
}

interface WaveTable {
  readonly kx: Float64Array;
  readonly ky: Float64Array;
  readonly squared: Float64Array;
  /** 1 for frequencies below a third of the points along both axes, else 0. */
  readonly kept: Uint8Array;
  /** Index of the conjugate frequency. */
  readonly conjugate: Uint32Array;
}

function waveTable(size: number, length: number): WaveTable {
  const unit = (2 * Math.PI) / length;
  const each = (fn: (kx: number, ky: number) => number): Float64Array =>
    Float64Array.from({ length: size * size }, (_, i) =>
      fn(waveNumber(Math.floor(i / size), size), waveNumber(i % size, size)),
    );
  const wrap = (k: number): number => (k + size) % size;
  return {
    kx: each((kx) => unit * kx),
    ky: each((_, ky) => unit * ky),
    squared: each((kx, ky) => unit ** 2 * (kx ** 2 + ky ** 2)),
    kept: Uint8Array.from(each((kx, ky) => Number(3 * Math.abs(kx) < size && 3 * Math.abs(ky) < size))),
    conjugate: Uint32Array.from(each((kx, ky) => wrap(-kx) * size + wrap(-ky))),
  };
}

function masked(z: ComplexArray, kept: Uint8Array): ComplexArray {
  for (let i = 0; i < kept.length; i++) {
    if (kept[i]) continue;
    z.re[i] = 0;
    z.im[i] = 0;
  }
  return z;
}

/** The spectrum of `u + i·v`: both velocities come from one inverse transform. */
const velocitySpectrum =
  ({ kx, ky, squared }: WaveTable) =>
  (vorticity: ComplexArray, out: ComplexArray): void => {
    out.re[0] = 0;
    out.im[0] = 0;
    for (let i = 1; i < kx.length; i++) {
      // ψ = ω/k², u = i·ky·ψ, v = -i·kx·ψ, so u + i·v = (kx + i·ky)·ψ.
      const inverse = 1 / (squared[i] as number);
      const a = (vorticity.re[i] as number) * inverse;
      const b = (vorticity.im[i] as number) * inverse;
      out.re[i] = (kx[i] as number) * a - (ky[i] as number) * b;
      out.im[i] = (kx[i] as number) * b + (ky[i] as number) * a;
    }
  };

/** `-(∂xx - ∂yy)p - ∂xy q` from the spectrum of `p + i·q`, p and q real. */
function advection(z: ComplexArray, { kx, ky, kept, conjugate }: WaveTable, out: ComplexArray): void {
  for (let i = 0; i < kx.length; i++) {
    if (!kept[i]) {
      out.re[i] = 0;
      out.im[i] = 0;
      continue;
    }
    const c = conjugate[i] as number;
    const x = kx[i] as number;
    const y = ky[i] as number;
    const zr = z.re[i] as number;
    const zi = z.im[i] as number;
    const cr = z.re[c] as number;
    const ci = z.im[c] as number;
    // p = (z + conj z')/2 and q = (z - conj z')/(2i), z' at the conjugate frequency.
    const a = (x * x - y * y) / 2;
    const b = (x * y) / 2;
    out.re[i] = a * (zr + cr) + b * (zi + ci);
    out.im[i] = a * (zi - ci) - b * (zr - cr);
  }
}
