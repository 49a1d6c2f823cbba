/** Decoders with structured feed-forward layers: the published numbers of parameters, guides, and merging. */
import { describe, expect, it } from "vitest";
import { compile, evaluate, flatten, key, type Tensor, type Tree, tensor } from "../../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, type FfnConfig } from "../../../src/models/index.ts";
import { parameterCount, structuredFfn } from "../../../src/nn/index.ts";
import { distance } from "../../nn/reference.ts";

type Form = (width: number, hidden: number) => FfnConfig;
const dense: Form = (_, hidden) => ({ kind: "dense", hidden });
const model = (width: number, depth: number, heads: number, ffn: Form): DecoderConfig => ({
  vocabulary: 32_000,
  context: 1024,
  width,
  blocks: Array.from({ length: depth }, (_, i) => [
    { mixer: { kind: "attention", heads } },
    { ffn: (i === 0 ? dense : ffn)(width, 4 * width) },
  ]),
});
const sizes = { s: [768, 12, 12], m: [1024, 24, 16], l: [1536, 24, 12], xl: [2048, 24, 16] } as const;
const count = (size: keyof typeof sizes, ffn: Form): number => {
  const [width, depth, heads] = sizes[size];
  return parameterCount(decoder(model(width, depth, heads, ffn)).init(key(0)));
};

describe("published numbers of parameters", () => {
  const lowRank =
    (share: number): Form =>
    (width, hidden) => ({ kind: "lowRank", hidden, rank: width * share });
  const shuffle =
    (blocks: number): Form =>
    (_, hidden) => ({ kind: "blockShuffle", hidden, blocks });
  const blockDense =
    (blocks: number, rank: number): Form =>
    (_, hidden) => ({ kind: "blockDense", hidden, blocks, rank });

  it.each([
    ["s", 109_632_000, 90_167_808, 73_947_648],
    ["m", 335_079_424, 262_727_680, 202_434_560],
    ["l", 729_111_552, 566_320_128, 430_660_608],
    ["xl", 1_274_138_624, 984_731_648, 743_559_168],
  ] as const)("size %s: dense, 63 %% and 32 %%, of low rank and block-shuffle", (size, full, large, small) => {
    expect(count(size, dense)).toBe(full);
    expect(count(size, lowRank(1 / 2))).toBe(large);
    expect(count(size, lowRank(1 / 4))).toBe(small);
    expect(count(size, shuffle(2))).toBe(large);
    expect(count(size, shuffle(4))).toBe(small);
  });

  it.each([
    ["s", 2, 512, 90_167_808],
    ["s", 2, 256, 73_947_648],
    ["m", 4, 768, 255_191_040],
    ["m", 4, 384, 198_666_240],
    ["l", 2, 1024, 566_320_128],
    ["l", 2, 512, 430_660_608],
    ["xl", 4, 1536, 954_585_088],
    ["xl", 4, 768, 728_485_888],
  ] as const)("size %s: block-dense of %i blocks and rank %i", (size, blocks, rank, expected) => {
    expect(count(size, blockDense(blocks, rank))).toBe(expected);
  });
});

describe("a small decoder", () => {
  const config = (ffn: FfnConfig): DecoderConfig => ({
    vocabulary: 13,
    context: 8,
    width: 16,
    blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn }]],
  });
  const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), { shape: [2, 4] });
  const options = { hidden: 32, rank: 4 };

  it("starts with guides that equal the products of their factors, made smaller with them", async () => {
    const guided = decoder(config({ kind: "lowRank", ...options, guided: 0.5 }));
    const params = await evaluate(guided.init(key(3)));
    const run = compile(guided.apply);
    const expected = await run(params, tokens);
    for (const progress of [0, 0.1, 0.25, 1]) {
      const y = await run(params, tokens, { training: true, key: key(4), progress: tensor(progress) });
      expect(distance(y.data, expected.data)).toBeLessThan(1e-5);
    }
  });

  it("gives the same logits with merged weights", async () => {
    const params = await evaluate(decoder(config({ kind: "lowRank", ...options })).init(key(3)));
    const layer = structuredFfn({ width: 16, form: "lowRank", ...options });
    const blocks = params.blocks.map(({ ffn, ...rest }) => ({
      ...rest,
      ffn: { ...ffn, layer: layer.merge(ffn?.layer as Parameters<typeof layer.merge>[0]) },
    }));
    const merged = { ...params, blocks: blocks as unknown } as DecoderParams;
    const [a, b] = (await evaluate([
      decoder(config({ kind: "lowRank", ...options })).apply(params, tokens),
      decoder(config({ kind: "dense", hidden: 32 })).apply(merged, tokens),
    ])) as [Tensor, Tensor];
    expect(distance(a.data, b.data)).toBeLessThan(1e-5);
  });

  it("names options that are wrong", () => {
    expect(() => decoder(config({ kind: "lowRank", ...options, guided: 2 }))).toThrow(
      /decoder: blocks\[0\]\[1\]\.ffn\.guided/,
    );
    expect(() => decoder(config({ kind: "lowRank", hidden: 32, rank: 17 }))).toThrow(
      "lowRankLinear: rank must be at most 16",
    );
    expect(() => decoder(config({ kind: "blockShuffle", hidden: 32, blocks: 3 }))).toThrow("blocks must divide inputs");
    expect(
      flatten(decoder(config({ kind: "blockDense", ...options, blocks: 2 })).init(key(0)) as Tree).paths,
    ).toContain("blocks.0.ffn.layer.down.weight");
  });
});
