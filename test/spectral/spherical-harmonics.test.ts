import { afterAll, describe, expect, it } from "vitest";
import {
  type Complex,
  cast,
  compile,
  evaluate,
  grad,
  mul,
  releaseSessions,
  square,
  sum,
  type Tensor,
  tensor,
  vjp,
} from "../../src/array/index.ts";
import {
  degreePower,
  latitudesOf,
  legendreFunctions,
  type SphereGrid,
  sphereGrids,
  sphericalHarmonics,
} from "../../src/spectral/index.ts";
import { drawn, numbers } from "../array/check.ts";

afterAll(releaseSessions);

const values = (x: Tensor): Float64Array => x.data as Float64Array;
const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
};

/** Random coefficients of a real field: none above the diagonal, real ones at order 0. */
function coefficients(seed: number, degree: number, least = 0): Complex {
  const size = degree + 1;
  const next = numbers(seed);
  const make = (isReal: boolean) =>
    tensor(
      Float64Array.from({ length: size * size }, (_, i) => {
        const [l, m] = [Math.floor(i / size), i % size];
        const value = next();
        return l < least || m > l || (m === 0 && !isReal) ? 0 : value;
      }),
      { shape: [size, size], dtype: "float64" },
    );
  return { re: make(true), im: make(false) };
}

/** The Legendre polynomial, by its own recurrence. */
function polynomial(l: number, x: number): number {
  let [before, value] = [0, 1];
  for (let k = 1; k <= l; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k];
  return value;
}

describe("legendreFunctions", () => {
  it("has the closed forms of low degree", () => {
    const theta = 0.7;
    const [c, s] = [Math.cos(theta), Math.sin(theta)];
    const expected = {
      "0 0": Math.sqrt(1 / (4 * Math.PI)),
      "0 1": Math.sqrt(3 / (4 * Math.PI)) * c,
      "1 1": -Math.sqrt(3 / (8 * Math.PI)) * s,
      "0 2": Math.sqrt(5 / (16 * Math.PI)) * (3 * c * c - 1),
      "1 2": -Math.sqrt(15 / (8 * Math.PI)) * s * c,
      "2 2": Math.sqrt(15 / (32 * Math.PI)) * s * s,
      "1 3": -Math.sqrt(21 / (64 * Math.PI)) * s * (5 * c * c - 1),
    };
    for (const [name, value] of Object.entries(expected)) {
      const [m, l] = name.split(" ").map(Number) as [number, number];
      expect(legendreFunctions(m, l, [theta]).at(-1)).toBeCloseTo(value, 14);
    }
  });

  it.each([127, 1023])("satisfies the addition theorem at degree %i, near the poles too", (degree) => {
    const colatitudes = [0, 0.003, 0.02, 0.4, 1.5, 3.1];
    const total = colatitudes.map(() => 0);
    for (let m = 0; m <= degree; m++)
      legendreFunctions(m, degree, colatitudes)
        .slice(-colatitudes.length)
        .forEach((value, k) => {
          total[k] = (total[k] as number) + (m === 0 ? 1 : 2) * value ** 2;
        });
    for (const value of total) expect(value / ((2 * degree + 1) / (4 * Math.PI))).toBeCloseTo(1, 10);
  });

  it("stays orthonormal at high orders, where the first values underflow", () => {
    const { colatitudes, weights } = latitudesOf("gauss-legendre", 1024);
    for (const m of [0, 300, 900]) {
      const rows = legendreFunctions(m, 1023, colatitudes);
      const row = (l: number) => rows.subarray((l - m) * 1024, (l - m + 1) * 1024);
      const product = (a: number, b: number) =>
        2 * Math.PI * row(a).reduce((sum, value, k) => sum + value * (row(b)[k] as number) * (weights[k] as number), 0);
      expect(product(1000, 1000)).toBeCloseTo(1, 10);
      expect(product(1023, 1023)).toBeCloseTo(1, 10);
      expect(product(1000, 1002)).toBeCloseTo(0, 10);
    }
  });
});

describe("latitudesOf", () => {
  it.each(sphereGrids)("integrates what %s grids are said to integrate", (grid) => {
    for (const count of [2, 7, 16]) {
      const { colatitudes, weights, exactTo } = latitudesOf(grid, count);
      for (let power = 0; power <= exactTo; power++) {
        const total = weights.reduce((sum, w, k) => sum + w * Math.cos(colatitudes[k] as number) ** power, 0);
        expect(total).toBeCloseTo(power % 2 === 0 ? 2 / (power + 1) : 0, 13);
      }
    }
  });

  it("says what does not fit", () => {
    expect(() => latitudesOf("equiangular", 1)).toThrow("at least 2 latitudes, got 1");
    expect(() => latitudesOf("healpix" as SphereGrid, 4)).toThrow("grid is one of gauss-legendre, equiangular, offset");
  });
});

describe("sphericalHarmonics", () => {
  it.each<[SphereGrid, number, number]>([
    ["gauss-legendre", 128, 127],
    ["equiangular", 129, 64],
    ["offset", 96, 47],
    ["gauss-legendre", 5, 4],
  ])("gives back coefficients and their energy: %s, %i latitudes, degree %i", async (grid, latitudes, degree) => {
    const sphere = sphericalHarmonics({ latitudes, grid });
    expect(sphere.degree).toBe(degree);
    const z = coefficients(1, degree);
    const run = compile((re: Tensor, im: Tensor) => {
      const field = sphere.synthesize({ re, im });
      return [field, sphere.analyze(field), degreePower({ re, im })] as const;
    });
    const [field, back, power] = await run(z.re, z.im);
    expect(largest(values(back.re), values(z.re))).toBeLessThan(1e-10);
    expect(largest(values(back.im), values(z.im))).toBeLessThan(1e-10);
    const rows = Array.from({ length: latitudes }, (_, k) =>
      values(field)
        .subarray(k * 2 * latitudes, (k + 1) * 2 * latitudes)
        .reduce((total, value) => total + value ** 2, 0),
    );
    const integral =
      rows.reduce((total, row, k) => total + row * (sphere.weights[k] as number), 0) * (Math.PI / latitudes);
    const energy = values(power).reduce((a, b) => a + b, 0);
    expect(integral / energy).toBeCloseTo(1, 11);
  });

  it("turns fields with their axes: polynomials around any axis have the coefficients of the addition theorem", async () => {
    const [degree, latitudes] = [9, 12];
    const sphere = sphericalHarmonics({ latitudes, longitudes: 20, degree });
    const size = degree + 1;
    for (const [theta, phi] of [
      [0.3, 1.1],
      [1.9, 4.0],
      [Math.PI, 0],
    ] as const) {
      for (const l of [0, 1, 4, 9]) {
        const field = Float64Array.from({ length: latitudes * 20 }, (_, i) => {
          const colatitude = sphere.colatitudes[Math.floor(i / 20)] as number;
          const longitude = (2 * Math.PI * (i % 20)) / 20;
          return polynomial(
            l,
            Math.cos(theta) * Math.cos(colatitude) + Math.sin(theta) * Math.sin(colatitude) * Math.cos(longitude - phi),
          );
        });
        const z = await evaluate(sphere.analyze(tensor(field, { shape: [latitudes, 20] })));
        for (let m = 0; m <= degree; m++) {
          const size0 = m > l ? 0 : ((4 * Math.PI) / (2 * l + 1)) * (legendreFunctions(m, l, [theta]).at(-1) as number);
          expect(Math.abs((values(z.re)[l * size + m] as number) - size0 * Math.cos(m * phi))).toBeLessThan(1e-12);
          expect(Math.abs((values(z.im)[l * size + m] as number) + size0 * Math.sin(m * phi))).toBeLessThan(1e-12);
        }
        const others = values(z.re).filter((_, i) => Math.floor(i / size) !== l);
        expect(Math.max(...others.map(Math.abs))).toBeLessThan(1e-12);
      }
    }
  });

  it.each<SphereGrid>(["gauss-legendre", "equiangular"])("gives back tangent fields: %s", async (grid) => {
    const sphere = sphericalHarmonics({ latitudes: 41, grid, degree: 20 });
    const z = { spheroidal: coefficients(2, 20, 1), toroidal: coefficients(3, 20, 1) };
    const field = sphere.synthesizeTangent(z);
    const [back, { south, east }] = await evaluate([sphere.analyzeTangent(field), field] as const);
    for (const kind of ["spheroidal", "toroidal"] as const)
      for (const part of ["re", "im"] as const)
        expect(largest(values(back[kind][part]), values(z[kind][part]))).toBeLessThan(1e-11);
    const energyOf = ({ re, im }: Complex) =>
      values(re).reduce(
        (total, value, i) => total + (i % 21 === 0 ? 1 : 2) * (value ** 2 + (values(im)[i] as number) ** 2),
        0,
      );
    const integral = values(south).reduce((total, value, i) => {
      const weight = (sphere.weights[Math.floor(i / 82)] as number) * ((2 * Math.PI) / 82);
      return total + weight * (value ** 2 + (values(east)[i] as number) ** 2);
    }, 0);
    expect(integral / (energyOf(z.spheroidal) + energyOf(z.toroidal))).toBeCloseTo(1, 11);
  });

  it("has gradients and turned gradients as its tangent fields, and the rotation of a rigid sphere as the first", async () => {
    const degree = 6;
    const sphere = sphericalHarmonics({ latitudes: 12, longitudes: 16, degree });
    const z = coefficients(4, degree, 1);
    const zero = { re: mul(z.re, 0), im: mul(z.im, 0) };
    const [gradient, curl] = await evaluate([
      sphere.synthesizeTangent({ spheroidal: z, toroidal: zero }),
      sphere.synthesizeTangent({ spheroidal: zero, toroidal: z }),
    ] as const);
    // The scalar field whose coefficients are those of the gradient over √(l(l+1)), by its sum, and central differences.
    const f = (theta: number, phi: number): number => {
      let total = 0;
      for (let m = 0; m <= degree; m++) {
        const column = legendreFunctions(m, degree, [theta]);
        for (let l = Math.max(1, m); l <= degree; l++) {
          const [a, b] = [values(z.re)[l * 7 + m] as number, values(z.im)[l * 7 + m] as number];
          const wave = a * Math.cos(m * phi) - b * Math.sin(m * phi);
          total += ((m === 0 ? 1 : 2) * (column[l - m] as number) * wave) / Math.sqrt(l * (l + 1));
        }
      }
      return total;
    };
    const h = 1e-5;
    for (const [k, j] of [
      [0, 0],
      [5, 3],
      [11, 15],
    ] as const) {
      const [theta, phi] = [sphere.colatitudes[k] as number, (2 * Math.PI * j) / 16];
      const south = (f(theta + h, phi) - f(theta - h, phi)) / (2 * h);
      const east = (f(theta, phi + h) - f(theta, phi - h)) / (2 * h * Math.sin(theta));
      const i = k * 16 + j;
      expect(values(gradient.south)[i]).toBeCloseTo(south, 7);
      expect(values(gradient.east)[i]).toBeCloseTo(east, 7);
      expect(values(curl.south)[i]).toBeCloseTo(-east, 7);
      expect(values(curl.east)[i]).toBeCloseTo(south, 7);
    }
    const rigid = tensor(
      Float64Array.from({ length: 192 }, (_, i) => Math.sin(sphere.colatitudes[Math.floor(i / 16)] as number)),
      { shape: [12, 16] },
    );
    const { spheroidal, toroidal } = await evaluate(sphere.analyzeTangent({ south: mul(rigid, 0), east: rigid }));
    expect(Math.max(...values(spheroidal.re).map(Math.abs))).toBeLessThan(1e-13);
    const expected = new Float64Array(49);
    // sin θ east is -∇cos θ turned, and cos θ is √(4π/3) Y_10.
    expected[7] = -Math.sqrt((8 * Math.PI) / 3);
    expect(largest(values(toroidal.re), expected)).toBeLessThan(1e-12);
  });

  it("has the transposed map as its gradient, for batches, in both types", async () => {
    const sphere = sphericalHarmonics({ latitudes: 10, longitudes: 17, degree: 8 });
    const x = drawn(1, [2, 3, 10, 17], "float64");
    const [dr, di] = [drawn(2, [2, 3, 9, 9], "float64"), drawn(3, [2, 3, 9, 9], "float64")];
    const [z, pull] = vjp((v: Tensor) => sphere.analyze(v), x);
    const [y, pullBack] = vjp(([re, im]: readonly Tensor[]) => sphere.synthesize({ re, im } as Complex), [dr, di]);
    const [{ re, im }, dx, field, back] = await evaluate([z, pull({ re: dr, im: di })[0], y, pullBack(x)[0]] as const);
    const inner = (a: Tensor, b: Tensor) =>
      values(a).reduce((total, value, i) => total + value * (values(b)[i] as number), 0);
    expect(inner(re, dr) + inner(im, di)).toBeCloseTo(inner(x, dx), 10);
    expect(inner(field, x)).toBeCloseTo(inner(dr, back[0] as Tensor) + inner(di, back[1] as Tensor), 10);
    const single = await evaluate(sphere.analyze(cast(x, "float32")));
    expect(single.re.dtype).toBe("float32");
    expect(largest(values(single.re), values(re))).toBeLessThan(1e-5);
    // The energy of a field within the degree is that of its coefficients: the second gradient is twice the metric.
    const energy = (v: Tensor) => sum(degreePower(sphere.analyze(v)));
    const slope = await evaluate(sum(square(grad(energy)(x))));
    expect(Number(slope.data[0])).toBeGreaterThan(0);
  });

  it("says what does not fit", () => {
    const sphere = sphericalHarmonics({ latitudes: 4 });
    expect(() => sphere.analyze(drawn(1, [4, 9], "float32"))).toThrow("analyze: expected [..., 4, 8], got [4, 9]");
    expect(() => sphericalHarmonics({ latitudes: 4, degree: 5 })).toThrow(
      "degree is a whole number from 0 to that, got 5",
    );
    expect(() => sphericalHarmonics({ latitudes: 4, longitudes: 0 })).toThrow(
      "longitudes is a whole number of at least 1",
    );
  });
});
