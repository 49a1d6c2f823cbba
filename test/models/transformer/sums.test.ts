/** What sublayers add to and where blocks start, against sums of parts. */
import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mapTree, normal, type Tensor, tensor } from "../../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, observe, type Sublayer } from "../../../src/models/index.ts";
import { distance, product } from "../../nn/reference.ts";

const attention: Sublayer = { mixer: { kind: "attention", heads: 2 } };
const dense: Sublayer = { ffn: { kind: "dense", hidden: 12 } };
const gated: Sublayer = { ffn: { kind: "gated", hidden: 10 } };
const model = (...blocks: readonly (readonly Sublayer[])[]): DecoderConfig => ({
  vocabulary: 9,
  context: 6,
  width: 8,
  blocks,
});
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 0, 1), { shape: [2, 5] });
const drawn = (config: DecoderConfig): Promise<DecoderParams> =>
  evaluate(mapTree(decoder(config).init(key(2)), (x, path) => normal(key(path.length), x.shape, { std: 0.4 })));
const seen = async <N extends string>(config: DecoderConfig, params: DecoderParams, ...names: readonly N[]) => {
  const found = await compile((p: DecoderParams, x: Tensor) => observe(decoder(config), p, x, names))(params, tokens);
  return (name: N): number[] => Array.from(found[name].data, Number);
};
const minus = (a: readonly number[], b: readonly number[]): number[] => a.map((v, i) => v - (b[i] as number));

describe("a block beside a block", () => {
  it("starts where that one started, and adds to what it gives", async () => {
    const beside: Sublayer = { ...attention, beside: "block" };
    const config = model([dense], [attention, dense], [beside, gated], [{ ...gated, beside: "block" }, dense], [dense]);
    const params = await drawn(config);
    const at = await seen(config, params, "blocks.0.stream", "blocks.1.stream", "blocks.2.stream", "blocks.3.stream");
    const start = at("blocks.0.stream");
    for (const [b, block] of [
      [2, [attention, gated]],
      [3, [gated, dense]],
    ] as const) {
      const alone = model([dense], block);
      const own = { ...params, blocks: [params.blocks[0], params.blocks[b]] } as DecoderParams;
      const added = minus((await seen(alone, own, "blocks.1.stream"))("blocks.1.stream"), start);
      const before = at(b === 2 ? "blocks.1.stream" : "blocks.2.stream");
      expect(distance(minus(at(`blocks.${b}.stream` as "blocks.2.stream"), before), added)).toBeLessThan(1e-5);
    }
    const last = await seen(config, params, "blocks.4.ffn.output", "blocks.4.stream");
    expect(distance(minus(last("blocks.4.stream"), at("blocks.3.stream")), last("blocks.4.ffn.output"))).toBeLessThan(
      1e-5,
    );
  });

  it("is refused where it means nothing", () => {
    const beside: Sublayer = { ...attention, beside: "block" };
    expect(() => decoder(model([beside]))).toThrow('blocks[0][0] has beside "block", but there is no block before it');
    expect(() => decoder(model([dense], [dense, beside]))).toThrow("which only the first sublayer of a block may have");
    expect(() => decoder({ ...model([dense], [beside]), placement: "post" })).toThrow("norms before sublayers");
    expect(() => decoder(model([{ ...dense, shortcut: "linear" }], [beside]))).toThrow("linear shortcuts");
  });
});

describe("a linear shortcut", () => {
  it("maps the stream before the output is added, and starts as the identity", async () => {
    const config = model([{ ...dense, shortcut: "linear" }]);
    const fresh = await evaluate(decoder(config).init(key(1)));
    const weight = (p: DecoderParams): Tensor => p.blocks[0]?.ffn?.shortcut?.weight as Tensor;
    expect(Array.from(weight(fresh).data, Number)).toEqual(Array.from({ length: 64 }, (_, i) => (i % 9 === 0 ? 1 : 0)));
    const params = await drawn(config);
    const at = await seen(config, params, "embedding", "blocks.0.ffn.output", "blocks.0.stream");
    const rows = (flat: readonly number[]) =>
      Array.from({ length: flat.length / 8 }, (_, i) => flat.slice(8 * i, 8 * i + 8));
    const mapped = product(rows(at("embedding")), rows(Array.from(weight(params).data, Number))).flat();
    expect(distance(minus(at("blocks.0.stream"), at("blocks.0.ffn.output")), mapped)).toBeLessThan(1e-5);
  });
});

describe("the bias of a head", () => {
  it("is added to the logits, and needs a head", async () => {
    const config = { ...model([dense]), tied: false, headBias: true };
    const params = await drawn(config);
    const without = (
      await seen(
        { ...config, headBias: false },
        { ...params, head: { weight: params.head?.weight as Tensor } },
        "logits",
      )
    )("logits");
    const bias = Array.from(params.head?.bias?.data as Float32Array);
    const expected = without.map((v, i) => v + (bias[i % 9] as number));
    expect(distance((await seen(config, params, "logits"))("logits"), expected)).toBeLessThan(1e-5);
    expect(() => decoder({ ...config, tied: true })).toThrow("decoder: headBias needs a head of its own");
  });
});
