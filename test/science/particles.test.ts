import { expect, it } from "vitest";
import { attraction, drift } from "../../src/science/index.ts";
import { distance, numbers } from "../nn/reference.ts";

it("attracts two particles on a line by the weights of a softmax", () => {
  const [a, b] = [0.5, -1.2];
  const toOther = (own: number, other: number) =>
    (Math.exp(own * other) / (Math.exp(own * own) + Math.exp(own * other))) * (other - own);
  expect(distance(attraction({ count: 2, dimension: 1 })([a, b]), [toOther(a, b), toOther(b, a)])).toBeLessThan(1e-14);
});

it("leaves particles at one place where they are", () => {
  const place = numbers(3, 4);
  const together = attraction({ count: 5, dimension: 3 })(Array.from({ length: 5 }, () => place).flat());
  expect(distance(together, Array(15).fill(0))).toBeLessThan(1e-15);
});

it("lets each particle drift by itself", () => {
  const matrix = [
    [1, 2],
    [-1, 0.5],
  ];
  const slope = drift({ count: 2, dimension: 2 }, matrix)([1, 0, 0.1, -0.2]);
  expect(distance(slope, [Math.tanh(1), Math.tanh(-1), Math.tanh(-0.3), Math.tanh(-0.2)])).toBeLessThan(1e-14);
});
