/** Decoders whose blocks mix by Fourier transforms instead of attention. */
import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  randomInteger,
  slice,
  type Tensor,
  tensor,
  toNested,
} from "../../../src/array/index.ts";
import { type DecoderConfig, decoder, type MixerConfig } from "../../../src/models/index.ts";
import { parameterCount, writeCache } from "../../../src/nn/index.ts";

const [width, context] = [8, 12];
const modelOf = (odd: MixerConfig) => {
  const blocks: DecoderConfig["blocks"] = [
    [{ mixer: { kind: "attention", heads: 2, bias: false } }, { ffn: { kind: "dense", hidden: 16 } }],
    [{ mixer: odd }, { ffn: { kind: "dense", hidden: 16 } }],
  ];
  return decoder({ vocabulary: 20, context, width, blocks });
};
const cut = (x: Tensor, from: number, to: number): Tensor => slice(x, { starts: [from], stops: [to], axes: [1] });

const causal: readonly MixerConfig[] = [
  { kind: "maskedFourier" },
  { kind: "windowFourier", window: 4 },
  { kind: "movingAverage", window: 3 },
];
describe.each(causal)("a decoder with $kind", (mixer) => {
  it("has fewer parameters by the four matrices of an attention layer", () => {
    const attention = modelOf({ kind: "attention", heads: 2, bias: false });
    expect(parameterCount(attention.init(key(0))) - parameterCount(modelOf(mixer).init(key(0)))).toBe(4 * width ** 2);
  });

  it("goes on after prompts of different lengths as if it saw each row whole", async () => {
    const model = modelOf(mixer);
    const params = await evaluate(model.init(key(1)));
    const tokens = await evaluate(randomInteger(key(2), [2, 10], { min: 0, max: 20 }));
    const whole = toNested(await evaluate(model.hidden(params, tokens))) as number[][][];
    // Both rows are read up to position 6, but the first has a prompt of 3 only: what was read after it is overwritten.
    const run = compile((p: typeof params, x: Tensor, cache: ReturnType<typeof model.cache>, seen: Tensor) => {
      const [y, fresh] = model.extend(p, x, cache, seen);
      return [y, writeCache(cache, fresh, seen)] as const;
    });
    const empty = await evaluate(model.cache({ batch: 2, length: context }));
    const [, prompts] = await run(params, await evaluate(cut(tokens, 0, 6)), empty, tensor(Int32Array.of(0, 0)));
    const ids = toNested(tokens) as number[][];
    let cache = prompts;
    for (let step = 0; step < 4; step++) {
      const next = Int32Array.of(ids[0]?.[3 + step] as number, ids[1]?.[6 + step] as number);
      const seen = tensor(Int32Array.of(3 + step, 6 + step));
      const [x, after] = await run(params, tensor(next, { shape: [2, 1] }), cache, seen);
      const y = toNested(x) as number[][][];
      expect([y.length, y[0]?.[0]?.length]).toEqual([2, width]);
      for (const [row, at] of [3 + step, 6 + step].entries())
        y[row]?.[0]?.forEach((value, c) => {
          expect(value).toBeCloseTo(whole[row]?.[at]?.[c] as number, 4);
        });
      cache = after;
    }
  });
});

describe("a decoder with fourier", () => {
  it("is refused, as the transform sees later positions", () => {
    expect(() => modelOf({ kind: "fourier" })).toThrow("sees later positions");
  });
});
