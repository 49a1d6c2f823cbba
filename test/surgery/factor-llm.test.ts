import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  evaluate,
  flatten,
  flopCount,
  item,
  key,
  mapTree,
  normal,
  ones,
  silu,
  softmax,
  type Tensor,
  tensor,
  toNested,
  zeros,
} from "../../src/array/index.ts";
import { type DecoderConfig, decoder, loadPretrained, savePretrained } from "../../src/models/index.ts";
import { gatedFfn, moefiedFfn, priorApproximateLoss, priorTargets } from "../../src/nn/index.ts";
import {
  type ConfiguredDecoder,
  contiguousGroups,
  convertModel,
  cutIntoExperts,
  distillFactored,
  factorFfns,
  factorFigures,
  sliceKinds,
} from "../../src/surgery/index.ts";
import { temporaryFolder } from "../temporary.ts";
import { apart, sampleText, sampleTokens } from "./sample.ts";

const folder = temporaryFolder();
const text = await sampleText(4000);
const block = [
  { mixer: { kind: "attention", heads: 2 } },
  { ffn: { kind: "gated", hidden: 24 } },
  { ffn: { kind: "dense", hidden: 12 } },
] as const;
const config: DecoderConfig = { vocabulary: 30, context: 12, width: 8, blocks: [block, block] };
const drawn = async (given: DecoderConfig): Promise<ConfiguredDecoder> => ({
  config: decoder(given).config,
  params: await evaluate(mapTree(decoder(given).init(key(1)), (x, p) => normal(key(p.length), x.shape, { std: 0.5 }))),
});
const model = await drawn(config);

describe("factorFfns", () => {
  for (const slices of sliceKinds)
    it(`changes nothing with all slices, also once saved and loaded: ${slices}`, async () => {
      const cut = await factorFfns(model, { experts: 4, active: 4, slices });
      expect(await apart(model, cut)).toBeLessThan(1e-5);
      const out = join(folder, slices);
      await savePretrained(out, { model: decoder(cut.config), params: cut.params, tokenizer: null });
      const loaded = await loadPretrained(out);
      expect(await apart(model, { config: loaded.model.config, params: loaded.params })).toBeLessThan(1e-5);
    });

  it("computes only the slices that are active", async () => {
    const flops = (c: DecoderConfig) => flopCount(decoder(c).apply, decoder(c).init(key(0)), sampleTokens);
    const counts = [];
    for (const active of [1, 2, 4]) counts.push(flops((await factorFfns(model, { experts: 4, active })).config));
    const [one, two, four] = counts as [number, number, number];
    // For each token and block: three maps of a gated slice and two of a dense one.
    const slice = 2 * 24 * 2 * (3 * 8 * 6 + 2 * 8 * 3);
    expect([two - one, four - two]).toEqual([slice, 2 * slice]);
  });

  it("counts for TinyLlama's layer what the formula gives", () => {
    const [width, hidden] = [2048, 5632];
    const cut = moefiedFfn({
      ...{ width, hidden, experts: 4, active: 2, router: "linear" },
      ...{ activation: silu, gated: true, bias: false, scale: 2 },
    });
    const whole = gatedFfn({ width, hidden });
    const macs = (layer: { init: typeof cut.init; apply: typeof cut.apply }) =>
      flopCount(layer.apply, layer.init(key(0)), zeros([1, width])) / 2;
    expect(macs(whole as never)).toBe(34_603_008);
    expect(macs(cut)).toBe(17_309_696);
  });

  it("says in one sentence what it cannot cut", async () => {
    await expect(factorFfns(model, { experts: 5, active: 2 })).rejects.toThrow(
      "blocks[0].ffn has 24 hidden units, which cannot be cut into 5",
    );
    await expect(factorFfns(model, { experts: 4, active: 5 })).rejects.toThrow("from 1 to the 4 experts, got 5");
    const none = await drawn({ ...config, blocks: [[block[0]]] });
    await expect(factorFfns(none, { experts: 4, active: 2 })).rejects.toThrow("no feed-forward sublayer of kind dense");
  });
});

describe("the prior-approximate loss", async () => {
  const [width, hidden, experts, active, rows] = [5, 12, 4, 2, 7];
  const draw = (seed: number, shape: number[]) => evaluate(normal(key(seed), shape));
  const dense = {
    up: { weight: await draw(1, [width, hidden]) },
    gate: { weight: await draw(2, [width, hidden]) },
    down: { weight: await draw(3, [hidden, width]) },
  };
  const x = await draw(4, [rows, width]);
  const groups = await evaluate(cutIntoExperts(dense, contiguousGroups(hidden, experts)));
  const whole = await evaluate(gatedFfn({ width, hidden }).apply(dense, x));

  /** What slices from `first` to before `end` give for a row, plainly. */
  const sliceOf = (r: number, e: number): number[] => {
    const value = (t: Tensor, i: number, j: number) => Number(t.data[i * (t.shape[1] as number) + j]);
    const y = Array<number>(width).fill(0);
    for (let u = (e * hidden) / experts; u < ((e + 1) * hidden) / experts; u++) {
      let [g, v] = [0, 0];
      for (let i = 0; i < width; i++) {
        g += value(x, r, i) * value(dense.gate.weight, i, u);
        v += value(x, r, i) * value(dense.up.weight, i, u);
      }
      for (let i = 0; i < width; i++) (y[i] as number) += (g / (1 + Math.exp(-g))) * v * value(dense.down.weight, u, i);
    }
    return y;
  };

  it("has the targets that trying every slice gives", async () => {
    const targets = toNested(
      await evaluate(priorTargets(groups, x, whole, { active, scale: experts / active, activation: silu })),
    ) as number[][];
    for (let r = 0; r < rows; r++) {
      const slices = Array.from({ length: experts }, (_, e) => sliceOf(r, e));
      const total = slices.reduce((a, b) => a.map((v, i) => v + (b[i] as number)));
      const errors = slices.map((y) =>
        y.reduce((sum, v, i) => sum + (v - ((total[i] as number) * active) / experts) ** 2, 0),
      );
      const nearest = [...errors.keys()].sort((a, b) => (errors[a] as number) - (errors[b] as number)).slice(0, active);
      expect(targets[r]).toEqual(errors.map((_, e) => (nearest.includes(e) ? 1 : 0)));
    }
  });

  it("compares with 0.36553 at slices to choose and 0.13447 at others, two of four", async () => {
    const [shares] = toNested(await evaluate(softmax(tensor([[1, 1, 0, 0]])))) as [number[]];
    for (const [i, share] of [0.36553, 0.36553, 0.13447, 0.13447].entries()) expect(shares[i]).toBeCloseTo(share, 5);
    const loss = async (scores: number[][], mask: number[][]) =>
      item(await evaluate(priorApproximateLoss(tensor(scores), tensor(mask))));
    // Equal to the target's shares: no loss. Sure of one right slice: log(1/0.36553).
    expect(await loss([[1, 1, 0, 0]], [[1, 1, 0, 0]])).toBeCloseTo(0, 6);
    expect(await loss([[50, 0, 0, 0]], [[1, 1, 0, 0]])).toBeCloseTo(-Math.log(0.36553), 4);
  });

  it("with all slices active asks for a flat router", async () => {
    const targets = await evaluate(priorTargets(groups, x, whole, { active: experts, scale: 1, activation: silu }));
    expect(Array.from(targets.data as Float32Array)).toEqual(Array(rows * experts).fill(1));
    const scores = await draw(5, [rows, experts]);
    const entropy = toNested(await evaluate(softmax(scores))) as number[][];
    const expected =
      entropy.reduce((sum, row) => sum + row.reduce((s, p) => s + p * Math.log(p * experts), 0), 0) / rows;
    expect(item(await evaluate(priorApproximateLoss(scores, ones([rows, experts]))))).toBeCloseTo(expected, 5);
  });
});

describe("distillFactored", () => {
  const changed = (a: ConfiguredDecoder, b: ConfiguredDecoder): string[] => {
    const [one, other] = [flatten(a.params), flatten(b.params)];
    return one.paths.filter((_, i) => one.leaves[i]?.data.some((v, k) => v !== other.leaves[i]?.data[k]));
  };

  it("lowers the prior-approximate loss, and teaches routers alone if asked", async () => {
    const cut = await factorFfns(model, { experts: 4, active: 2 });
    const made = await distillFactored(model, cut, { text, learn: "router", task: 0, steps: 60, rate: 0.03 });
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(made.losses.slice(-10))).toBeLessThan(0.8 * mean(made.losses.slice(0, 5)));
    expect(changed(cut, made).every((path) => path.includes(".router."))).toBe(true);
    expect(changed(cut, made).length).toBe(8);
  });

  it("teaches slices too, and nothing outside the blocks", async () => {
    const cut = await factorFfns(model, { experts: 4, active: 2 });
    const made = await distillFactored(model, cut, { text, learn: "all", steps: 4 });
    const paths = changed(cut, made);
    expect(paths.some((path) => path.endsWith("ffn.layer.up.weight"))).toBe(true);
    expect(paths.every((path) => /^blocks\.\d\.ffn2?\.layer\./.test(path))).toBe(true);
  });

  it("gives routers no gradient by the task alone, unless estimated straight through", async () => {
    for (const straightThrough of [false, true]) {
      const cut = await factorFfns(model, { experts: 4, active: 2, straightThrough });
      const made = await distillFactored(model, cut, { text, learn: "router", prior: 0, steps: 3 });
      // Biases do not decay, so that one moves only if it gets a gradient.
      const biases = changed(cut, made).filter((path) => path.endsWith("router.map.bias"));
      expect(biases.length).toBe(straightThrough ? 4 : 0);
    }
  });
});

describe("factorFigures", () => {
  it("agrees with trying every combination, which is never worse than the nearest slices", async () => {
    const cut = await factorFfns(model, { experts: 4, active: 2 });
    for (const { error, agreement, usage } of await factorFigures(model, cut, text, { tokens: 120 })) {
      expect(error.best as number).toBeLessThanOrEqual(error.nearest + 1e-6);
      expect(error.best as number).toBeLessThanOrEqual(error.router + 1e-6);
      expect(agreement).toBeGreaterThanOrEqual(0);
      expect(agreement).toBeLessThan(1);
      expect(usage.reduce((a, b) => a + b, 0)).toBeCloseTo(2, 5);
    }
    const all = await factorFigures(model, await factorFfns(model, { experts: 4, active: 4 }), text, { tokens: 120 });
    for (const { error, agreement } of all) {
      expect(agreement).toBeCloseTo(1, 6);
      for (const value of Object.values(error)) expect(value as number).toBeCloseTo(0, 5);
    }
  });

  it("rises in agreement as routers learn", async () => {
    const cut = await factorFfns(model, { experts: 4, active: 2 });
    const made = await distillFactored(model, cut, { text, learn: "router", task: 0, steps: 60, rate: 0.03 });
    const mean = (layers: readonly { agreement: number }[]) =>
      layers.reduce((sum, { agreement }) => sum + agreement, 0) / layers.length;
    const [before, after] = [await factorFigures(model, cut, text), await factorFigures(model, made, text)];
    expect(mean(after)).toBeGreaterThan(mean(before) + 0.1);
  });
});

describe("convert --with factor", () => {
  it("cuts, teaches and says what it did", async () => {
    const stages: string[] = [];
    const taught: unknown[] = [];
    const made = await convertModel(
      "factor",
      model,
      { steps: 3 },
      {
        text,
        onProgress: ({ stage, unit, training }) => {
          stages.push(`${unit}: ${stage}`);
          taught.push(training);
        },
      },
    );
    expect(made.options).toMatchObject({ experts: 4, active: 2, slices: "contiguous", learn: "all", steps: 3 });
    expect(made.config.blocks[0]?.[1]).toMatchObject({
      ffn: { kind: "moefied", gated: true, experts: 4, active: 2, scale: 2, activation: "silu", router: "linear" },
    });
    expect((made.figures.losses as number[]).length).toBe(3);
    expect(stages[0]).toBe("steps: teaching");
    expect(taught[0]).toEqual({ step: 1, losses: { "what is taught": (made.figures.losses as number[])[0] } });
  });
});
