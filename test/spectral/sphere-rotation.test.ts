import { afterAll, describe, expect, it } from "vitest";
import { evaluate, releaseSessions, tensor } from "../../src/array/index.ts";
import { harmonicSum, rotatedField, sphericalHarmonics } from "../../src/spectral/index.ts";
import { drawn } from "../array/check.ts";

afterAll(releaseSessions);

const [degree, latitudes, longitudes] = [6, 8, 16];
const sphere = sphericalHarmonics({ latitudes, longitudes, degree });
const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - (b[i] as number))), 0);
const points = Array.from({ length: latitudes * longitudes }, (_, i) => ({
  theta: sphere.colatitudes[Math.floor(i / longitudes)] as number,
  phi: (2 * Math.PI * (i % longitudes)) / longitudes,
}));
const coefficientsOf = async (field: Float64Array) => {
  const { re, im } = await evaluate(sphere.analyze(tensor(field, { shape: [latitudes, longitudes] })));
  return { re: re.data as Float64Array, im: im.data as Float64Array };
};

describe("harmonicSum", () => {
  it("is the synthesis on the points of a grid, and goes on between them", async () => {
    const z = await evaluate(sphere.analyze(drawn(1, [latitudes, longitudes], "float64")));
    const field = await evaluate(sphere.synthesize(z));
    const own = { re: z.re.data as Float64Array, im: z.im.data as Float64Array };
    const at = { colatitudes: points.map(({ theta }) => theta), longitudes: points.map(({ phi }) => phi) };
    expect(largest(harmonicSum(own, degree, at), field.data as Float64Array)).toBeLessThan(1e-13);
    const fn = (theta: number, phi: number) => Math.sin(theta) ** 2 * Math.cos(2 * phi - 1) + Math.cos(theta);
    const smooth = await coefficientsOf(Float64Array.from(points, ({ theta, phi }) => fn(theta, phi)));
    const between = harmonicSum(smooth, degree, { colatitudes: [0, 0.123, 3.1], longitudes: [0, 5, -2] });
    expect(largest(between, [fn(0, 0), fn(0.123, 5), fn(3.1, -2)])).toBeLessThan(1e-13);
  });
  it("names what does not fit", () => {
    const z = { re: new Float64Array(4), im: new Float64Array(4) };
    expect(() => harmonicSum(z, 2, { colatitudes: [1], longitudes: [1] })).toThrow(
      "expected 3 x 3 coefficients, got 4 and 4",
    );
    expect(() => harmonicSum(z, 1, { colatitudes: [1], longitudes: [] })).toThrow(
      "as many longitudes as colatitudes, got 0 and 1",
    );
  });
});

describe("rotatedField", () => {
  it("turns a field about the axis by α and γ, and towards longitude 0 by β", async () => {
    // A cap about the north pole and one about longitude 0.
    const about = (theta0: number, phi0: number) =>
      Float64Array.from(points, ({ theta, phi }) => {
        const t = Math.cos(theta) * Math.cos(theta0) + Math.sin(theta) * Math.sin(theta0) * Math.cos(phi - phi0);
        return (1 + t) ** 3;
      });
    const grid = { degree, colatitudes: sphere.colatitudes, longitudes };
    const turned = async (field: Float64Array, angles: readonly [number, number, number]) =>
      rotatedField(await coefficientsOf(field), grid, angles);
    expect(largest(await turned(about(0, 0), [0, 0.6, 0]), about(0.6, 0))).toBeLessThan(1e-13);
    expect(largest(await turned(about(0, 0), [1.1, 0.6, 2]), about(0.6, 1.1))).toBeLessThan(1e-13);
    expect(largest(await turned(about(0.5, 0), [0, 0, 2]), about(0.5, 2))).toBeLessThan(1e-13);
    expect(largest(await turned(about(0.5, -2), [0, 0.4, 2]), about(0.9, 0))).toBeLessThan(1e-13);
  });
});
