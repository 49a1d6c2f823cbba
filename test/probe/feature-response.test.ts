import { describe, expect, it } from "vitest";
import { evaluate, key, matmul, mean, mul, normal, square, sub, type Tensor, tensor } from "../../src/array/index.ts";
import { featureScale, noiseResponse, pcaResponse, rowCovariance } from "../../src/probe/index.ts";

/** Rows with variances 16, 4, 1, and the sum that is read from them. */
const features = evaluate(mul(normal(key(1), [400, 3]), tensor([4, 2, 1])));
const readers = { weights: tensor([[1], [1], [1]]) };
const read = ({ weights }: typeof readers, x: Tensor): Tensor => mean(matmul(x, weights));

describe("featureScale", () => {
  it("is the root of the mean variance, and the range", async () => {
    const { std, least, most } = featureScale(
      tensor([
        [1, 10],
        [3, 10],
        [1, 16],
        [3, 16],
      ]),
    );
    // Variances 1 and 9.
    expect([std, least, most]).toEqual([expect.closeTo(Math.sqrt(5), 12), 1, 16]);
  });
});

describe("noiseResponse", () => {
  it("leaves dimension and score at strength 0, and raises the dimension towards that of the noise", async () => {
    const x = await features;
    const [none, some, much] = await noiseResponse(x, readers, read, { kind: "gaussian", strengths: [0, 1, 50] });
    const { matrix } = await rowCovariance(x);
    const trace = (matrix[0] as number) + (matrix[4] as number) + (matrix[8] as number);
    const squares = matrix.reduce((total, v) => total + v * v, 0);
    expect(none?.dimension).toBeCloseTo(trace ** 2 / squares, 9);
    expect(none?.score).toBeCloseTo(Number((await evaluate(read(readers, x))).data[0]), 5);
    // Variances 16, 4, 1 and 7 more each: 42² / (23² + 11² + 8²).
    expect(some?.dimension).toBeCloseTo(42 ** 2 / (23 ** 2 + 11 ** 2 + 8 ** 2), 0);
    expect(much?.dimension).toBeGreaterThan(2.9);
  });

  it("is the same for the same seed", async () => {
    const of = async (seed: number) =>
      noiseResponse(await features, readers, read, { kind: "saltAndPepper", strengths: [0.3], seed });
    expect(await of(4)).toEqual(await of(4));
    expect(await of(4)).not.toEqual(await of(5));
  });
});

describe("pcaResponse", () => {
  it("keeps what it should, and all scores with all of the variance", async () => {
    const x = await features;
    const lost = ({ weights }: { weights: Tensor }, y: Tensor) => mean(square(sub(y, weights)));
    const options = { covariance: await rowCovariance(x), shares: [0.7, 0.94, 1] };
    const [one, two, all] = await pcaResponse(x, { weights: x }, lost, options);
    expect([one?.kept, two?.kept, all?.kept]).toEqual([1, 2, 3]);
    // Variances 4 and 1 of three features, or 1, are gone.
    expect(one?.score).toBeCloseTo(5 / 3, 0);
    expect(two?.score).toBeCloseTo(1 / 3, 1);
    expect(all?.score).toBe(0);
  });
});
