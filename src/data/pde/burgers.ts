/** The viscous Burgers equation on a circle. */
import { type ComplexArray, checkGrid, complexArray, fourierPlan, waveNumber } from "./fourier.ts";
import { rungeKutta } from "./time-step.ts";

export interface BurgersOptions {
  /** Points on the circle: a power of two. */
  readonly size: number;
  readonly viscosity: number;
  /** Length of the circle; 1 by default. */
  readonly length?: number;
}

/** A solver; states are velocities at the points `i·length/size`. */
export interface Burgers {
  /** The state after `steps` steps of `dt`. Throws one sentence if it has blown up. */
  advance(velocity: Float64Array, options: { readonly dt: number; readonly steps: number }): Float64Array;
}

/**
 * Solves `∂u/∂t + ½·∂(u²)/∂x = ν·∂²u/∂x²`: derivatives are spectral, products exact (of the frequencies the lower two
 * thirds are kept), viscosity is integrated exactly, the rest by the Runge-Kutta method of order 4. Fronts have a width of
 * about `4ν` over the jump in u: the grid must resolve it.
 */
export function burgers1d({ size, viscosity, length = 1 }: BurgersOptions): Burgers {
  checkGrid("burgers1d", size);
  if (!(viscosity > 0)) throw new RangeError(`burgers1d: viscosity must be above 0, got ${viscosity}`);
  if (!(length > 0)) throw new RangeError(`burgers1d: length must be above 0, got ${length}`);
  const plan = fourierPlan(size);
  const unit = (2 * Math.PI) / length;
  const waves = Float64Array.from({ length: size }, (_, i) => unit * waveNumber(i, size));
  // Frequencies that are not kept have a derivative of 0.
  const derivative = waves.map((k, i) => (3 * Math.abs(waveNumber(i, size)) < size ? k : 0));
  const room = complexArray(size);
  const slope = ({ re, im }: ComplexArray, out: ComplexArray): void => {
    room.re.set(re);
    room.im.set(im);
    plan.transform(room, { inverse: true });
    for (let i = 0; i < size; i++) {
      const u = room.re[i] as number;
      room.re[i] = (u * u) / 2;
      room.im[i] = 0;
    }
    plan.transform(room);
    for (let i = 0; i < size; i++) {
      const k = (derivative[i] as number) / size;
      out.re[i] = k * (room.im[i] as number);
      out.im[i] = -k * (room.re[i] as number);
    }
  };
  return {
    advance(velocity, { dt, steps }) {
      if (velocity.length !== size) throw new RangeError(`burgers1d: expected ${size} values, got ${velocity.length}`);
      const state = { re: velocity.map((u) => u / size), im: new Float64Array(size) };
      plan.transform(state);
      for (let i = 1; i < size; i++) {
        if (derivative[i] !== 0) continue;
        state.re[i] = 0;
        state.im[i] = 0;
      }
      const step = rungeKutta(slope, size, (i) => Math.exp((-viscosity * (waves[i] as number) ** 2 * dt) / 2), dt);
      for (let k = 0; k < steps; k++) step(state);
      plan.transform(state, { inverse: true });
      if (!state.re.every(Number.isFinite))
        throw new RangeError(
          `burgers1d: the solution has blown up within ${steps} steps of ${dt}; a smaller step is needed`,
        );
      return state.re;
    },
  };
}
