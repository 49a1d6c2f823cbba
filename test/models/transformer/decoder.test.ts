import { describe, expect, it } from "vitest";
import { compile, evaluate, grad, key, mean, square, type Tensor, tensor, toNested } from "../../../src/array/index.ts";
import { type DecoderConfig, decoder, type StackCache } from "../../../src/models/index.ts";
import { parameterCount, writeCache } from "../../../src/nn/index.ts";

const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const dense = { ffn: { kind: "dense", hidden: 32, activation: "relu" } } as const;
const base: DecoderConfig = {
  vocabulary: 11,
  context: 8,
  width: 16,
  blocks: [
    [attention, dense],
    [attention, dense],
  ],
};
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3), { shape: [2, 7] });

const variants: { readonly [name: string]: DecoderConfig } = {
  rotary: base,
  "learned positions, post-norm": { ...base, positions: "learned", placement: "post" },
  "no positions, rms, untied": { ...base, positions: "none", norm: "rms", tied: false },
  "grouped queries, gated": {
    ...base,
    blocks: [[{ mixer: { kind: "attention", heads: 4, kvHeads: 2 } }, { ffn: { kind: "gated", hidden: 24 } }]],
  },
  "two shared and halved": {
    ...base,
    blocks: [
      [{ ...dense, shared: "wide", scale: 0.5 }, attention, { ...dense, shared: "wide", scale: 0.5 }],
      [attention],
    ],
  },
  "linear shortcuts, a head with a bias": {
    ...base,
    tied: false,
    headBias: true,
    blocks: [[{ ...attention, shortcut: "linear" }, dense], [{ ...dense, shortcut: "linear" }]],
  },
  "blocks beside a block": {
    ...base,
    blocks: [[attention, dense], [{ ...attention, beside: "block" }, dense], [{ ...dense, beside: "block" }], [dense]],
  },
  "attention without feed-forward": { ...base, blocks: [[attention], [attention]] },
};

for (const [name, config] of Object.entries(variants)) {
  describe(name, () => {
    const model = decoder(config);

    it("sees earlier positions only", async () => {
      const params = await evaluate(model.init(key(0)));
      const run = compile((p: typeof params, x: Tensor) => model.apply(p, x));
      const changed = tensor(
        Int32Array.from(tokens.data as Int32Array, (t, i) => (i % 7 === 4 ? 0 : t)),
        {
          shape: [2, 7],
        },
      );
      const [a, b] = [await run(params, tokens), await run(params, changed)].map((y) => toNested(y) as number[][][]);
      for (let t = 0; t < 7; t++) {
        const same = JSON.stringify(a?.[0]?.[t]) === JSON.stringify(b?.[0]?.[t]);
        expect(same, `position ${t}`).toBe(t < 4);
      }
    });

    it("gives token by token what it gives for the whole sequence", async () => {
      const params = await evaluate(model.init(key(1)));
      const whole = toNested(await compile(model.apply)(params, tokens)) as number[][][];
      const run = compile((p: typeof params, x: Tensor, before: StackCache, seen: Tensor) => {
        const [hidden, fresh] = model.extend(p, x, before, seen);
        return [model.logits(p, hidden), writeCache(before, fresh, seen)] as const;
      });
      let cache = await evaluate(model.cache({ batch: 2, length: 8 }));
      for (let t = 0; t < 7; t++) {
        const column = tensor(Int32Array.of(...[0, 7].map((row) => Number(tokens.data[row + t]))), { shape: [2, 1] });
        const [logits, after] = await run(params, column, cache, tensor(Int32Array.of(t, t)));
        cache = after as typeof cache;
        const rows = toNested(logits) as number[][][];
        for (const b of [0, 1])
          rows[b]?.[0]?.forEach((value, i) => {
            expect(value).toBeCloseTo(whole[b]?.[t]?.[i] as number, 5);
          });
      }
    });
  });
}

it("has as many parameters as the formulas of its parts give", () => {
  const [d, m, v, layers] = [16, 32, 11, 2];
  const attentionBlock = 4 * d * d + 4 * d + 2 * d;
  const denseBlock = 2 * d * m + m + d + 2 * d;
  expect(parameterCount(decoder(base).init(key(0)))).toBe(v * d + layers * (attentionBlock + denseBlock) + 2 * d);
  const learned = decoder({ ...base, positions: "learned", tied: false });
  expect(parameterCount(learned.init(key(0)))).toBe(2 * v * d + 8 * d + layers * (attentionBlock + denseBlock) + 2 * d);
});

it("stores shared weights once, and gives them the sum of the gradients of copies", async () => {
  const block = [{ ...dense, shared: "wide" }];
  const shared = decoder({ ...base, blocks: [block, block] });
  const apart = decoder({ ...base, blocks: [[dense], [dense]] });
  const params = await evaluate(shared.init(key(5)));
  const weights = params.shared.wide as { up: { weight: Tensor } };
  const copies = {
    ...params,
    shared: {},
    blocks: params.blocks.map(({ ffn }) => ({ ffn: { ...ffn, layer: params.shared.wide as never } })),
  };
  const gradient = (model: typeof shared) => compile(grad((p: typeof params) => mean(square(model.apply(p, tokens)))));
  const together = (await gradient(shared)(params)).shared.wide as typeof weights;
  const each = (await gradient(apart)(copies)).blocks.map(({ ffn }) => ffn?.layer as typeof weights);
  const [a, b] = each.map((g) => g.up.weight.data as Float32Array) as [Float32Array, Float32Array];
  together.up.weight.data.forEach((value, i) => {
    expect(Number(value)).toBeCloseTo((a[i] as number) + (b[i] as number), 6);
  });
});

it("draws the weights that write to the stream smaller, the more sublayers there are", async () => {
  const std = async (depth: number): Promise<number> => {
    const model = decoder({ ...base, width: 64, blocks: Array.from({ length: depth }, () => [dense]) });
    const params = await evaluate(model.init(key(0)));
    const { down } = (params.blocks[0] as { ffn: { layer: { down: { weight: Tensor } } } }).ffn.layer;
    const values = [...(down.weight.data as Float32Array)];
    return Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length);
  };
  const alone = await std(1);
  expect(alone).toBeCloseTo(1 / Math.sqrt(32), 1);
  expect((await std(16)) / alone).toBeCloseTo(1 / 4, 5);
});

describe("says in one sentence what is wrong with", () => {
  const wrong = (config: unknown) => () => decoder(config as DecoderConfig);
  it("an unknown feed-forward layer", () => {
    expect(wrong({ ...base, blocks: [[{ ffn: { kind: "dens", hidden: 4 } }]] })).toThrow(
      /decoder: blocks\[0\]\[0\]\.ffn(\.kind)?: unknown FFN "dens"; known are dense, .*gated/,
    );
  });
  it("an unknown mixer", () => {
    expect(wrong({ ...base, blocks: [[{ mixer: { kind: "conv" } }]] })).toThrow(
      /unknown mixer "conv"; known are attention/,
    );
  });
  it("an option that does not exist", () => {
    expect(wrong({ ...base, blocks: [[{ ffn: { kind: "dense", hidden: 4, width: 3 } }]] })).toThrow(/width/);
  });
  it("a width of nothing", () => {
    expect(wrong({ ...base, width: 0 })).toThrow(/decoder: width: /);
  });
  it("a sublayer that is neither", () => {
    expect(wrong({ ...base, blocks: [[{}]] })).toThrow('expected an object with "mixer" or "ffn"');
  });
  it("sublayers that share but differ", () => {
    const other = { ffn: { kind: "dense", hidden: 8 } } as const;
    expect(() =>
      decoder({ ...base, blocks: [[{ ...dense, shared: "a" }], [{ ...other, shared: "a" }]] }).init(key(0)),
    ).toThrow('the sublayers that share "a" have different weights');
  });
  it("too many tokens", () => {
    const long = tensor(new Int32Array(9), { shape: [1, 9] });
    expect(() => decoder(base).apply(decoder(base).init(key(0)), long)).toThrow("at most 8 positions");
  });
});
