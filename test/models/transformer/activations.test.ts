import { describe, expect, it } from "vitest";
import { add, compile, evaluate, key, mul, type Tensor, tensor, where, zerosLike } from "../../../src/array/index.ts";
import {
  activationsOf,
  type DecoderConfig,
  type DecoderParams,
  decoder,
  intervene,
  observe,
} from "../../../src/models/index.ts";
import { ffns } from "../../../src/models/transformer/ffns.ts";
import { generate } from "../../../src/serve/index.ts";

const attention = { mixer: { kind: "attention", heads: 2 } } as const;
const config: DecoderConfig = {
  vocabulary: 11,
  context: 8,
  width: 8,
  blocks: [
    [attention, { ffn: { kind: "dense", hidden: 12, activation: "relu" } }],
    [{ ffn: { kind: "gated", hidden: 6 } }, attention, { ffn: { kind: "dense", hidden: 4 } }],
  ],
};
const model = decoder(config);
const params = await evaluate(model.init(key(0)));
const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), { shape: [2, 5] });
function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i] as number, 5);
}
const dataOf = (x: Tensor): number[] => Array.from(x.data as Float32Array);
const see = async (each: typeof model, names: readonly string[], weights: DecoderParams = params) =>
  compile((p: DecoderParams, x: Tensor) => names.map((name) => observe(each, p, x, names)[name] as Tensor))(
    weights,
    tokens,
  );

describe("activationsOf", () => {
  it("names what a model computes, in order, with shapes", () => {
    expect([...activationsOf(model)].map(([name, shape]) => `${name} ${shape.join("x")}`)).toEqual([
      "embedding 8",
      "blocks.0.mixer.input 8",
      "blocks.0.mixer.output 8",
      "blocks.0.ffn.input 8",
      "blocks.0.ffn.preactivation 12",
      "blocks.0.ffn.hidden 12",
      "blocks.0.ffn.output 8",
      "blocks.0.stream 8",
      "blocks.1.ffn.input 8",
      "blocks.1.ffn.preactivation 6",
      "blocks.1.ffn.hidden 6",
      "blocks.1.ffn.output 8",
      "blocks.1.mixer.input 8",
      "blocks.1.mixer.output 8",
      "blocks.1.ffn2.input 8",
      "blocks.1.ffn2.preactivation 4",
      "blocks.1.ffn2.hidden 4",
      "blocks.1.ffn2.output 8",
      "blocks.1.stream 8",
      "final 8",
      "logits 11",
    ]);
  });

  it("finds the hidden units of every kind of layer that has them", () => {
    const options: { readonly [kind: string]: object } = {
      threeLayer: { hidden: 6 },
      deep: { hidden: 6, layers: 4 },
      memory: { slots: 6 },
      lowRank: { hidden: 6, rank: 2 },
      blockShuffle: { hidden: 8, blocks: 2 },
      blockDense: { hidden: 8, blocks: 2, rank: 2 },
      hourglass: { hidden: 6, depth: 2 },
    };
    for (const [kind, rest] of Object.entries(options)) {
      expect(Object.keys(ffns)).toContain(kind);
      const one = decoder({ ...config, blocks: [[{ ffn: { kind, ...rest } as never }]] });
      const names = [...activationsOf(one).keys()].filter((name) => name.endsWith("hidden"));
      const first = kind === "hourglass" ? "blocks.0.ffn.0.hidden" : "blocks.0.ffn.hidden";
      expect(names, kind).toContain(first);
      expect(names.length).toBe({ threeLayer: 2, deep: 3, hourglass: 2 }[kind] ?? 1);
    }
  });
});

describe("observe", () => {
  it("gives what the parts of the model compute", async () => {
    const [input, before, hidden, output, stream, mixed, embedded] = await see(model, [
      "blocks.0.ffn.input",
      "blocks.0.ffn.preactivation",
      "blocks.0.ffn.hidden",
      "blocks.0.ffn.output",
      "blocks.0.stream",
      "blocks.0.mixer.output",
      "embedding",
    ]);
    const layer = params.blocks[0]?.ffn?.layer as { up: Record<string, Tensor>; down: Record<string, Tensor> };
    const [x, pre, h, y] = [input, before, hidden, output].map((t) => dataOf(t as Tensor)) as [
      number[],
      number[],
      number[],
      number[],
    ];
    const product = (rows: number[], map: Record<string, Tensor>, inner: number, outer: number): number[] =>
      Array.from({ length: (rows.length / inner) * outer }, (_, i) => {
        const [row, column] = [Math.floor(i / outer), i % outer];
        let sum = Number(map.bias?.data[column]);
        for (let k = 0; k < inner; k++)
          sum += (rows[row * inner + k] as number) * Number(map.weight?.data[k * outer + column]);
        return sum;
      });
    expectClose(pre, product(x, layer.up, 8, 12));
    expect(h).toEqual(pre.map((value) => Math.max(0, value)));
    expectClose(y, product(h, layer.down, 12, 8));
    const [s, m, e] = [stream, mixed, embedded].map((t) => dataOf(t as Tensor)) as [number[], number[], number[]];
    expectClose(
      s,
      e.map((value, i) => value + (m[i] as number) + (y[i] as number)),
    );
  });

  it("computes only what the named activations depend on", () => {
    const run = compile((p: DecoderParams, x: Tensor) => observe(model, p, x, ["blocks.0.mixer.output"]));
    expect(run.print(params, tokens)).not.toContain("erf");
    expect(run.print(params, tokens).split("\n").length).toBeLessThan(
      compile(model.apply).print(params, tokens).split("\n").length / 2,
    );
  });

  it("lists the names there are if one is unknown", () => {
    expect(() => observe(model, params, tokens, ["blocks.2.stream"])).toThrow(
      'observe: the model has no activation "blocks.2.stream"; it has embedding, blocks.0.mixer.input,',
    );
  });
});

describe("intervene", () => {
  const logitsOf = async (each: typeof model) => dataOf(await compile(each.apply)(params, tokens));

  it("changes what depends on the activation, and nothing before it", async () => {
    const off = intervene(model, { "blocks.1.ffn.hidden": zerosLike });
    const names = ["blocks.0.stream", "blocks.1.ffn.output", "blocks.1.stream"];
    const [before, after] = [await see(model, names), await see(off, names)];
    expect(dataOf(after[0] as Tensor)).toEqual(dataOf(before[0] as Tensor));
    // No bias in the gated layer, so units that are off add nothing.
    expect(dataOf(after[1] as Tensor).every((value) => value === 0)).toBe(true);
    expect(dataOf(after[2] as Tensor)).not.toEqual(dataOf(before[2] as Tensor));
  });

  it("leaves the model as it was, and a replacement by the same value changes no bit", async () => {
    const before = await logitsOf(model);
    const changed = intervene(model, { "blocks.0.ffn.preactivation": (x) => add(x, 1), logits: (x) => mul(x, 2) });
    expect(await logitsOf(changed)).not.toEqual(before);
    expect(await logitsOf(model)).toEqual(before);
    const same = intervene(model, { "blocks.0.ffn.hidden": (x) => x, "blocks.1.stream": (x) => where(true, x, 0) });
    expect(await logitsOf(same)).toEqual(before);
  });

  it("adds up, the inner one first", async () => {
    const inner = intervene(model, { "blocks.0.stream": (x) => add(x, 1) });
    const both = intervene(inner, { "blocks.0.stream": (x) => mul(x, 3) });
    const [plain] = await see(model, ["blocks.0.stream"]);
    const [changed] = await see(both, ["blocks.0.stream"]);
    const expected = dataOf(plain as Tensor).map((value) => 3 * (value + 1));
    expectClose(dataOf(changed as Tensor), expected);
  });

  it("acts in generation as it acts on the whole sequence", async () => {
    const steered = intervene(model, {
      "blocks.1.ffn2.output": (x) => add(x, 5),
      "blocks.0.ffn.hidden": (x) => mul(x, -4),
    });
    const prompt = Int32Array.of(1, 2, 3);
    const made: (number | null)[] = [];
    for await (const [token] of generate(steered, params, [prompt], { maxTokens: 4, temperature: 0 }))
      made.push(token as number);
    let sequence = Array.from(prompt);
    for (let i = 0; i < 4; i++) {
      const logits = dataOf(
        await compile(steered.apply)(params, tensor(Int32Array.from(sequence), { shape: [1, sequence.length] })),
      );
      const last = logits.slice(-11);
      sequence = [...sequence, last.indexOf(Math.max(...last))];
    }
    expect(made).toEqual(sequence.slice(3));
  });

  it("refuses unknown names and other shapes", () => {
    expect(() => intervene(model, { "blocks.0.ffn.units": (x) => x })).toThrow(
      'intervene: the model has no activation "blocks.0.ffn.units"; it has embedding,',
    );
    const narrow = intervene(model, { final: (x) => mul(x, tensor(new Float32Array(3), { shape: [3, 1, 1, 1] })) });
    expect(() => narrow.apply(params, tokens)).toThrow("the replacement of final must stay float32 [2, 5, 8], got");
  });
});
