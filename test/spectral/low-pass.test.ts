import { afterAll, describe, expect, it } from "vitest";
import { evaluate, key, normal, releaseSessions, type Tensor, tensor } from "../../src/array/index.ts";
import { lowPassKernel } from "../../src/spectral/index.ts";
import { distance as far } from "../nn/reference.ts";

afterAll(releaseSessions);

const values = (x: Tensor): number[] => Array.from(x.data, Number);

describe("lowPassKernel", () => {
  it("is the kernel itself where all frequencies are kept", async () => {
    const kernel = await evaluate(normal(key(4), [3, 9]));
    expect(far(values(await evaluate(lowPassKernel(kernel, 1))), values(kernel))).toBeLessThan(1e-5);
  });
  it("keeps the lowest frequencies of a kernel and its zeros, term by term", async () => {
    const taps = 6;
    const kernel = await evaluate(normal(key(5), [taps]));
    const n = 2 * taps;
    // Half of the frequencies 0 to 6 are 3.5, so 4 remain: 0 to 3.
    const expected = Array.from({ length: taps }, (_, t) => {
      let total = 0;
      for (let f = -3; f <= 3; f++)
        for (let s = 0; s < taps; s++) total += Number(kernel.data[s]) * Math.cos((2 * Math.PI * f * (t - s)) / n);
      return total / n;
    });
    expect(far(values(await evaluate(lowPassKernel(kernel, 0.5))), expected)).toBeLessThan(1e-5);
  });
  it("refuses shares that are none", () => {
    expect(() => lowPassKernel(tensor([1, 2]), 0)).toThrow("keep is a share above 0 and up to 1, got 0");
  });
});
