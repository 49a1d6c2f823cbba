import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  type Complex,
  compile,
  evaluate,
  gelu as geluOf,
  grad,
  mul,
  releaseSessions,
  sum,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";
import { magnitudeActivation, modRelu } from "../../src/nn/index.ts";
import { gelu, numbers } from "./reference.ts";

afterAll(releaseSessions);

/** A pair as parameters that gradients can be taken of. */
type Values = { readonly re: Tensor; readonly im: Tensor };
type Pair = readonly [re: number, im: number];

/** The definition on one number: `z·f(m)/m`. */
const direct = ([re, im]: Pair, f: (m: number) => number): Pair => {
  const m = Math.sqrt(re * re + im * im + 1e-8);
  return [(re * f(m)) / m, (im * f(m)) / m];
};
const complex = (values: readonly Pair[], dtype: "float32" | "float64" = "float64"): Values => ({
  re: tensor(
    Float64Array.from(values, ([re]) => re),
    { dtype },
  ),
  im: tensor(
    Float64Array.from(values, ([, im]) => im),
    { dtype },
  ),
});

/** Weights of a sum over real and imaginary parts, whose slope is compared. */
const [forRe, forIm] = [0.7, -1.3];

/** Points of all sizes, those at and around 0 included. */
const points: readonly Pair[] = [
  [0, 0],
  [1e-9, -1e-9],
  [5e-7, 3e-7],
  [-1e-5, 0],
  [1e-4, 2e-4],
  ...numbers(20).map((v, i): Pair => [v, numbers(20, 7)[i] as number]),
];

const activations = {
  "modRelu, b above 0": { apply: (z: Complex) => modRelu(z, 0.2), f: (m: number) => Math.max(0, m + 0.2) },
  "modRelu, b below 0": { apply: (z: Complex) => modRelu(z, -0.3), f: (m: number) => Math.max(0, m - 0.3) },
  "GELU of magnitudes": { apply: (z: Complex) => magnitudeActivation(z, (m) => geluOf(m)), f: gelu },
} as const;

describe.each(Object.entries(activations))("%s", (_, { apply, f }) => {
  it("is its definition, number by number", async () => {
    const y = await evaluate(apply(complex(points, "float32")));
    for (const [i, point] of points.entries()) {
      const [re, im] = direct(point, f);
      expect(Number(y.re.data[i])).toBeCloseTo(re, 6);
      expect(Number(y.im.data[i])).toBeCloseTo(im, 6);
    }
  });

  it("has the slopes of central differences, also at 0", async () => {
    const loss = (z: Values): Tensor => {
      const y = apply(z);
      return sum(add(mul(y.re, forRe), mul(y.im, forIm)));
    };
    const slope = await compile(grad(loss))(complex(points));
    for (const [i, [re, im]] of points.entries()) {
      // The scale on which the function bends is 1e-4 at 0.
      const step = 1e-8;
      const value = (p: Pair): number => {
        const y = direct(p, f);
        return forRe * y[0] + forIm * y[1];
      };
      const expected = [
        (value([re + step, im]) - value([re - step, im])) / (2 * step),
        (value([re, im + step]) - value([re, im - step])) / (2 * step),
      ];
      for (const [got, wanted] of [
        [slope.re.data[i], expected[0]],
        [slope.im.data[i], expected[1]],
      ]) {
        expect(Number.isFinite(Number(got))).toBe(true);
        expect(Math.abs(Number(got) - Number(wanted))).toBeLessThan(1e-5 * Math.max(1, Math.abs(Number(wanted))));
      }
    }
  });

  it("turns with its input", async () => {
    const angle = 0.83;
    const turn = ([re, im]: Pair): Pair => [
      re * Math.cos(angle) - im * Math.sin(angle),
      re * Math.sin(angle) + im * Math.cos(angle),
    ];
    const [y, z] = await evaluate([apply(complex(points)), apply(complex(points.map(turn)))] as const);
    for (let i = 0; i < points.length; i++) {
      const [re, im] = turn([Number(y.re.data[i]), Number(y.im.data[i])]);
      expect(Number(z.re.data[i])).toBeCloseTo(re, 9);
      expect(Number(z.im.data[i])).toBeCloseTo(im, 9);
    }
  });
});
