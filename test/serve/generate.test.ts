import { describe, expect, it } from "vitest";
import { compile, evaluate, key, mul, normal, softmax, type Tensor, tensor, toNested } from "../../src/array/index.ts";
import { type DecoderConfig, decoder } from "../../src/models/index.ts";
import { generate, sample } from "../../src/serve/index.ts";

const config: DecoderConfig = {
  vocabulary: 13,
  context: 12,
  width: 16,
  blocks: [[{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 32 } }]],
};
const model = decoder(config);
// Larger weights than those of a new model, so that its choices are not near ties.
const params = await evaluate(model.init(key(7)));
const run = compile((x: Tensor) => model.apply(params, x));

const collect = async (...args: Parameters<typeof generate>): Promise<(number | null)[][]> => {
  const steps: (number | null)[][] = [];
  for await (const step of generate(...args)) steps.push([...step]);
  return steps;
};

/** Greedy choice by the whole sequence each time. */
async function greedy(prompt: readonly number[], count: number): Promise<number[]> {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) {
    const logits = (
      toNested(await run(tensor(Int32Array.from(tokens), { shape: [1, tokens.length] }))) as number[][][]
    )[0];
    const last = logits?.at(-1) as number[];
    tokens.push(last.indexOf(Math.max(...last)));
  }
  return tokens.slice(prompt.length);
}

describe("generate", () => {
  it("gives greedily what the whole sequence gives at each step, for rows of different lengths", async () => {
    const prompts = [[1, 2, 3, 4, 5], [6], [7, 8, 9]];
    const steps = await collect(model, params, prompts, { maxTokens: 6, temperature: 0 });
    for (const [row, prompt] of prompts.entries())
      expect(steps.map((step) => step[row])).toEqual(await greedy(prompt, 6));
  });

  it("goes on in caches that grow, for any kind of mixer", async () => {
    for (const mixer of [
      { kind: "attention", heads: 2 },
      { kind: "maskedFourier" },
      { kind: "movingAverage", window: 5 },
    ] as const) {
      const long = decoder({ ...config, context: 300, blocks: [[{ mixer }, { ffn: { kind: "dense", hidden: 32 } }]] });
      const weights = await evaluate(long.init(key(8)));
      const prompts = [[1, 2, 3], [4]];
      const steps = await collect(long, weights, prompts, { maxTokens: 200, temperature: 0 });
      expect(steps.length).toBe(200);
      for (const [row, prompt] of prompts.entries()) {
        const tokens = [...prompt, ...steps.map((step) => step[row] as number)];
        const all = await compile((x: Tensor) => long.apply(weights, x))(
          tensor(Int32Array.from(tokens), { shape: [1, tokens.length] }),
        );
        const [logits] = toNested(all) as [number[][]];
        for (let t = prompt.length; t < tokens.length; t++) {
          const before = logits[t - 1] as number[];
          expect(before[tokens[t] as number]).toBeGreaterThan(Math.max(...before) - 1e-4);
        }
      }
    }
  });

  it("gives the same for a seed, another for another, and does not depend on later rows", async () => {
    const alone = await collect(model, params, [[1, 2]], { maxTokens: 8, seed: 3 });
    const beside = await collect(model, params, [[1, 2], [5]], { maxTokens: 8, seed: 3 });
    expect(beside.map(([first]) => first)).toEqual(alone.map(([first]) => first));
    expect(await collect(model, params, [[1, 2]], { maxTokens: 8, seed: 4 })).not.toEqual(alone);
  });

  it("ends a row at a stop token and goes on with the others", async () => {
    const prompts = [[1, 2, 3, 4, 5], [6]];
    const [a, b] = [await greedy(prompts[0] as number[], 6), await greedy(prompts[1] as number[], 6)];
    const stop = a[2] as number;
    const steps = await collect(model, params, prompts, { maxTokens: 6, temperature: 0, stopTokens: [stop] });
    const until = (tokens: number[]) => (tokens.includes(stop) ? tokens.indexOf(stop) : tokens.length);
    expect(steps.map((step) => step[0]).filter((token) => token !== null)).toEqual(a.slice(0, until(a)));
    expect(steps.map((step) => step[1]).filter((token) => token !== null)).toEqual(b.slice(0, until(b)));
  });

  it("ends at the end of the context", async () => {
    expect(await collect(model, params, [[1, 2, 3, 4]], { maxTokens: 100, temperature: 0 })).toHaveLength(8);
  });

  it("ends when it is told to", async () => {
    const abort = new AbortController();
    let steps = 0;
    for await (const _ of generate(model, params, [[1]], { maxTokens: 10, signal: abort.signal })) {
      if (++steps === 3) abort.abort();
    }
    expect(steps).toBe(3);
  });

  const refuses = (prompts: number[][], options: object, message: string) =>
    expect(collect(model, params, prompts, { maxTokens: 2, ...options })).rejects.toThrow(message);
  it("says in one sentence what is wrong", async () => {
    await refuses([[]], {}, "a prompt needs 1 to 11 tokens");
    await refuses([Array(12).fill(1)], {}, "got 12");
    await refuses([[13]], {}, "whole numbers from 0 to 12, got 13");
    await refuses([[1]], { maxTokens: 0 }, "maxTokens must be");
    await refuses([[1]], { temperature: -1 }, "temperature must be");
    await refuses([[1]], { topK: 0 }, "topK must be");
    await refuses([[1]], { topP: 0 }, "topP must be");
    await refuses([], {}, "at least one prompt");
  });
});

describe("sample", () => {
  const rows = 4000;
  const logits = [2, 1, 0, -1, 0.5];
  const many = tensor(
    Float32Array.from({ length: rows * 5 }, (_, i) => logits[i % 5] as number),
    { shape: [rows, 5] },
  );
  const shares = async (options: object): Promise<number[]> => {
    const chosen = await evaluate(sample(many, key(1), options));
    const counts = [0, 0, 0, 0, 0];
    for (const token of chosen.data as Int32Array) (counts[token] as number) += 1 / rows;
    return counts;
  };
  const probabilities = async (temperature: number): Promise<number[]> =>
    toNested(await evaluate(softmax(mul(tensor(logits), 1 / temperature)))) as number[];
  const near = (a: number[], b: number[]): void => {
    for (const [i, value] of a.entries()) expect(Math.abs(value - (b[i] as number))).toBeLessThan(0.03);
  };

  it("draws with the probabilities of the logits at a temperature", async () => {
    near(await shares({}), await probabilities(1));
    near(await shares({ temperature: 0.5 }), await probabilities(0.5));
  });

  it("keeps to the likeliest k", async () => {
    const [a = 0, b = 0] = await probabilities(1);
    near(await shares({ topK: 2 }), [a / (a + b), b / (a + b), 0, 0, 0]);
    expect((await shares({ topK: 2 })).slice(2)).toEqual([0, 0, 0]);
  });

  it("keeps to the likeliest that have a share together, always one at least", async () => {
    const [a = 0, b = 0, , , e = 0] = await probabilities(1);
    // The first has 0.57, the first two 0.78, so 0.7 needs two and 0.8 three.
    expect(a + b).toBeGreaterThan(0.7);
    expect(a + b).toBeLessThan(0.8);
    near(await shares({ topP: 0.7 }), [a / (a + b), b / (a + b), 0, 0, 0]);
    near(await shares({ topP: 0.8 }), [a / (a + b + e), b / (a + b + e), 0, 0, e / (a + b + e)]);
    expect(await shares({ topP: 1e-6 })).toEqual([expect.closeTo(1, 6), 0, 0, 0, 0]);
  });

  it("takes the likeliest at temperature 0", async () => {
    expect((await shares({ temperature: 0 }))[0]).toBeCloseTo(1, 6);
    const noise = await evaluate(normal(key(2), [6, 9]));
    const chosen = await evaluate(sample(noise, key(3), { temperature: 0 }));
    (toNested(noise) as number[][]).forEach((row, i) => {
      expect(chosen.data[i]).toBe(row.indexOf(Math.max(...row)));
    });
  });
});
