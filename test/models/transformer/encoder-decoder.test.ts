import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  flatten,
  grad,
  key,
  mapTree,
  mean,
  square,
  type Tensor,
  type Tree,
  tensor,
  toNested,
  toOnnx,
} from "../../../src/array/index.ts";
import {
  type EncoderDecoderConfig,
  type EncoderDecoderParams,
  encoderDecoder,
  type RememberedSource,
  type StackCache,
} from "../../../src/models/index.ts";
import { parameterCount, writeCache } from "../../../src/nn/index.ts";

const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const cross = { cross: { heads: 2 } } as const;
const dense = { ffn: { kind: "dense", hidden: 32, activation: "relu" } } as const;
const wide = { ...dense, shared: "wide" } as const;
const base: EncoderDecoderConfig = {
  vocabulary: 11,
  context: 8,
  width: 16,
  encoder: [
    [attention, dense],
    [attention, dense],
  ],
  decoder: [
    [attention, cross, dense],
    [attention, cross, dense],
  ],
};
const rows = (...values: number[][]): Tensor =>
  tensor(Int32Array.from(values.flat()), { shape: [values.length, (values[0] as number[]).length] });
const source = rows([3, 4, 5, 6, 7], [8, 9, 10, 0, 0]);
const target = rows([1, 5, 6, 7], [1, 2, 3, 4]);

const variants: { readonly [name: string]: EncoderDecoderConfig } = {
  rotary: base,
  "learned positions, post-norm": { ...base, positions: "learned", placement: "post" },
  "one feed-forward layer for the encoder, none in the decoder, untied": {
    ...base,
    tied: false,
    encoder: [
      [attention, wide],
      [attention, wide],
    ],
    decoder: [
      [attention, cross],
      [attention, { ...cross, scale: 0.5 }],
    ],
  },
  "everything shared": {
    ...base,
    encoder: [[attention, wide], [wide]],
    decoder: [
      [{ ...cross, shared: "look" }, wide],
      [attention, { ...cross, shared: "look" }, wide],
    ],
  },
};

for (const [name, config] of Object.entries(variants)) {
  describe(name, () => {
    const model = encoderDecoder(config);

    it("sees all of the source but its padding, and earlier positions of the target only", async () => {
      const params = await evaluate(model.init(key(0)));
      const run = compile(model.apply);
      const logits = async (given: { source: Tensor; target: Tensor }) =>
        toNested(await run(params, given)) as number[][][];
      const plain = await logits({ source, target });
      const changed = await logits({ source, target: rows([1, 5, 2, 7], [1, 2, 9, 4]) });
      for (const row of [0, 1])
        for (let t = 0; t < 4; t++)
          expect(JSON.stringify(plain[row]?.[t]) === JSON.stringify(changed[row]?.[t])).toBe(t < 2);
      const last = await logits({ source: rows([3, 4, 5, 6, 2], [8, 9, 10, 0, 0]), target });
      expect(last[0]?.[0]).not.toEqual(plain[0]?.[0]);
      expect(last[1]).toEqual(plain[1]);
      const alone = await evaluate(model.apply(params, { source: rows([8, 9, 10]), target: rows([1, 2, 3, 4]) }));
      (toNested(alone) as number[][][])[0]?.forEach((values, t) => {
        values.forEach((value, i) => {
          expect(value).toBeCloseTo(plain[1]?.[t]?.[i] as number, 5);
        });
      });
    });

    it("gives token by token what it gives for the whole target", async () => {
      const params = await evaluate(model.init(key(1)));
      const whole = toNested(await compile(model.apply)(params, { source, target })) as number[][][];
      const remembered = await compile((p: EncoderDecoderParams, x: Tensor) => model.remember(p, model.encode(p, x)))(
        params,
        source,
      );
      const run = compile(
        (p: EncoderDecoderParams, from: RememberedSource, x: Tensor, before: StackCache, seen: Tensor) => {
          const [hidden, fresh] = model.extend(p, from, x, before, seen);
          return [model.logits(p, hidden), writeCache(before, fresh, seen)] as const;
        },
      );
      let cache = await evaluate(model.cache({ batch: 2, length: 8 }));
      for (let t = 0; t < 4; t++) {
        const column = rows(...[0, 1].map((row) => [Number(target.data[4 * row + t])]));
        const [logits, after] = await run(
          params,
          remembered as RememberedSource,
          column,
          cache,
          tensor(Int32Array.of(t, t)),
        );
        cache = after as typeof cache;
        (toNested(logits) as number[][][]).forEach((steps, row) => {
          steps[0]?.forEach((value, i) => {
            expect(value).toBeCloseTo(whole[row]?.[t]?.[i] as number, 5);
          });
        });
      }
    });
  });
}

it("has as many parameters as the formulas of its parts give", () => {
  const [d, m, v] = [16, 32, 11];
  const look = 4 * d * d + 4 * d + 2 * d;
  const forward = 2 * d * m + m + d + 2 * d;
  const count = (config: EncoderDecoderConfig) => parameterCount(encoderDecoder(config).init(key(0)));
  expect(count(base)).toBe(v * d + 2 * (look + forward) + 2 * (2 * look + forward) + 4 * d);
  expect(count({ ...base, positions: "learned", tied: false })).toBe(count(base) + 8 * d + v * d);
});

const shared = (stack: "encoder" | "decoder"): EncoderDecoderConfig => ({
  ...base,
  [stack]: base[stack].map((block) => block.map((sublayer) => (sublayer === dense ? wide : sublayer))),
});

describe.each(["encoder", "decoder"] as const)("one feed-forward layer shared by the %s", (stack) => {
  it("gets the sum of the gradients of copies", async () => {
    const [together, apart] = [encoderDecoder(shared(stack)), encoderDecoder(base)];
    const params = await evaluate(together.init(key(5)));
    const copies = {
      ...params,
      shared: {},
      [stack]: params[stack].map((block) => ({ ...block, ffn: { ...block.ffn, layer: params.shared.wide as Tree } })),
    } as EncoderDecoderParams;
    const gradient = (model: typeof apart, at: EncoderDecoderParams) =>
      compile(grad((p: EncoderDecoderParams) => mean(square(model.apply(p, { source, target })))))(at);
    const sum = flatten((await gradient(together, params)).shared.wide as Tree);
    const each = (await gradient(apart, copies))[stack].map(({ ffn }) => flatten(ffn?.layer as Tree));
    expect(sum.paths).toEqual(["up.weight", "up.bias", "down.weight", "down.bias"]);
    sum.leaves.forEach((leaf, l) => {
      const values = Array.from(leaf.data as Float32Array);
      const parts = each.map(({ leaves }) => Array.from(leaves[l]?.data as Float32Array));
      const size = Math.max(...values.map(Math.abs));
      expect(size).toBeGreaterThan(1e-4);
      values.forEach((value, i) => {
        const expected = parts.reduce((total, part) => total + (part[i] as number), 0);
        expect(Math.abs(value - expected) / size).toBeLessThan(1e-5);
      });
    });
  });

  it("is stored once, in parameters and in the exported graph", async () => {
    const [together, apart] = [encoderDecoder(shared(stack)), encoderDecoder(base)];
    const [few, many] = [await evaluate(together.init(key(0))), await evaluate(apart.init(key(0)))];
    const oneLayer = 2 * 16 * 32 + 32 + 16;
    expect(parameterCount(many) - parameterCount(few)).toBe(oneLayer);
    const bytes = async (model: typeof apart, params: EncoderDecoderParams) =>
      (
        await toOnnx(
          compile((s: Tensor, t: Tensor) => model.apply(params, { source: s, target: t })),
          [source, target],
        )
      ).length;
    const saved = (await bytes(apart, many)) - (await bytes(together, few));
    expect(saved).toBeGreaterThan(4 * oneLayer - 1000);
  });
});

it("without a sublayer is the model in which that sublayer adds nothing", async () => {
  const full = encoderDecoder(base);
  const params = await evaluate(full.init(key(3)));
  const silent = mapTree(params, (x, path) =>
    /^decoder\..*ffn\.layer\.down/.test(path) ? tensor(new Float32Array(x.size), { shape: x.shape }) : x,
  );
  const without = encoderDecoder({ ...base, decoder: base.decoder.map((block) => block.slice(0, 2)) });
  const kept = {
    ...params,
    decoder: params.decoder.map(({ ffn, ...block }) => block),
  } as EncoderDecoderParams;
  expect(parameterCount(without.init(key(0)))).toBe(parameterCount(kept));
  const [a, b] = await evaluate([full.apply(silent, { source, target }), without.apply(kept, { source, target })]);
  expect([...(a as Tensor).data]).toEqual([...(b as Tensor).data]);
});

it("drops out in training only, from the key", async () => {
  const model = encoderDecoder({ ...base, dropout: 0.5 });
  const params = await evaluate(model.init(key(0)));
  const run = compile((k: Tensor) => [
    model.apply(params, { source, target }),
    model.apply(params, { source, target }, { training: true, key: k }),
  ]);
  const [[plain, first], [, again], [, other]] = [await run(key(1)), await run(key(1)), await run(key(2))] as [
    Tensor[],
    Tensor[],
    Tensor[],
  ];
  expect([...(first as Tensor).data]).not.toEqual([...(plain as Tensor).data]);
  expect([...(first as Tensor).data]).toEqual([...(again as Tensor).data]);
  expect([...(first as Tensor).data]).not.toEqual([...(other as Tensor).data]);
});

describe("says in one sentence what is wrong with", () => {
  const wrong = (config: unknown) => () => encoderDecoder(config as EncoderDecoderConfig);
  it("a sublayer that the encoder cannot have", () => {
    expect(wrong({ ...base, encoder: [[cross]] })).toThrow(
      'encoderDecoder: encoder[0][0]: expected an object with "mixer" or "ffn"',
    );
  });
  it("an unknown sublayer of the decoder", () => {
    expect(wrong({ ...base, decoder: [[{}]] })).toThrow('expected an object with "mixer" or "ffn" or "cross"');
    expect(wrong({ ...base, decoder: [[{ cross: { heads: 2, kind: "attention" } }]] })).toThrow(/kind/);
  });
  it("heads that do not fit", () => {
    expect(wrong({ ...base, decoder: [[{ cross: { heads: 3 } }]] })).toThrow(
      "crossAttention: width 16 cannot be cut into 3 equal heads; give headWidth",
    );
  });
  it("too long a source", () => {
    const model = encoderDecoder(base);
    const long = tensor(new Int32Array(9), { shape: [1, 9] });
    expect(() => model.encode(model.init(key(0)), long)).toThrow(
      "encoderDecoder: expected tokens [batch, time] with at most 8 positions, got [1, 9]",
    );
  });
});
