/** A shallow layer of fluid on a rotating sphere, in its geopotential, vorticity and divergence. */
import { hashOf, normalPair } from "../hash.ts";
import { type ComplexArray, complexArray } from "./fourier.ts";
import { type SphereGridOptions, type SpherePlan, spherePlan } from "./sphere.ts";
import { rungeKutta } from "./time-step.ts";

/** Radius in m, rotation in 1/s and gravity in m/s². */
export const EARTH = { radius: 6.37122e6, rotation: 7.292e-5, gravity: 9.80616 } as const;

export interface ShallowWaterOptions {
  /** Largest degree of the harmonics. */
  readonly degree: number;
  /** In m; the Earth's by default. */
  readonly radius?: number;
  /** Angular velocity in 1/s; the Earth's by default. */
  readonly rotation?: number;
  /** Angle between the axis of rotation and that of the grid, towards longitude π, in radians; 0 by default. */
  readonly tilt?: number;
  /**
   * Seconds in which friction takes the largest degree down to 1/e; others at `(l(l+1)/L(L+1))⁴` of its rate, so that the
   * mean is kept. No friction by default.
   */
  readonly friction?: number;
}

/** Coefficients of the fields of a flow, see `SpherePlan`. */
export interface ShallowWaterState {
  /** Gravity times the depth of the fluid, in m²/s². */
  readonly geopotential: ComplexArray;
  /** In 1/s. */
  readonly vorticity: ComplexArray;
  /** In 1/s. */
  readonly divergence: ComplexArray;
}

/** Values of the fields of a flow, `[latitudes, longitudes]`. */
export interface ShallowWaterFields {
  readonly geopotential: Float64Array;
  readonly vorticity: Float64Array;
  readonly divergence: Float64Array;
}

/** A solver. */
export interface ShallowWater {
  readonly degree: number;
  /** The grid on which products are formed. */
  readonly grid: Required<SphereGridOptions>;
  /** Colatitudes of its circles. */
  readonly colatitudes: Float64Array;
  /** The state after `steps` steps of `dt` seconds. Throws one sentence if it has blown up. */
  advance(state: ShallowWaterState, options: { readonly dt: number; readonly steps: number }): ShallowWaterState;
  /** The state whose fields have these values on a grid; by default on the solver's. */
  stateOf(fields: ShallowWaterFields, grid?: SphereGridOptions): ShallowWaterState;
  /** Values on a grid, which may be too coarse for the degree; by default on the solver's. */
  fieldsOf(state: ShallowWaterState, grid?: SphereGridOptions): ShallowWaterFields;
  /** Velocities to the south and to the east in m/s, `[latitudes, longitudes]`. */
  windOf(state: ShallowWaterState): readonly [south: Float64Array, east: Float64Array];
  /** Means over the sphere: of the geopotential, and of the energy `½·φ·(φ + |v|²)`. */
  totals(state: ShallowWaterState): { readonly mass: number; readonly energy: number };
  /** Mean of `½|v|²` by degree, in m²/s². */
  kineticSpectrum(state: ShallowWaterState): Float64Array;
}

/**
 * Solves `∂ζ/∂t = -∇·((ζ + f)v)`, `∂δ/∂t = r·∇×((ζ + f)v) - Δ(φ + |v|²/2)`, `∂φ/∂t = -∇·(φv)` with vorticity ζ, divergence δ
 * and geopotential φ on a sphere that rotates with Ω, `f = 2Ω·cos θ`. Harmonics up to a degree; the grid is fine enough
 * that quadratic products are exact. Friction is integrated exactly, the rest by the Runge-Kutta method of order 4. Gravity
 * waves need `dt` below about `2.8·radius/(degree·√φ)`.
 * Source: Bourke 1972, "An efficient, one-level, primitive-equation spectral model".
 */
export function shallowWater(options: ShallowWaterOptions): ShallowWater {
  const { degree, radius = EARTH.radius, rotation = EARTH.rotation, tilt = 0, friction } = options;
  if (!Number.isInteger(degree) || degree < 2)
    throw new RangeError(`shallowWater: degree must be a whole number of at least 2, got ${degree}`);
  for (const [name, value] of Object.entries({ radius, ...(friction === undefined ? {} : { friction }) }))
    if (!(value > 0)) throw new RangeError(`shallowWater: ${name} must be above 0, got ${value}`);
  if (!Number.isFinite(rotation) || !Number.isFinite(tilt))
    throw new RangeError(`shallowWater: rotation and tilt must be finite, got ${rotation} and ${tilt}`);
  const grid = productGrid(degree);
  const plan = spherePlan({ degree, ...grid });
  const { size, degrees } = plan;
  const points = grid.latitudes * grid.longitudes;
  const eigenvalues = Float64Array.from(degrees, (l) => l * (l + 1));
  const roots = eigenvalues.map(Math.sqrt);
  const coriolis = Float64Array.from({ length: points }, (_, i) => {
    const theta = plan.colatitudes[i % grid.latitudes] as number;
    const lambda = (2 * Math.PI * Math.floor(i / grid.latitudes)) / grid.longitudes;
    return (
      2 * rotation * UNIT * (Math.cos(theta) * Math.cos(tilt) - Math.sin(theta) * Math.cos(lambda) * Math.sin(tilt))
    );
  });
  const none = complexArray(size);
  const unused = complexArray(size);
  const wind = { spheroidal: complexArray(size), toroidal: complexArray(size) };
  const flux = { spheroidal: complexArray(size), toroidal: complexArray(size) };
  const [mass, energy] = [{ spheroidal: complexArray(size), toroidal: complexArray(size) }, complexArray(size)];
  const [scalars, velocities, products] = [complexArray(points), complexArray(points), complexArray(points)];

  // Inside, radius and an hour are 1: fields that share a transform must be of one size, or the smaller loses digits.
  const units = { geopotential: (radius / UNIT) ** 2, vorticity: 1 / UNIT, divergence: 1 / UNIT } as const;
  const within = (state: ShallowWaterState, x = complexArray(3 * size)): ComplexArray => {
    const parts = partsOf(x, size);
    for (const name of fieldNames) {
      const { re, im } = state[name];
      if (re.length !== size || im.length !== size)
        throw new RangeError(`shallowWater: expected ${size} coefficients of each field, got ${re.length}`);
      parts[name].re.set(re.map((v) => v / units[name]));
      parts[name].im.set(im.map((v) => v / units[name]));
    }
    return x;
  };
  const outside = (parts: ShallowWaterState): ShallowWaterState => {
    for (const name of fieldNames)
      for (const part of ["re", "im"] as const)
        for (let i = 0; i < size; i++) (parts[name][part][i] as number) *= units[name];
    return parts;
  };

  /** Velocities into `velocities`. */
  const toWind = ({ vorticity, divergence }: ShallowWaterState): void => {
    for (const [from, to] of [
      [divergence, wind.spheroidal],
      [vorticity, wind.toroidal],
    ] as const)
      for (let i = 0; i < size; i++) {
        const factor = degrees[i] === 0 ? 0 : -1 / (roots[i] as number);
        to.re[i] = factor * (from.re[i] as number);
        to.im[i] = factor * (from.im[i] as number);
      }
    plan.synthesizeTangent(wind, velocities);
  };

  const slope = (x: ComplexArray, out: ComplexArray): void => {
    const state = partsOf(x, size);
    toWind(state);
    plan.synthesize(state.vorticity, state.geopotential, scalars);
    const times = (factor: (i: number) => number): void => {
      for (let i = 0; i < points; i++) {
        const f = factor(i);
        products.re[i] = f * (velocities.re[i] as number);
        products.im[i] = f * (velocities.im[i] as number);
      }
    };
    times((i) => (scalars.re[i] as number) + (coriolis[i] as number));
    plan.analyzeTangent(products, flux);
    times((i) => scalars.im[i] as number);
    plan.analyzeTangent(products, mass);
    for (let i = 0; i < points; i++) {
      products.re[i] = ((velocities.re[i] as number) ** 2 + (velocities.im[i] as number) ** 2) / 2;
      products.im[i] = 0;
    }
    plan.analyze(products, energy, unused);
    const { geopotential, vorticity, divergence } = partsOf(out, size);
    for (const part of ["re", "im"] as const)
      for (let i = 0; i < size; i++) {
        const root = roots[i] as number;
        // -√(l(l+1)) turns spheroidal coefficients into divergences, toroidal ones into curls.
        geopotential[part][i] = root * (mass.spheroidal[part][i] as number);
        vorticity[part][i] = root * (flux.spheroidal[part][i] as number);
        divergence[part][i] =
          root * root * ((state.geopotential[part][i] as number) + (energy[part][i] as number)) -
          root * (flux.toroidal[part][i] as number);
      }
  };

  const most = degree * (degree + 1);
  const halfDecay =
    (dt: number) =>
    (i: number): number =>
      friction === undefined ? 1 : Math.exp((-dt / (2 * friction)) * ((eigenvalues[i % size] as number) / most) ** 4);
  const plans = new Map<string, SpherePlan>();
  const planOf = (wanted: SphereGridOptions | undefined): SpherePlan => {
    if (!wanted) return plan;
    const { latitudes, longitudes, grid: kind = "gauss-legendre" } = wanted;
    const name = `${kind} ${latitudes} ${longitudes}`;
    const found = plans.get(name) ?? spherePlan({ degree, latitudes, longitudes, grid: kind });
    plans.set(name, found);
    return found;
  };

  return {
    degree,
    grid,
    colatitudes: plan.colatitudes,
    advance(state, { dt, steps }) {
      const x = within(state);
      const step = rungeKutta(slope, 3 * size, halfDecay(dt), dt / UNIT);
      for (let k = 0; k < steps; k++) step(x);
      if (!x.re.every(Number.isFinite) || !x.im.every(Number.isFinite))
        throw new RangeError(
          `shallowWater: the flow has blown up within ${steps} steps of ${dt} s; a smaller step or more friction is needed`,
        );
      return outside(partsOf(x, size));
    },
    stateOf({ geopotential, vorticity, divergence }, wanted) {
      const on = planOf(wanted);
      const x = partsOf(complexArray(3 * size), size);
      const scaled = (values: Float64Array, name: FieldName) => values.map((v) => v / units[name]);
      const pair = [scaled(geopotential, "geopotential"), scaled(vorticity, "vorticity")] as const;
      on.analyze(pack(...pair, on), x.geopotential, x.vorticity);
      on.analyze(pack(scaled(divergence, "divergence"), null, on), x.divergence, unused);
      return outside(x);
    },
    fieldsOf(state, wanted) {
      const on = planOf(wanted);
      const parts = partsOf(within(state), size);
      const values = complexArray(on.latitudes * on.longitudes);
      const field = (from: Float64Array, name: FieldName) => byLatitude(from, on).map((v) => v * units[name]);
      on.synthesize(parts.geopotential, parts.vorticity, values);
      const [geopotential, vorticity] = [field(values.re, "geopotential"), field(values.im, "vorticity")];
      on.synthesize(parts.divergence, none, values);
      return { geopotential, vorticity, divergence: field(values.re, "divergence") };
    },
    windOf(state) {
      toWind(partsOf(within(state), size));
      const speed = (values: Float64Array) => byLatitude(values, plan).map((v) => (v * radius) / UNIT);
      return [speed(velocities.re), speed(velocities.im)];
    },
    totals(state) {
      const parts = partsOf(within(state), size);
      toWind(parts);
      plan.synthesize(parts.geopotential, none, scalars);
      let total = 0;
      for (let i = 0; i < points; i++) {
        const phi = scalars.re[i] as number;
        const squared = (velocities.re[i] as number) ** 2 + (velocities.im[i] as number) ** 2;
        total += (plan.weights[i % grid.latitudes] as number) * phi * (phi + squared);
      }
      return {
        mass: (state.geopotential.re[0] as number) / Math.sqrt(4 * Math.PI),
        energy: (units.geopotential ** 2 * total) / (2 * grid.longitudes),
      };
    },
    kineticSpectrum({ vorticity, divergence }) {
      const power = new Float64Array(degree + 1);
      for (const { re, im } of [vorticity, divergence])
        for (let i = 0; i < size; i++) {
          const l = degrees[i] as number;
          // Orders above 0 stand for their conjugates too; the coefficients of order 0 come first.
          const both = i <= degree ? 1 : 2;
          if (l > 0)
            (power[l] as number) +=
              (both * radius ** 2 * ((re[i] as number) ** 2 + (im[i] as number) ** 2)) /
              (8 * Math.PI * (eigenvalues[i] as number));
        }
      return power;
    },
  };
}

const fieldNames = ["geopotential", "vorticity", "divergence"] as const;
type FieldName = (typeof fieldNames)[number];

/** The solver's unit of time in s. */
const UNIT = 3600;

/** The smallest Gaussian grid on which products of two fields have exact coefficients. */
function productGrid(degree: number): Required<SphereGridOptions> {
  const latitudes = 2 * Math.ceil((3 * degree + 1) / 4);
  return { latitudes, longitudes: 2 ** Math.ceil(Math.log2(3 * degree + 1)), grid: "gauss-legendre" };
}

/** The fields of a state that lie one after the other. */
function partsOf({ re, im }: ComplexArray, size: number): ShallowWaterState {
  const part = (k: number): ComplexArray => ({
    re: re.subarray(k * size, (k + 1) * size),
    im: im.subarray(k * size, (k + 1) * size),
  });
  return { geopotential: part(0), vorticity: part(1), divergence: part(2) };
}

/** Fields `[latitudes, longitudes]` as the parts of one `[longitudes, latitudes]`. */
function pack(a: Float64Array, b: Float64Array | null, { latitudes, longitudes }: SpherePlan): ComplexArray {
  const values = complexArray(latitudes * longitudes);
  for (const field of [a, b])
    if (field && field.length !== latitudes * longitudes)
      throw new RangeError(`shallowWater: expected ${latitudes} x ${longitudes} values, got ${field.length}`);
  for (let i = 0; i < values.re.length; i++) {
    const from = (i % latitudes) * longitudes + Math.floor(i / latitudes);
    values.re[i] = a[from] as number;
    values.im[i] = b ? (b[from] as number) : 0;
  }
  return values;
}

const byLatitude = (values: Float64Array, { latitudes, longitudes }: SpherePlan): Float64Array =>
  values.map((_, i) => values[(i % longitudes) * latitudes + Math.floor(i / longitudes)] as number);

export interface RandomFlowOptions {
  /** Largest degree of the solver that the state is for. */
  readonly degree: number;
  /** Largest degree that is not zero; all up to it are equally strong. */
  readonly cutoff: number;
  readonly seed: number;
  /** Which of the states of a seed; 0 by default. */
  readonly index?: number;
  /** Mean depth in m; 10,000 by default. */
  readonly depth?: number;
  /** Deviation of the depth in m; 120 by default. */
  readonly height?: number;
  /** Root mean square of the wind without divergence in m/s; 20 by default. */
  readonly wind?: number;
  /** Root mean square of the wind without vorticity in m/s; 4 by default. */
  readonly outflow?: number;
}

/**
 * A random state of a layer on a sphere as large as the Earth: depth, vorticity and divergence are independent normal
 * fields, the same statistically in all directions, white up to a degree. It depends on seed and index alone: for a larger
 * degree of the solver it is the same flow.
 */
export function randomFlow(options: RandomFlowOptions): ShallowWaterState {
  const { degree, cutoff, seed, index = 0, depth = 10_000, height = 120, wind = 20, outflow = 4 } = options;
  if (!Number.isInteger(cutoff) || cutoff < 1 || cutoff > degree)
    throw new RangeError(`randomFlow: cutoff must be a whole number from 1 to the degree ${degree}, got ${cutoff}`);
  if (!(depth > 0)) throw new RangeError(`randomFlow: depth must be above 0, got ${depth}`);
  for (const [name, value] of Object.entries({ height, wind, outflow }))
    if (!(value >= 0)) throw new RangeError(`randomFlow: ${name} must be at least 0, got ${value}`);
  const orders = degree + 1;
  const draw = (field: number, std: number): ComplexArray => {
    const z = complexArray((orders * (orders + 1)) / 2);
    let at = 0;
    for (let m = 0; m < orders; m++) {
      for (let l = m; l < orders; l++, at++) {
        if (l < 1 || l > cutoff) continue;
        const [a, b] = normalPair(hashOf(seed, index, field, l, m));
        z.re[at] = m === 0 ? std * a : std * Math.SQRT1_2 * a;
        z.im[at] = m === 0 ? 0 : std * Math.SQRT1_2 * b;
      }
    }
    return z;
  };
  // Variances of a field and of the wind whose vorticity it is, if all coefficients have variance 1.
  const degrees = Array.from({ length: cutoff }, (_, i) => i + 1);
  const own = degrees.reduce((total, l) => total + (2 * l + 1) / (4 * Math.PI), 0);
  const ofWind = degrees.reduce((total, l) => total + (2 * l + 1) / (4 * Math.PI * l * (l + 1)), 0);
  const toWind = 1 / (EARTH.radius * Math.sqrt(ofWind));
  const geopotential = draw(0, (EARTH.gravity * height) / Math.sqrt(own));
  geopotential.re[0] = EARTH.gravity * depth * Math.sqrt(4 * Math.PI);
  return { geopotential, vorticity: draw(1, wind * toWind), divergence: draw(2, outflow * toWind) };
}
