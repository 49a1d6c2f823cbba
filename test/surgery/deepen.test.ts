import { describe, expect, it } from "vitest";
import { compile, evaluate, grad, key, mean, relu, square, type Tensor, tensor } from "../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder } from "../../src/models/index.ts";
import { ffn, parameterCount, threeLayerFfn } from "../../src/nn/index.ts";
import { deepenFfns, insertIdentityLayer } from "../../src/surgery/index.ts";
import { distance, matrix } from "../nn/reference.ts";

const dense = (activation: "relu" | "gelu") => ({ ffn: { kind: "dense", hidden: 24, activation } }) as const;
const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const base: DecoderConfig = { vocabulary: 11, context: 8, width: 16, blocks: [[attention, dense("relu")]] };
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1), { shape: [2, 6] });
const logits = (config: DecoderConfig, params: DecoderParams): Promise<Tensor> =>
  compile(decoder(config).apply)(params, tokens);

describe("insertIdentityLayer", () => {
  it.each([true, false])("leaves the block as it was, biases %s", async (bias) => {
    const x = tensor(matrix(9, 5, 3));
    const options = { width: 5, hidden: 12, activation: relu, bias };
    const params = await evaluate(ffn(options).init(key(2)));
    const deep = await evaluate(insertIdentityLayer(params));
    expect(Object.keys(deep.middle)).toEqual(bias ? ["weight", "bias"] : ["weight"]);
    const before = await compile(ffn(options).apply)(params, x);
    const after = await compile(threeLayerFfn(options).apply)(deep, x);
    expect(distance(before.data, after.data)).toBeLessThan(1e-6);
  });
});

describe("deepenFfns", () => {
  const variants: { readonly [name: string]: DecoderConfig } = {
    "one a block": { ...base, blocks: [...base.blocks, ...base.blocks] },
    "two a block": { ...base, blocks: [[dense("relu"), attention, { ...dense("relu"), scale: 0.5 }]] },
    shared: { ...base, blocks: [[{ ...dense("relu"), shared: "a" }, attention], [{ ...dense("relu"), shared: "a" }]] },
    "beside others": { ...base, blocks: [[attention, { ffn: { kind: "gated", hidden: 8 } }, dense("relu")]] },
  };
  it.each(Object.keys(variants))("keeps the logits: %s", async (name) => {
    const config = variants[name] as DecoderConfig;
    const params = await evaluate(decoder(config).init(key(7)));
    const deep = deepenFfns({ config, params });
    const after = await evaluate(deep.params);
    expect(distance((await logits(config, params)).data, (await logits(deep.config, after)).data)).toBeLessThan(1e-6);
    // The parameters are those that the new configuration makes: the same tree, so that training can go on.
    const made = decoder(deep.config).init(key(0));
    expect(parameterCount(after)).toBe(parameterCount(made));
    expect(JSON.stringify(after.blocks.map(keysOf))).toBe(JSON.stringify(made.blocks.map(keysOf)));
  });

  it("gives middle layers that learn", async () => {
    const params = await evaluate(decoder(base).init(key(7)));
    const deep = deepenFfns({ config: base, params });
    const gradient = await compile(grad((p: DecoderParams) => mean(square(decoder(deep.config).apply(p, tokens)))))(
      await evaluate(deep.params),
    );
    const [{ ffn: sublayer }] = gradient.blocks as [{ ffn: { layer: { middle: { weight: Tensor } } } }];
    expect(Math.max(...(sublayer.layer.middle.weight.data as Float32Array).map(Math.abs))).toBeGreaterThan(1e-6);
  });

  it("refuses an activation that an identity layer changes, and a model without such layers", async () => {
    const smooth = { ...base, blocks: [[dense("gelu")]] };
    expect(() => deepenFfns({ config: smooth, params: decoder(smooth).init(key(0)) })).toThrow(
      "blocks[0].ffn has the activation gelu, under which an identity layer changes the function; it stays the same with relu or identity",
    );
    const none = { ...base, blocks: [[attention]] };
    expect(() => deepenFfns({ config: none, params: decoder(none).init(key(0)) })).toThrow(
      "the model has no feed-forward sublayer of kind dense",
    );
  });
});

const keysOf = (value: unknown): unknown =>
  value !== null && typeof value === "object" && !("dtype" in value)
    ? Object.entries(value)
        .map(([name, part]) => [name, keysOf(part)])
        .sort()
    : null;
