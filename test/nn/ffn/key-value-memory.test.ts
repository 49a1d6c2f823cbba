import { describe, expect, it } from "vitest";
import { evaluate, key, normal, relu, reshape, toNested, transpose, zeros } from "../../../src/array/index.ts";
import { attend, ffn, keyValueMemory } from "../../../src/nn/index.ts";

const x = await evaluate(normal(key(1), [2, 3, 8]));

describe("keyValueMemory", () => {
  it("with ReLU is a feed-forward block without biases", async () => {
    const memory = keyValueMemory({ width: 8, slots: 20 });
    const params = await evaluate(memory.init(key(2)));
    const block = ffn({ width: 8, hidden: 20, activation: relu, bias: false });
    const a = toNested(await evaluate(memory.apply(params, x))) as number[][][];
    const b = toNested(await evaluate(block.apply(params, x))) as number[][][];
    expect(a).toEqual(b);
  });

  it("with softmax is attention over keys and values that do not depend on the input", async () => {
    const memory = keyValueMemory({ width: 8, slots: 20, weights: "softmax" });
    const { up, down } = await evaluate(memory.init(key(3)));
    const y = (await evaluate(memory.apply({ up, down }, x))).data as Float32Array;
    const keys = reshape(transpose(up.weight), [1, 20, 8]);
    const other = await evaluate(attend(reshape(x, [1, 6, 8]), keys, reshape(down.weight, [1, 20, 8])));
    y.forEach((value, i) => {
      expect(value).toBeCloseTo(Number(other.data[i]), 5);
    });
  });

  it("normalizes what it reads, so that its scale no longer falls with the slots", async () => {
    const scale = async (slots: number, normalized: boolean): Promise<number> => {
      const memory = keyValueMemory({
        width: 8,
        slots,
        weights: "softmax",
        normalized,
        init: (k, shape) => normal(k, shape),
      });
      const y = (await evaluate(memory.apply(memory.init(key(4)), x))).data as Float32Array;
      return Math.sqrt(y.reduce((total, value) => total + value * value, 0) / y.length);
    };
    expect(await scale(4096, false)).toBeLessThan(0.3 * (await scale(64, false)));
    for (const slots of [64, 4096]) expect(await scale(slots, true)).toBeCloseTo(1, 1);
  });

  it("refuses an input of another width, and no slots", () => {
    const memory = keyValueMemory({ width: 8, slots: 4 });
    expect(() => memory.apply(memory.init(key(0)), zeros([2, 9]))).toThrow("keyValueMemory");
    expect(() => keyValueMemory({ width: 8, slots: 0 })).toThrow("keyValueMemory");
  });
});
