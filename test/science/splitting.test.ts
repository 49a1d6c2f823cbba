import { describe, expect, it } from "vitest";
import {
  convergenceOrder,
  euler,
  type Flow,
  integrate,
  lieTrotter,
  linearFlow,
  matrixExponential,
  rungeKutta4,
  strang,
  type Vector,
} from "../../src/science/index.ts";
import { distance, type Matrix, matrix, product } from "../nn/reference.ts";

const size = 4;
const [a, b] = [matrix(size, size, 3), matrix(size, size, 8)];
const plus = (p: Matrix, q: Matrix) => p.map((row, i) => row.map((v, j) => v + (q[i]?.[j] as number)));
const times = (p: Matrix, factor: number) => p.map((row) => row.map((v) => factor * v));
const applied = (p: Matrix, x: Vector) => p.map((row) => row.reduce((total, v, j) => total + v * (x[j] as number), 0));
const start: Vector = [1, -0.5, 0.25, 2];
const time = 1;
/** Orders of the error after `time`, from errors at 5 octaves of steps. */
const orderOf = (flow: Flow<Vector>, exact: Vector): number =>
  convergenceOrder(
    [16, 32, 64, 128, 256, 512].map((steps) => ({
      step: time / steps,
      error: distance(integrate(flow, start, { time, steps }), exact),
    })),
  ).order;

describe("matrixExponential", () => {
  it("rotates by the exponential of a skew matrix, and multiplies on a diagonal", () => {
    const t = 7.3;
    const rotation = matrixExponential([
      [0, -t],
      [t, 0],
    ]);
    expect(distance(rotation.flat(), [Math.cos(t), -Math.sin(t), Math.sin(t), Math.cos(t)])).toBeLessThan(1e-13);
    expect(
      distance(
        matrixExponential([
          [-3, 0],
          [0, 2],
        ]).flat(),
        [Math.exp(-3), 0, 0, Math.exp(2)],
      ),
    ).toBeLessThan(1e-13);
    expect(matrixExponential([[0]])).toEqual([[1]]);
  });

  it("has the exact series for a nilpotent matrix", () => {
    const n = [
      [0, 2, 5],
      [0, 0, 3],
      [0, 0, 0],
    ];
    expect(distance(matrixExponential(n).flat(), [1, 2, 5 + 3, 0, 1, 3, 0, 0, 1])).toBeLessThan(1e-14);
  });

  it("refuses what is not square or not finite", () => {
    expect(() => matrixExponential([[1, 2]])).toThrow("matrixExponential: expected 1 columns, got a row of 2");
    expect(() => matrixExponential([[Number.NaN]])).toThrow("matrixExponential: expected finite numbers");
  });
});

describe("splitting of x' = (A + B)x with exact flows of the parts", () => {
  const flows = [linearFlow(a), linearFlow(b)];
  const exact = applied(matrixExponential(times(plus(a, b), time)), start);

  it("converges with order 1 by Lie-Trotter and 2 by Strang", () => {
    expect(orderOf(lieTrotter(flows), exact)).toBeCloseTo(1, 1);
    expect(orderOf(strang(flows), exact)).toBeCloseTo(2, 2);
  });

  it("has local errors of order 2 and 3, the former by half the commutator", () => {
    const local = (split: Flow<Vector>) =>
      convergenceOrder(
        [1e-1, 3e-2, 1e-2, 3e-3].map((step) => ({
          step,
          error: distance(split(start, step), applied(matrixExponential(times(plus(a, b), step)), start)),
        })),
      ).order;
    expect(Math.abs(local(lieTrotter(flows)) - 2)).toBeLessThan(0.05);
    expect(Math.abs(local(strang(flows)) - 3)).toBeLessThan(0.05);
    // A goes first, so the product is e^{hB}·e^{hA}, and its error h²/2·(BA - AB).
    const step = 1e-4;
    const error = lieTrotter(flows)(start, step).map(
      (v, i) => v - (applied(matrixExponential(times(plus(a, b), step)), start)[i] as number),
    );
    const commutator = applied(plus(product(b, a), times(product(a, b), -1)), start);
    const scaled = error.map((v) => v / (step ** 2 / 2));
    expect(distance(scaled, commutator) / Math.max(...commutator.map(Math.abs))).toBeLessThan(0.02);
  });

  it("is exact where the parts commute", () => {
    const square = product(a, a);
    const both = [linearFlow(a), linearFlow(square)];
    const together = applied(matrixExponential(plus(a, square)), start);
    for (const split of [lieTrotter(both), strang(both)])
      expect(distance(integrate(split, start, { time: 1, steps: 3 }), together)).toBeLessThan(1e-12);
  });
});

describe("splitting of a nonlinear equation", () => {
  const f = (x: Vector) => x.map((v, i) => Math.sin(x[(i + 1) % size] as number) - 0.3 * v);
  const g = (x: Vector) => x.map((v) => Math.tanh(v) ** 2);
  const exact = rungeKutta4((x) => f(x).map((v, i) => v + (g(x)[i] as number)), { substeps: 4000 })(start, time);

  it("keeps its orders with accurate flows of the parts", () => {
    const flows = [rungeKutta4(f), rungeKutta4(g)];
    expect(Math.abs(orderOf(lieTrotter(flows), exact) - 1)).toBeLessThan(0.05);
    expect(Math.abs(orderOf(strang(flows), exact) - 2)).toBeLessThan(0.05);
  });

  it("is of first order both ways with Euler's method for the parts", () => {
    const flows = [euler(f), euler(g)];
    expect(Math.abs(orderOf(lieTrotter(flows), exact) - 1)).toBeLessThan(0.05);
    expect(Math.abs(orderOf(strang(flows), exact) - 1)).toBeLessThan(0.05);
  });

  it("is Euler's and the fourth order of Runge and Kutta's without splitting", () => {
    const whole = (x: Vector) => f(x).map((v, i) => v + (g(x)[i] as number));
    expect(Math.abs(orderOf(euler(whole), exact) - 1)).toBeLessThan(0.05);
    const errors = [4, 8, 16, 32].map((steps) => ({
      step: time / steps,
      error: distance(integrate(rungeKutta4(whole), start, { time, steps }), exact),
    }));
    expect(Math.abs(convergenceOrder(errors).order - 4)).toBeLessThan(0.1);
  });

  it("treats three parts as a palindrome", () => {
    const seen: string[] = [];
    const note = (name: string) => (x: number, step: number) => {
      seen.push(`${name}${step}`);
      return x;
    };
    strang([note("a"), note("b"), note("c")])(0, 1);
    expect(seen).toEqual(["a0.5", "b0.5", "c1", "b0.5", "a0.5"]);
  });
});

describe("convergenceOrder", () => {
  it("finds the power law that made the errors", () => {
    const fit = convergenceOrder([1, 0.5, 0.25].map((step) => ({ step, error: 7 * step ** 2.5 })));
    expect(fit.order).toBeCloseTo(2.5, 12);
    expect(fit.constant).toBeCloseTo(7, 10);
  });

  it("says in one sentence what is wrong", () => {
    const one = { step: 1, error: 1 };
    expect(() => convergenceOrder([one, one])).toThrow("expected at least two different steps, got 2 points");
    expect(() => convergenceOrder([one, { step: 0.5, error: 0 }])).toThrow(
      "convergenceOrder: expected positive numbers, got step 0.5 with error 0",
    );
    expect(() => strang([])).toThrow("strang: expected at least one flow, got none");
    expect(() =>
      integrate(
        euler((x) => x),
        start,
        { time: 1, steps: 0 },
      ),
    ).toThrow("integrate: steps must be");
    expect(() => rungeKutta4((x) => x, { substeps: 1.5 })).toThrow("rungeKutta4: substeps must be");
  });
});
