import { afterEach, expect, test } from "vitest";
import { compile, evaluate, key, mapTree, releaseSessions, Tensor, tensor } from "../../src/array/index.ts";
import { type DecoderParams, decoder } from "../../src/models/index.ts";
import { generate } from "../../src/serve/index.ts";
import { quantizeLinears, roundedToBits } from "../../src/surgery/index.ts";

afterEach(releaseSessions);

const config = {
  vocabulary: 50,
  context: 64,
  width: 32,
  norm: "rms" as const,
  blocks: [
    [{ mixer: { kind: "attention" as const, heads: 2 } }, { ffn: { kind: "gated" as const, hidden: 48 } }],
    [{ mixer: { kind: "attention" as const, heads: 2 } }, { ffn: { kind: "dense" as const, hidden: 64 } }],
  ],
};
const tokens = tensor(
  Int32Array.from({ length: 24 }, (_, i) => (7 * i) % 50),
  { shape: [1, 24] },
);

/** The same parameters with every weight rounded that `quantizeLinears` rounds, in float32. */
const simulated = (params: DecoderParams, bits: 8 | 4): DecoderParams => {
  const rounded = (x: Tensor): Tensor => roundedToBits(x, { bits, group: 32 });
  return {
    ...mapTree(params, (x, path) =>
      /^blocks.*(query|key|value|output|up|gate|down)\.weight$/.test(path) ? rounded(x) : x,
    ),
    head: { weight: rounded(transposed(params.embedding.weight)) },
  };
};
const transposed = (x: Tensor): Tensor => {
  const [rows, columns] = x.shape as [number, number];
  return tensor(
    Float32Array.from({ length: x.size }, (_, i) => x.data[(i % rows) * columns + Math.floor(i / rows)] as number),
    { shape: [columns, rows] },
  );
};

test.for([8, 4] as const)(
  "with weights of %i bits a decoder computes what it does with weights that were rounded",
  async (bits) => {
    const model = decoder(config);
    const params = await evaluate(model.init(key(1)));
    const quantized = quantizeLinears({ config: model.config, params }, { bits, block: 32 });
    const logits = async (m: typeof model, p: DecoderParams) =>
      (await compile(m.apply)(p, tokens)).data as Float32Array;
    const found = await logits(decoder(quantized.config), quantized.params);
    const expected = await logits(model, simulated(params, bits));
    const size = Math.max(...expected.map(Math.abs));
    expect(Math.max(...found.map((v, i) => Math.abs(v - (expected[i] as number)))) / size).toBeLessThan(1e-5);
    expect(quantized.params.embedding).toBe(params.embedding);
    // Token by token its products are rounded too; with 8 bits that hardly ever changes what is likeliest.
    const said = async (m: typeof model, p: DecoderParams) => {
      const list: (number | null)[] = [];
      for await (const [token] of generate(m, p, [[1, 2, 3]], { maxTokens: 6, temperature: 0 }))
        list.push(token ?? null);
      return list;
    };
    const own = await said(decoder(quantized.config), quantized.params);
    expect(own).toHaveLength(6);
    if (bits === 8) expect(own).toEqual(await said(model, simulated(params, bits)));
  },
);

test("weights that sublayers share are rounded once", async () => {
  const shared = decoder({
    ...config,
    blocks: [0, 1].map(() => [
      { mixer: { kind: "attention", heads: 2 }, shared: "a" } as const,
      { ffn: { kind: "dense", hidden: 64 } } as const,
    ]),
  });
  const params = await evaluate(shared.init(key(2)));
  const { params: after } = quantizeLinears({ config: shared.config, params }, { bits: 8 });
  expect(Object.keys(after.shared)).toEqual(["a"]);
  const { query } = after.shared.a as { query: { weight: { int8: Tensor } } };
  expect(query.weight.int8).toBeInstanceOf(Tensor);
  expect(query.weight.int8.shape).toEqual([32, 1, 32]);
});
