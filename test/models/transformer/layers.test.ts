import { describe, expect, it } from "vitest";
import { key } from "../../../src/array/index.ts";
import { decoder, type Sublayer } from "../../../src/models/index.ts";
import { parameterCount } from "../../../src/nn/index.ts";

const [width, heads, vocabulary] = [128, 4, 7];
const model = (count: number, ...ffn: readonly Sublayer[]) =>
  decoder({
    vocabulary,
    context: 8,
    width,
    blocks: Array.from({ length: count }, () => [{ mixer: { kind: "attention", heads } }, ...ffn]),
  });
const blocksOf = (count: number, ...ffn: readonly Sublayer[]): number =>
  parameterCount(model(count, ...ffn).init(key(0))) - vocabulary * width - 2 * width;

describe("parameters of blocks with feed-forward layers of 0 to 4 linear maps", () => {
  // With biases and two norms: arXiv:2505.06633 counts weights only; biases add 4d for attention and 0, d, 5d, 9d.
  const square = width ** 2;
  it.each<[number, readonly Sublayer[], number]>([
    [0, [], 4 * square + 6 * width],
    [1, [{ ffn: { kind: "oneLayer" } }], 5 * square + 9 * width],
    [2, [{ ffn: { kind: "dense", hidden: 512 } }], 198_272],
    [3, [{ ffn: { kind: "threeLayer", hidden: 512 } }], 460_928],
    [3, [{ ffn: { kind: "deep", layers: 3, hidden: 512 } }], 460_928],
    [4, [{ ffn: { kind: "deep", layers: 4, hidden: 512 } }], 44 * square + 21 * width],
  ])("%d", (_, ffn, count) => {
    expect(blocksOf(1, ...ffn)).toBe(count);
  });

  it("3 blocks of three layers have slightly fewer than 7 of two", () => {
    expect(blocksOf(7, { ffn: { kind: "dense", hidden: 512 } })).toBe(1_387_904);
    expect(blocksOf(3, { ffn: { kind: "threeLayer", hidden: 512 } })).toBe(1_382_784);
  });
});

it("rejects a deep feed-forward layer of one linear map", () => {
  expect(() => model(1, { ffn: { kind: "deep", layers: 1, hidden: 4 } })).toThrow(/ffn\.layers: /);
});
