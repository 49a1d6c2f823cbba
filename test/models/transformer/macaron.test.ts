/** Identities of the Macaron block, which is written with the sublayers that there are: half steps around attention. */
import { expect, it } from "vitest";
import { evaluate, key, mapTree, mul, type Tree, tensor, zerosLike } from "../../../src/array/index.ts";
import { type DecoderConfig, type DecoderParams, decoder, type Sublayer } from "../../../src/models/index.ts";
import { parameterCount } from "../../../src/nn/index.ts";
import { distance } from "../../nn/reference.ts";

const [width, hidden] = [16, 48];
const attention: Sublayer = { mixer: { kind: "attention", heads: 2 } };
const dense = (units: number): Sublayer => ({ ffn: { kind: "dense", hidden: units, activation: "relu" } });
const half = { ...dense(hidden / 2), scale: 0.5 };
const model = (...block: readonly Sublayer[]): DecoderConfig => ({
  vocabulary: 11,
  context: 8,
  width,
  blocks: [block, block],
});
const macaron = model(half, attention, half);
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), { shape: [2, 4] });

it("has 3 times the width more parameters a block than a plain block with twice the hidden units", () => {
  const count = (config: DecoderConfig) => parameterCount(decoder(config).init(key(0)));
  expect(count(macaron) - count(model(attention, dense(hidden)))).toBe(2 * 3 * width);
});

it("is a plain block of half the hidden units if the first half step adds nothing and the second is doubled", async () => {
  const down = (params: Tree, change: (weight: never) => Tree): Tree =>
    mapTree(params, (x, path) => (path.includes("down.") ? (change(x as never) as typeof x) : x));
  const params = await evaluate(decoder(macaron).init(key(2)));
  type Block = { ffn: Tree; mixer: Tree; ffn2: Tree };
  const blocks = params.blocks as readonly Block[];
  const silenced = {
    ...params,
    blocks: blocks.map(({ ffn, mixer, ffn2 }) => ({
      ffn: down(ffn, zerosLike),
      mixer,
      ffn2: down(ffn2, (x) => mul(x, 2)),
    })),
  } as DecoderParams;
  const plain = {
    ...params,
    blocks: blocks.map(({ mixer, ffn2 }) => ({ mixer, ffn: ffn2 })),
  } as DecoderParams;
  const [a, b] = await evaluate([
    decoder(macaron).apply(silenced, tokens),
    decoder(model(attention, dense(hidden / 2))).apply(plain, tokens),
  ] as const);
  expect(distance(a.data, b.data)).toBeLessThan(1e-6);
});
