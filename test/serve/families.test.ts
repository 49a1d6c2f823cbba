import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  logSoftmax,
  mapTree,
  mul,
  type Tensor,
  tensor,
  toNested,
} from "../../src/array/index.ts";
import { type DecoderConfig, decoder } from "../../src/models/index.ts";
import { Batcher, type BatchToken, generate } from "../../src/serve/index.ts";

const base = { vocabulary: 61, context: 150, width: 16 } as const;
const gated = { ffn: { kind: "gated", hidden: 24 } } as const;
/** The shapes of the families that checkpoints come in, and what else a decoder may be made of. */
const families: { readonly [name: string]: DecoderConfig } = {
  "GPT-2": {
    ...base,
    positions: "learned",
    blocks: Array(2).fill([{ mixer: { kind: "attention", heads: 4 } }, { ffn: { kind: "dense", hidden: 32 } }]),
  },
  OPT: {
    ...base,
    positions: "learned",
    blocks: Array(2).fill([
      { mixer: { kind: "attention", heads: 2 } },
      { ffn: { kind: "dense", hidden: 32, activation: "relu" } },
    ]),
  },
  "Llama, grouped queries": {
    ...base,
    norm: "rms",
    tied: false,
    rotary: { base: 5000 },
    blocks: Array(2).fill([{ mixer: { kind: "attention", heads: 4, kvHeads: 2, bias: false } }, gated]),
  },
  "Qwen 3, normalized heads": {
    ...base,
    norm: "rms",
    blocks: Array(2).fill([
      { mixer: { kind: "attention", heads: 2, kvHeads: 1, headWidth: 12, bias: false, normalized: true } },
      gated,
    ]),
  },
  "GPT-NeoX, sublayers beside each other": {
    ...base,
    rotary: { width: 2 },
    blocks: Array(2).fill([
      { mixer: { kind: "attention", heads: 4 } },
      { ffn: { kind: "dense", hidden: 32 }, beside: true },
    ]),
  },
  "norms after, ReLU attention": {
    ...base,
    placement: "post",
    blocks: Array(2).fill([{ mixer: { kind: "attention", heads: 2, weights: "relu" } }, gated]),
  },
  "Fourier mixers": {
    ...base,
    blocks: [
      [{ mixer: { kind: "maskedFourier" } }, gated],
      [{ mixer: { kind: "windowFourier", window: 4 } }, { mixer: { kind: "attention", heads: 2 } }, gated],
    ],
  },
  "experts chosen by a router": {
    ...base,
    blocks: Array(2).fill([
      { mixer: { kind: "attention", heads: 2 } },
      { ffn: { kind: "moefied", hidden: 32, experts: 4, active: 2, router: "similarity" } },
    ]),
  },
};

const prompt = (length: number, from: number) => Array.from({ length }, (_, i) => (7 * i * i + from) % 61);
// The last one crosses the length at which caches grow.
const prompts = [prompt(3, 1), prompt(40, 2), prompt(1, 3), prompt(126, 4)];
const NEW = 6;

describe.each(Object.entries(families))("%s", (_, config) => {
  it("says with caches what it says of whole sequences, rows of all lengths side by side", async () => {
    const model = decoder(config);
    const params = await evaluate(mapTree(model.init(key(1)), (x) => (x.rank > 1 ? mul(x, 2) : x)));
    const batcher = new Batcher(model, params, { rows: 3 });
    const collect = async (tokens: number[]): Promise<BatchToken[]> => {
      const all: BatchToken[] = [];
      for await (const token of batcher.generate({ prompt: tokens, maxTokens: NEW, temperature: 0, logprobs: 2 }))
        all.push(token);
      return all;
    };
    const said = await Promise.all(prompts.map(collect));
    const whole = compile((p: typeof params, x: Tensor) => logSoftmax(model.apply(p, x)));
    for (const [row, given] of said.entries()) {
      const start = prompts[row] as number[];
      const tokens = [...start, ...given.map(({ token }) => token)];
      const input = tensor(Int32Array.from(tokens), { shape: [1, tokens.length] });
      const logprobs = (toNested(await whole(params, input)) as number[][][])[0] as number[][];
      expect(given).toHaveLength(NEW);
      given.forEach(({ token, logprob, top }, i) => {
        const expected = logprobs[start.length - 1 + i] as number[];
        expect(Math.abs((logprob as number) - (expected[token] as number))).toBeLessThan(1e-4);
        expect(Math.max(...expected) - (expected[token] as number)).toBeLessThan(1e-4);
        expect(top?.[0]?.logprob).toBe(logprob);
        expect(top).toHaveLength(2);
      });
    }
    // The generator that serves one user, over the same rows.
    const rows = prompts.map((): number[] => []);
    for await (const step of generate(model, params, prompts, { maxTokens: NEW, temperature: 0 }))
      for (const [row, token] of step.entries()) if (token !== null) rows[row]?.push(token);
    expect(rows).toEqual(said.map((row) => row.map(({ token }) => token)));
  });
});

it("reads long prompts in pieces, and gives what whole sequences give", async () => {
  const model = decoder({ ...families["Llama, grouped queries"], context: 1300 } as DecoderConfig);
  const params = await evaluate(mapTree(model.init(key(1)), (x) => (x.rank > 1 ? mul(x, 2) : x)));
  const long = [prompt(1290, 5), prompt(700, 6), prompt(9, 7)];
  const whole = compile((p: typeof params, x: Tensor) => model.apply(p, x));
  const likeliest = async (tokens: number[]): Promise<number> => {
    const y = await whole(params, tensor(Int32Array.from(tokens), { shape: [1, tokens.length] }));
    const last = (y.data as Float32Array).subarray(-61);
    return last.indexOf(Math.max(...last));
  };
  const expected = await Promise.all(long.map(likeliest));
  const steps: (readonly (number | null)[])[] = [];
  for await (const step of generate(model, params, long, { maxTokens: 1, temperature: 0 })) steps.push(step);
  expect(steps).toEqual([expected]);
  const batcher = new Batcher(model, params, { rows: 4 });
  const said = await Promise.all(
    long.map(async (tokens) => {
      for await (const { token } of batcher.generate({ prompt: tokens, maxTokens: 1, temperature: 0 })) return token;
      return null;
    }),
  );
  expect(said).toEqual(expected);
});
