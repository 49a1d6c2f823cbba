import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { evaluate, key, mapTree, mul, normal, tensor } from "../../src/array/index.ts";
import {
  type DecoderConfig,
  type DecoderParams,
  decoder,
  type FfnConfig,
  loadPretrained,
  type Sublayer,
  savePretrained,
} from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { blockDependency, windowDependency } from "../../src/probe/index.ts";
import {
  blocksSideBySide,
  type ConfiguredDecoder,
  chooseRuns,
  convertModel,
  dropAttention,
  type FfnRun,
  ffnRuns,
  ffnsSideBySide,
  fuseFfnRun,
  withoutFfns,
} from "../../src/surgery/index.ts";
import { scoreLanguageModel } from "../../src/train/index.ts";
import { distance } from "../nn/reference.ts";
import { temporaryFolder } from "../temporary.ts";
import { apart, logitsOf, sampleText } from "./sample.ts";

const folder = temporaryFolder();
const text = await sampleText(3000);

const attention: Sublayer = { mixer: { kind: "attention", heads: 2 } };
const of = (ffn: FfnConfig, more: Partial<Sublayer> = {}): Sublayer => ({ ffn, ...more }) as Sublayer;
const gated = (hidden: number): FfnConfig => ({ kind: "gated", hidden });
const model = (...blocks: readonly (readonly Sublayer[])[]): DecoderConfig => ({
  vocabulary: 30,
  context: 12,
  width: 16,
  blocks,
});
const drawn = (config: DecoderConfig): Promise<DecoderParams> =>
  evaluate(
    mapTree(decoder(config).init(key(0)), (x, path) =>
      normal(key([...path].reduce((sum, c) => 31 * sum + c.charCodeAt(0), 7) % 997), x.shape, {
        std: x.rank > 1 ? 1 / Math.sqrt(x.shape[0] as number) : 0.5,
        ...(path.endsWith("scale") ? { mean: 1 } : {}),
      }),
    ),
  );
const made = async (config: DecoderConfig): Promise<ConfiguredDecoder> => ({ config, params: await drawn(config) });
const firstRun = ({ config }: ConfiguredDecoder): FfnRun => ffnRuns(config)[0] as FfnRun;

/** Three layers in a row of each kind, of unequal widths. */
const runs: { readonly [name: string]: DecoderConfig } = {
  "SwiGLU, RMS norms": {
    ...model([attention, of(gated(20))], [of(gated(12))], [of(gated(7))], [attention, of(gated(8))]),
    norm: "rms",
  },
  "GELU with biases, layer norms with shifts": model(
    [of({ kind: "dense", hidden: 24 }), of({ kind: "dense", hidden: 9 })],
    [of({ kind: "dense", hidden: 5 })],
    [attention, of({ kind: "dense", hidden: 5 })],
  ),
  "ReLU, some with biases, with factors": model(
    [attention, of({ kind: "dense", hidden: 8, activation: "relu", bias: false }, { scale: 0.5 })],
    [of({ kind: "dense", hidden: 24, activation: "relu" }, { scale: 2 })],
    [of({ kind: "dense", hidden: 6, activation: "relu", bias: false })],
  ),
  "shared weights, gated with biases, beside each other": model(
    [of({ ...gated(10), bias: true } as FfnConfig, { shared: "one" })],
    [of({ ...gated(10), bias: true } as FfnConfig, { shared: "one" }), of(gated(6), { beside: true })],
    [attention],
  ),
};

describe("fuseFfnRun", () => {
  for (const [name, config] of Object.entries(runs))
    it(`is the sum of the layers side by side: ${name}`, async () => {
      const whole = await made(config);
      const run = firstRun(whole);
      expect(run).toHaveLength(3);
      const fused = await fuseFfnRun(whole, run);
      expect(await apart(ffnsSideBySide(whole, run), fused)).toBeLessThan(1e-5);
      expect(await apart(whole, fused)).toBeGreaterThan(1e-3);
      const layer = fused.config.blocks.flat().find((sublayer) => "ffn" in sublayer) as { ffn: { hidden: number } };
      const widths = run.map(({ block, name: own }) => {
        const sublayers = (config.blocks[block] as readonly Sublayer[]).filter((each) => "ffn" in each);
        const { ffn } = sublayers[own === "ffn" ? 0 : 1] as { ffn: { hidden: number } };
        return ffn.hidden;
      });
      expect(layer.ffn.hidden).toBe(widths.reduce((a, b) => a + b));
    });

  it("of one layer is the identity", async () => {
    for (const config of Object.values(runs)) {
      const whole = await made(config);
      for (const place of firstRun(whole))
        expect(await apart(whole, await fuseFfnRun(whole, [place]))).toBeLessThan(1e-5);
    }
  });

  it("keeps all parameters but the norms that are merged, and loads again with its new width", async () => {
    const whole = await made(runs["SwiGLU, RMS norms"] as DecoderConfig);
    const fused = await fuseFfnRun(whole, firstRun(whole));
    expect(parameterCount(whole.params) - parameterCount(fused.params)).toBe(2 * 16);
    expect(fused.config.blocks.map((block) => block.length)).toEqual([2, 2]);
    const path = join(folder, "fused");
    await savePretrained(path, { model: decoder(fused.config), params: fused.params, tokenizer: null });
    const loaded = await loadPretrained(path);
    expect(loaded.model.config.blocks[0]?.[1]).toMatchObject({ ffn: { hidden: 39 } });
    expect(await logitsOf({ config: loaded.model.config, params: loaded.params })).toEqual(await logitsOf(fused));
  });

  it("differs from the layers in a row by the square of their size: slope 2", async () => {
    const config = runs["SwiGLU, RMS norms"] as DecoderConfig;
    const params = mapTree(await drawn(config), (x) =>
      tensor(Float64Array.from(x.data as Float32Array), { shape: x.shape }),
    );
    const run = ffnRuns(config)[0] as FfnRun;
    const errors = [1e-2, 1e-3, 1e-4].map(async (eps) => {
      const small = await evaluate(
        mapTree(params, (x, path) => (/^blocks\.[012]\.ffn\.layer\.down/.test(path) ? mul(x, eps) : x)),
      );
      const whole = { config, params: small };
      return distance(await logitsOf(whole), await logitsOf(await fuseFfnRun(whole, run)));
    });
    const [a, b, c] = (await Promise.all(errors)) as [number, number, number];
    expect(Math.log10(a / b)).toBeCloseTo(2, 1);
    expect(Math.log10(b / c)).toBeCloseTo(2, 1);
  });

  it("refuses runs across attention, of mixed kinds, and models with norms after sublayers", async () => {
    const whole = await made(
      model([attention, of(gated(8))], [attention, of(gated(8))], [of({ kind: "dense", hidden: 8 })]),
    );
    const across = [
      { block: 0, name: "ffn" },
      { block: 1, name: "ffn" },
    ];
    await expect(fuseFfnRun(whole, across)).rejects.toThrow(
      "fuseFfnRun: blocks[0].ffn, blocks[1].ffn cannot be one layer: other sublayers stand between them",
    );
    await expect(fuseFfnRun(whole, [across[1], { block: 2, name: "ffn" }] as FfnRun)).rejects.toThrow("differ in kind");
    const post: DecoderConfig = { ...model([of(gated(8)), of(gated(8))]), placement: "post" };
    await expect(fuseFfnRun(await made(post), ffnRuns(post)[0] as FfnRun)).rejects.toThrow("norms after sublayers");
  });
});

describe("ffnRuns", () => {
  it("ends runs where another sublayer reads or starts beside one of them", () => {
    const ffn = of(gated(4));
    const names = (config: DecoderConfig) =>
      ffnRuns(config).map((run) => run.map(({ block, name }) => `${block}.${name}`));
    expect(names(model([ffn, ffn, { ...attention, beside: true }]))).toEqual([]);
    expect(names(model([ffn, ffn, ffn, { ...attention, beside: true }, ffn]))).toEqual([["0.ffn", "0.ffn2"]]);
    expect(names(model([attention, { ...ffn, beside: true }, ffn], [ffn]))).toEqual([["0.ffn2", "1.ffn"]]);
    expect(names(model([ffn], [ffn], [{ ...ffn, beside: "block" }], [ffn], [ffn]))).toEqual([["3.ffn", "4.ffn"]]);
    expect(names(model([{ ...ffn, shortcut: "linear" }, ffn], [ffn, attention], [ffn]))).toEqual([["0.ffn2", "1.ffn"]]);
  });
});

describe("blocksSideBySide", () => {
  it("moves no weight, leaves one block as it is, and refuses what is not there", async () => {
    const whole = await made(model([attention, of(gated(8))], [attention, of(gated(8))], [attention]));
    const flat = blocksSideBySide(whole, 0, 2);
    expect(flat.params).toBe(whole.params);
    expect(await apart(whole, flat)).toBeGreaterThan(1e-3);
    expect(await apart(whole, blocksSideBySide(whole, 1, 1))).toBe(0);
    expect(() => blocksSideBySide(whole, 2, 2)).toThrow("expected blocks of the 3 of the model, got 2 from 2 on");
  });
});

describe("blockDependency", () => {
  it("is zero for what comes before, for a block that adds nothing, and for blocks side by side", async () => {
    const config = model([attention, of(gated(8))], [of(gated(8))], [attention, of(gated(6))]);
    const params = await drawn(config);
    const silent = mapTree(params, (x, path) =>
      path.startsWith("blocks.0.") && /(output|down)\.\w+$/.test(path) ? mul(x, 0) : x,
    );
    const m = await blockDependency(decoder(config), params, text, { tokens: 120 });
    for (let i = 0; i < 3; i++) for (let j = 0; j <= i; j++) expect(m[i]?.[j]).toBe(0);
    for (const [i, j] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      expect(m[i]?.[j]).toBeGreaterThan(1e-3);
    const quiet = await blockDependency(decoder(config), await evaluate(silent), text, { tokens: 120 });
    for (const value of quiet[0] as number[]) expect(value).toBeLessThan(1e-6);
    const flat = blocksSideBySide({ config, params }, 0, 2);
    const apartFromEach = await blockDependency(decoder(flat.config), params, text, { tokens: 120 });
    expect(apartFromEach[0]?.[1]).toBeLessThan(1e-6);
    expect(apartFromEach[0]?.[2]).toBeGreaterThan(1e-3);
  });

  it("is summed over windows", () => {
    const m = [
      [0, 1, 2],
      [0, 0, 4],
      [0, 0, 0],
    ];
    expect(windowDependency(m, 0, 3)).toEqual({ max: 4, sum: 7 });
    expect(windowDependency(m, 1, 2)).toEqual({ max: 4, sum: 4 });
    expect(windowDependency(m, 2, 1)).toEqual({ max: 0, sum: 0 });
    expect(() => windowDependency(m, 2, 2)).toThrow("expected blocks of the 3");
  });
});

describe("dropAttention", () => {
  it("drops the attention that is missed least, one after the other", async () => {
    const ffn = of({ kind: "dense", hidden: 8 });
    const whole = await made(
      model([attention, { ...ffn, beside: true }], [ffn, attention, { ...ffn, beside: true }], [attention]),
    );
    const score = async ({ config, params }: ConfiguredDecoder) =>
      (await scoreLanguageModel(decoder(config), params, text, { context: 12, windows: 8 })).loss;
    const one = await dropAttention(whole, { count: 1, text, windows: 8 });
    expect(one.loss).toBeCloseTo(await score(whole), 6);
    expect(one.dropped[0]?.loss).toBeCloseTo(await score(one), 5);
    const two = await dropAttention(whole, { count: 2, text, windows: 8 });
    expect(two.dropped[0]).toEqual(one.dropped[0]);
    expect(two.dropped[1]?.loss).toBeCloseTo(await score(two), 5);
    const all = await dropAttention(whole, { count: 3, text, windows: 8 });
    expect(all.config.blocks.map((block) => block.length)).toEqual([1, 2]);
    expect(all.dropped[2]?.loss).toBeCloseTo(await score(all), 5);
    // Of the three, none is missed less than the one that went first.
    const alone = [];
    for (const b of [0, 1, 2]) {
      const silent = mapTree(whole.params, (x, path) =>
        path.startsWith(`blocks.${b}.mixer.layer.output.`) ? mul(x, 0) : x,
      );
      alone.push(await score({ ...whole, params: await evaluate(silent) }));
    }
    expect(one.dropped[0]?.block).toBe(alone.indexOf(Math.min(...alone)));
    expect(one.dropped[0]?.loss).toBeCloseTo(Math.min(...alone), 6);
    const late = await dropAttention(whole, { count: 1, within: [2, 2], text, windows: 8 });
    expect(late.dropped[0]).toMatchObject({ block: 2, name: "mixer" });
    await expect(dropAttention(whole, { count: 4, text })).rejects.toThrow("up to the 3 attention sublayers");
  });
});

describe("convert --with fuse", () => {
  const ffn = of(gated(8));
  const block = [attention, ffn];

  it("drops, chooses, fuses, checks and heals", async () => {
    const whole = await made(model(block, block, block, block, block));
    const seen = new Set<string>();
    const { config, params, figures } = await convertModel(
      "fuse",
      whole,
      { attentions: 4, longest: 2, most: 2, windows: 4, steps: 3, batch: 2, sideBySide: 2 },
      { text, onProgress: ({ unit = "" }) => seen.add(unit) },
    );
    expect([...seen].sort()).toEqual(["blocks", "scores", "steps"]);
    expect(figures).toMatchObject({ dropped: [{}, {}, {}, {}], sideBySide: { count: 2 } });
    const {
      losses,
      difference,
      runs: fused,
    } = figures as never as {
      losses: { whole: number; dropped: number; fused: number; healed: number };
      difference: number;
      runs: { places: string[] }[];
    };
    expect(difference).toBeLessThan(1e-5);
    expect(fused.length).toBeGreaterThan(0);
    for (const { places } of fused) expect(places).toHaveLength(2);
    expect(fused.flatMap(({ places }) => places)).not.toContain("blocks[4].ffn");
    expect(Number.isFinite(losses.healed)).toBe(true);
    expect(losses.healed).not.toBe(losses.fused);
    expect((await logitsOf({ config, params })).every(Number.isFinite)).toBe(true);
  });

  it("says what is missing", async () => {
    const whole = await made(model(block, block));
    await expect(convertModel("fuse", whole, { attentions: 0, windows: 2 }, { text })).rejects.toThrow(
      "fuseModel: no feed-forward layers follow each other",
    );
    await expect(convertModel("fuse", whole, { attentions: -1 }, { text })).rejects.toThrow("convert --with fuse");
    await expect(
      convertModel("fuse", whole, { attentions: 1 }, { text, signal: AbortSignal.abort(new Error("stopped")) }),
    ).rejects.toThrow("stopped");
  });

  it("takes long runs first, then those that depend least, and leaves the last layer", async () => {
    const whole = await made(model([ffn], [ffn], [ffn], [ffn], [ffn], [ffn]));
    const m = Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (_, j) => (j > i ? (i === 0 ? 9 : 1) : 0)));
    const text = (list: readonly FfnRun[]) => list.map((run) => run.map(({ block: b }) => b).join(""));
    expect(text(chooseRuns(whole, m))).toEqual(["01234"]);
    expect(text(chooseRuns(whole, m, { longest: 3 }))).toEqual(["123"]);
    expect(text(chooseRuns(whole, m, { longest: 2 }))).toEqual(["12", "34"]);
    expect(text(chooseRuns(whole, m, { longest: 3, last: true }))).toEqual(["123", "45"]);
    expect(text(chooseRuns(whole, m, { most: 1 }))).toEqual(["1234"]);
    expect(text(chooseRuns(whole, m, { most: 0.5 }))).toEqual([]);
    expect(() => chooseRuns(whole, m, { shortest: 1 })).toThrow("2 ≤ shortest");
  });

  it("is better than leaving the layers out, where they are small steps", async () => {
    const config = runs["SwiGLU, RMS norms"] as DecoderConfig;
    const small = mapTree(await drawn(config), (x, path) =>
      /^blocks\.[012]\.ffn\.layer\.down/.test(path) ? mul(x, 0.1) : x,
    );
    const whole = { config, params: await evaluate(small) };
    const run = firstRun(whole);
    expect(await apart(whole, await fuseFfnRun(whole, run))).toBeLessThan(
      (await apart(whole, withoutFfns(whole, run))) / 3,
    );
  });
});
