import { afterAll, describe, expect, it } from "vitest";
import { evaluate, releaseSessions, tensor } from "../../../src/array/index.ts";
import {
  complexArray,
  EARTH,
  randomFlow,
  type ShallowWater,
  type ShallowWaterFields,
  type ShallowWaterState,
  shallowWater,
  spherePlan,
} from "../../../src/data/index.ts";
import { sphericalHarmonics } from "../../../src/spectral/index.ts";

afterAll(releaseSessions);

const { radius, rotation, gravity } = EARTH;
const DAY = 86_400;
const size = (values: Float64Array): number => Math.sqrt(values.reduce((total, v) => total + v * v, 0));
const apart = (a: Float64Array, b: Float64Array): number => size(a.map((v, i) => v - (b[i] as number))) / size(b);
/** Fields of closed form at colatitude and longitude. */
const fieldsOf = (
  { grid: { latitudes, longitudes }, colatitudes }: ShallowWater,
  fn: (theta: number, lambda: number) => { readonly [K in keyof ShallowWaterFields]?: number },
): ShallowWaterFields => {
  const each = (name: keyof ShallowWaterFields) =>
    Float64Array.from({ length: latitudes * longitudes }, (_, i) => {
      const lambda = (2 * Math.PI * (i % longitudes)) / longitudes;
      return fn(colatitudes[Math.floor(i / longitudes)] as number, lambda)[name] ?? 0;
    });
  return { geopotential: each("geopotential"), vorticity: each("vorticity"), divergence: each("divergence") };
};

describe("spherePlan", () => {
  it("agrees with the transforms of the array language, scalars and tangent fields", async () => {
    const [degree, latitudes, longitudes] = [9, 12, 32];
    const plan = spherePlan({ degree, latitudes, longitudes });
    const sphere = sphericalHarmonics({ latitudes, longitudes, degree });
    const { vorticity: b, divergence: c } = randomFlow({ degree, cutoff: 9, seed: 3 });
    const a = randomFlow({ degree, cutoff: 9, seed: 4 }).vorticity;
    const square = ({ re, im }: { readonly re: Float64Array; readonly im: Float64Array }) => {
      const part = (values: Float64Array) =>
        tensor(
          Float64Array.from({ length: (degree + 1) ** 2 }, (_, i) => {
            const [l, m] = [Math.floor(i / (degree + 1)), i % (degree + 1)];
            return m > l ? 0 : (values[plan.index(l, m)] as number);
          }),
          { shape: [degree + 1, degree + 1] },
        );
      return { re: part(re), im: part(im) };
    };
    const wanted = await evaluate([
      sphere.synthesize(square(a)),
      sphere.synthesize(square(b)),
      sphere.synthesizeTangent({ spheroidal: square(c), toroidal: square(b) }),
    ] as const);
    const turned = (values: Float64Array) =>
      values.map((_, i) => values[(i % longitudes) * latitudes + Math.floor(i / longitudes)] as number);
    const values = complexArray(latitudes * longitudes);
    plan.synthesize(a, b, values);
    expect(apart(turned(values.re), wanted[0].data as Float64Array)).toBeLessThan(1e-14);
    expect(apart(turned(values.im), wanted[1].data as Float64Array)).toBeLessThan(1e-13);
    const back = [complexArray(plan.size), complexArray(plan.size)] as const;
    plan.analyze(values, ...back);
    expect(apart(back[0].re, a.re)).toBeLessThan(1e-13);
    expect(apart(back[1].im, b.im)).toBeLessThan(1e-12);
    plan.synthesizeTangent({ spheroidal: c, toroidal: b }, values);
    expect(apart(turned(values.re), wanted[2].south.data as Float64Array)).toBeLessThan(1e-13);
    expect(apart(turned(values.im), wanted[2].east.data as Float64Array)).toBeLessThan(1e-13);
    plan.analyzeTangent(values, { spheroidal: back[0], toroidal: back[1] });
    expect(apart(back[0].im, c.im)).toBeLessThan(1e-12);
    expect(apart(back[1].re, b.re)).toBeLessThan(1e-12);
  });
  it("names what does not fit", () => {
    expect(() => spherePlan({ degree: 3, latitudes: 5, longitudes: 8 })).toThrow("latitudes must be an even number");
    expect(() => spherePlan({ degree: 3, latitudes: 8, longitudes: 9 })).toThrow("power of two");
    expect(() => spherePlan({ degree: 4, latitudes: 8, longitudes: 8 })).toThrow("degrees from 1 to 3, got 4");
    expect(() => spherePlan({ degree: 4, latitudes: 8, longitudes: 16, grid: "equiangular" })).toThrow("1 to 3, got 4");
  });
});

/** Solid rotation in balance about an axis that is tilted by so much: Williamson et al. 1992, test 2. */
function solidRotation(solver: ShallowWater, tilt: number): ShallowWaterState {
  const speed = (2 * Math.PI * radius) / (12 * DAY);
  return solver.stateOf(
    fieldsOf(solver, (theta, lambda) => {
      const height = Math.cos(theta) * Math.cos(tilt) - Math.sin(theta) * Math.cos(lambda) * Math.sin(tilt);
      return {
        geopotential: 2.94e4 - (radius * rotation * speed + speed ** 2 / 2) * height ** 2,
        vorticity: (2 * speed * height) / radius,
      };
    }),
  );
}

describe("shallowWater", () => {
  it.each([0, 0.7, Math.PI / 2])("keeps solid rotation in balance steady over a day, tilted by %f", (tilt) => {
    const solver = shallowWater({ degree: 21, tilt });
    const start = solidRotation(solver, tilt);
    const speed = solver.windOf(start)[1].reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expect(speed).toBeGreaterThan(38);
    const end = solver.advance(start, { dt: 900, steps: 96 });
    const [before, after] = [solver.fieldsOf(start), solver.fieldsOf(end)];
    expect(apart(after.geopotential, before.geopotential)).toBeLessThan(1e-10);
    expect(apart(after.vorticity, before.vorticity)).toBeLessThan(1e-8);
    // About another axis than that of the rotation nothing is in balance.
    const other = shallowWater({ degree: 21, tilt: tilt + 0.5 });
    expect(
      apart(other.fieldsOf(other.advance(start, { dt: 900, steps: 8 })).vorticity, before.vorticity),
    ).toBeGreaterThan(0.01);
  });
  it("has gravity waves at their frequency without rotation, whatever degree and order", () => {
    const solver = shallowWater({ degree: 10, rotation: 0 });
    const plan = spherePlan({ degree: 10, ...solver.grid });
    const mean = gravity * 1000;
    for (const [l, m] of [
      [1, 0],
      [5, 3],
      [10, 10],
    ] as const) {
      const state = {
        geopotential: complexArray(plan.size),
        vorticity: complexArray(plan.size),
        divergence: complexArray(plan.size),
      };
      state.geopotential.re[0] = mean * Math.sqrt(4 * Math.PI);
      state.geopotential.re[plan.index(l, m)] = 1e-3;
      const frequency = Math.sqrt(mean * l * (l + 1)) / radius;
      const end = solver.advance(state, { dt: 1 / (40 * frequency), steps: 100 });
      expect((end.geopotential.re[plan.index(l, m)] as number) / 1e-3).toBeCloseTo(Math.cos(2.5), 5);
      expect((end.divergence.re[plan.index(l, m)] as number) / ((1e-3 * frequency) / mean)).toBeCloseTo(
        Math.sin(2.5),
        5,
      );
    }
  });
  it("turns a Rossby-Haurwitz wave to the east nearly as fast as a layer without divergence, and hardly changes its shape", () => {
    // Williamson et al. 1992, test 6: wave number 4, depth 8000 m. Without divergence it turns by 12.2 degrees a day.
    const [omega, R] = [7.848e-6, 4];
    const solver = shallowWater({ degree: 31 });
    const start = solver.stateOf(
      fieldsOf(solver, (theta, lambda) => {
        const [s, c] = [Math.cos(theta), Math.sin(theta)];
        const a =
          (omega / 2) * (2 * rotation + omega) * c ** 2 +
          (omega ** 2 / 4) * c ** (2 * R) * ((R + 1) * c ** 2 + (2 * R ** 2 - R - 2) - (2 * R ** 2) / c ** 2);
        const b =
          ((2 * (rotation + omega) * omega) / ((R + 1) * (R + 2))) *
          c ** R *
          (R ** 2 + 2 * R + 2 - (R + 1) ** 2 * c ** 2);
        const d = (omega ** 2 / 4) * c ** (2 * R) * ((R + 1) * c ** 2 - (R + 2));
        const wave = Math.cos(R * lambda);
        return {
          geopotential: gravity * 8000 + radius ** 2 * (a + b * wave + d * Math.cos(2 * R * lambda)),
          vorticity: 2 * omega * s - omega * s * c ** R * (R ** 2 + 3 * R + 2) * wave,
        };
      }),
    );
    const end = solver.advance(start, { dt: 600, steps: 144 });
    const at = spherePlan({ degree: 31, ...solver.grid }).index(5, 4);
    const phase = ({ vorticity: { re, im } }: ShallowWaterState) => Math.atan2(im[at] as number, re[at] as number);
    const turned = ((((phase(start) - phase(end)) / R) * 180) / Math.PI + 90) % 90;
    const expected = (((R * (3 + R) * omega - 2 * rotation) / ((1 + R) * (2 + R))) * DAY * 180) / Math.PI;
    expect(expected).toBeCloseTo(12.2, 1);
    expect(Math.abs(turned / expected - 1)).toBeLessThan(0.15);
    const strength = ({ vorticity: { re, im } }: ShallowWaterState) => Math.hypot(re[at] as number, im[at] as number);
    expect(Math.abs(strength(end) / strength(start) - 1)).toBeLessThan(0.05);
    const [before, after] = [solver.totals(start), solver.totals(end)];
    expect(Math.abs(after.mass / before.mass - 1)).toBeLessThan(1e-12);
    expect(Math.abs(after.energy / before.energy - 1)).toBeLessThan(1e-6);
  });
  it("keeps the mass of random flows, is of order 4 in time and converges with the degree faster than any power", () => {
    const flow = (degree: number, steps: number, cutoff: number) => {
      const solver = shallowWater({ degree, friction: 7200 });
      const start = randomFlow({ degree, cutoff, seed: 1 });
      const end = solver.advance(start, { dt: 21_600 / steps, steps });
      expect(Math.abs(solver.totals(end).mass / solver.totals(start).mass - 1)).toBeLessThan(1e-12);
      return end;
    };
    const reference = flow(15, 192, 8).vorticity.re;
    const [coarse, fine] = [24, 48].map((steps) => apart(flow(15, steps, 8).vorticity.re, reference)) as [
      number,
      number,
    ];
    expect(fine).toBeLessThan(1e-5);
    expect(Math.log2(coarse / fine)).toBeGreaterThan(3.7);
    const grid = { latitudes: 32, longitudes: 64 };
    const field = (degree: number) => {
      // Friction depends on the degree, so there is none here.
      const solver = shallowWater({ degree });
      const start = randomFlow({ degree, cutoff: 3, seed: 2 });
      return solver.fieldsOf(solver.advance(start, { dt: 300, steps: 36 }), grid).vorticity;
    };
    const exact = field(30);
    const [rough, finer, finest] = [6, 12, 18].map((degree) => apart(field(degree), exact)) as [number, number, number];
    expect(finer).toBeLessThan(rough / 30);
    expect(finest).toBeLessThan(finer / 30);
  });
  it("damps the largest degree to 1/e and keeps the mean", () => {
    const solver = shallowWater({ degree: 6, rotation: 0, friction: 3600 });
    const start = { geopotential: complexArray(28), vorticity: complexArray(28), divergence: complexArray(28) };
    start.geopotential.re[0] = 1;
    start.vorticity.re[6] = 1e-12;
    const end = solver.advance(start, { dt: 600, steps: 6 });
    expect((end.vorticity.re[6] as number) / 1e-12).toBeCloseTo(Math.exp(-1), 6);
    expect(end.geopotential.re[0]).toBe(1);
    expect(solver.kineticSpectrum(start)[6]).toBeCloseTo((radius ** 2 * 1e-24) / (8 * Math.PI * 42), 20);
  });
  it("makes random flows again to the bit, the same for every degree, with the winds that were asked for", () => {
    const [one, again] = [1, 1].map((index) => randomFlow({ degree: 21, cutoff: 10, seed: 5, index }));
    expect(again).toEqual(one);
    const solver = shallowWater({ degree: 21 });
    const run = () => solver.advance(one as ShallowWaterState, { dt: 600, steps: 3 });
    expect(run()).toEqual(run());
    const fine = shallowWater({ degree: 42 });
    const grid = { latitudes: 32, longitudes: 64 };
    const [coarse, same] = [
      solver.fieldsOf(one as ShallowWaterState, grid),
      fine.fieldsOf(randomFlow({ degree: 42, cutoff: 10, seed: 5, index: 1 }), {
        ...grid,
        latitudes: 64,
        longitudes: 128,
      }),
    ];
    expect(size(coarse.vorticity) / size(same.vorticity)).toBeCloseTo(0.5, 2);
    // The mean square over many states.
    let total = 0;
    for (let index = 0; index < 200; index++) {
      const spectrum = solver.kineticSpectrum(randomFlow({ degree: 21, cutoff: 10, seed: 6, index }));
      total += spectrum.reduce((sum, v) => sum + 2 * v, 0) / 200;
    }
    expect(Math.sqrt(total) / Math.hypot(20, 4)).toBeCloseTo(1, 1);
    expect(randomFlow({ degree: 21, cutoff: 10, seed: 5, index: 2 })).not.toEqual(one);
  });
  it("says what does not fit, and when it blows up", () => {
    expect(() => shallowWater({ degree: 1 })).toThrow("degree must be a whole number of at least 2, got 1");
    expect(() => shallowWater({ degree: 8, friction: 0 })).toThrow("friction must be above 0, got 0");
    expect(() => randomFlow({ degree: 8, cutoff: 9, seed: 1 })).toThrow("from 1 to the degree 8, got 9");
    const solver = shallowWater({ degree: 8 });
    const start = randomFlow({ degree: 8, cutoff: 8, seed: 1 });
    expect(() => solver.advance(start, { dt: 20_000, steps: 100 })).toThrow("blown up within 100 steps of 20000 s");
    expect(() => solver.advance(randomFlow({ degree: 9, cutoff: 8, seed: 1 }), { dt: 1, steps: 1 })).toThrow(
      "expected 45 coefficients of each field, got 55",
    );
    const short = {
      geopotential: new Float64Array(3),
      vorticity: new Float64Array(3),
      divergence: new Float64Array(3),
    };
    expect(() => solver.stateOf(short)).toThrow("expected 14 x 32 values, got 3");
  });
});
