import { describe, expect, it } from "vitest";
import { evaluate, key, normal, rfft, type Tensor, tensor } from "../../../src/array/index.ts";
import {
  compareReductions,
  embeddingIndex,
  reduceRows,
  reductionFamily,
  reductionMethods,
} from "../../../src/probe/index.ts";

const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array);
const names = Object.keys(reductionMethods);
const orthonormalNames = names.filter((name) => !name.startsWith("amplitude") && name !== "gaussian");

const white = (count: number, width: number, seed = 1): Promise<Tensor> => evaluate(normal(key(seed), [count, width]));
const reduced = async (name: string, size: number, x: Tensor): Promise<Tensor> =>
  reduceRows(await reductionFamily(name, x), size, x);

describe("reductions of vectors", () => {
  it.each(orthonormalNames)("%s keeps all cosines at full size, and has orthonormal columns below", async (name) => {
    const x = await white(60, 30);
    const [before, after] = [await embeddingIndex(x), await embeddingIndex(await reduced(name, 30, x))];
    const few = await white(2, 30, 9);
    const map = (await reductionFamily(name, x)).to(30);
    const cosines = await after.cosines(await evaluate(map.apply(few)));
    const exact = await before.cosines(few);
    for (const [i, value] of cosines.entries()) expect(value).toBeCloseTo(exact[i] as number, 5);
    const { matrix, inputs, outputs } = (await reductionFamily(name, x)).to(7);
    expect([inputs, outputs, matrix?.shape]).toEqual([30, 7, [30, 7]]);
    const entries = numbers(matrix as Tensor);
    for (let a = 0; a < 7; a++)
      for (let b = 0; b <= a; b++) {
        let sum = 0;
        for (let row = 0; row < 30; row++) sum += (entries[7 * row + a] as number) * (entries[7 * row + b] as number);
        expect(sum).toBeCloseTo(a === b ? 1 : 0, 5);
      }
  });

  it.each([100, 127])(
    "amplitudes are the absolute values of rfft, the same for opposite and shifted vectors, of %i numbers",
    async (width) => {
      const x = await white(3, width);
      const { re, im } = await evaluate(rfft(x));
      const frequencies = re.shape[1] as number;
      const found = await reduced("amplitude", 20, x);
      expect(found.shape).toEqual([3, 20]);
      numbers(found).forEach((value, i) => {
        const at = Math.floor(i / 20) * frequencies + (i % 20);
        expect(value).toBeCloseTo(Math.hypot(Number(re.data[at]), Number(im.data[at])) / Math.sqrt(width), 4);
      });
      const without = numbers(await reduced("amplitude-without-mean", 19, x));
      expect(without.slice(0, 19)).toEqual(numbers(found).slice(1, 20));
      const data = numbers(x);
      const moved = data.map((_, i) => -(data[i - (i % width) + (((i % width) + 13) % width)] as number));
      const same = numbers(await reduced("amplitude", 20, tensor(Float32Array.from(moved), { shape: [3, width] })));
      for (const [i, value] of same.entries()) expect(value).toBeCloseTo(numbers(found)[i] as number, 4);
    },
  );

  it("pca keeps the plane that vectors lie in", async () => {
    // Two directions of 12 hold all vectors, so two numbers keep all cosines; the first two coordinates see only one.
    const plane = numbers(await white(2, 12, 3));
    plane.fill(0, 12, 14);
    const weights = numbers(await white(50, 2, 4));
    const x = tensor(
      Float32Array.from({ length: 50 * 12 }, (_, i) => {
        const [row, column] = [Math.floor(i / 12), i % 12];
        return (
          (weights[2 * row] as number) * (plane[column] as number) +
          (weights[2 * row + 1] as number) * (plane[12 + column] as number)
        );
      }),
      { shape: [50, 12] },
    );
    const scores = await compareReductions({
      vectors: x,
      queries: tensor((x.data as Float32Array).slice(0, 60), { shape: [5, 12] }),
      methods: ["pca", "truncation"],
      sizes: [2],
      neighbors: 5,
    });
    expect(scores[0]).toMatchObject({ method: "pca", size: 2, recall: 1 });
    expect(scores[0]?.spearman).toBeGreaterThan(0.999);
    expect(scores[1]?.recall).toBeLessThan(1);
  });

  it("leaves out sizes that a method does not have, and finds all at full size", async () => {
    const x = await white(80, 16);
    const queries = await white(10, 16, 2);
    const progress: number[] = [];
    const scores = await compareReductions({
      vectors: x,
      queries,
      methods: names,
      sizes: [16, 4],
      neighbors: 3,
      onProgress: (done, total) => progress.push(done / total),
    });
    expect(progress.at(-1)).toBe(1);
    for (const name of orthonormalNames) {
      const [all, few] = scores.filter(({ method }) => method === name);
      expect(all).toMatchObject({ size: 16, recall: 1 });
      expect(few?.recall).toBeLessThan(1);
    }
    expect(scores.filter(({ method }) => method === "amplitude").map(({ size }) => size)).toEqual([4]);
  });

  it("draws by the seed", async () => {
    const x = await white(20, 8);
    for (const name of ["rotation", "gaussian", "permuted-fourier"]) {
      const entries = async (seed: number) =>
        numbers((await reductionFamily(name, x, { seed })).to(8).matrix as Tensor);
      expect(await entries(1)).toEqual(await entries(1));
      expect(await entries(1)).not.toEqual(await entries(2));
    }
  });

  it("names what is wrong", async () => {
    const x = await white(20, 10);
    await expect(reductionFamily("umap", x)).rejects.toThrow('unknown reduction "umap"; known are amplitude,');
    await expect(reductionFamily("fourier", await evaluate(normal(key(0), [10])))).rejects.toThrow(
      "expected vectors [count, width]",
    );
    const family = await reductionFamily("amplitude", x);
    expect(family.largest).toBe(6);
    expect(() => family.to(7)).toThrow("reduction amplitude: expected a size from 1 to 6, got 7");
    expect(() => family.to(2).apply(tensor([1, 2, 3]))).toThrow("expected rows [..., 10], got [3]");
    await expect(reductionFamily("pca", await white(5, 10))).rejects.toThrow("at least as many rows of vectors");
  });
});
