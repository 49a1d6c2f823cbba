import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cast, compile, evaluate, key, mapTree, matmul, normal, reshape, tensor } from "../../src/array/index.ts";
import {
  type DecoderConfig,
  type DecoderParams,
  decoder,
  loadPretrained,
  type Sublayer,
  savePretrained,
} from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { generate } from "../../src/serve/index.ts";
import {
  type Basis,
  convertModel,
  foldNorms,
  randomBasis,
  rotateStream,
  rotations,
  slicedPerplexity,
  sliceStream,
} from "../../src/surgery/index.ts";
import { temporaryFolder } from "../temporary.ts";
import { apart, logitsOf, sampleText } from "./sample.ts";

const folder = temporaryFolder();
const text = await sampleText(3000);

const attention: Sublayer = { mixer: { kind: "attention", heads: 2 } };
const dense: Sublayer = { ffn: { kind: "dense", hidden: 24 } };
const gated: Sublayer = { ffn: { kind: "gated", hidden: 20 } };
const base: DecoderConfig = {
  vocabulary: 30,
  context: 12,
  width: 16,
  blocks: [
    [attention, dense],
    [attention, dense],
  ],
};
const models: { readonly [name: string]: DecoderConfig } = {
  "GPT-2: layer norms, learned positions, tied": { ...base, positions: "learned" },
  "Llama: RMS norms, gated, a head of its own": {
    ...base,
    norm: "rms",
    tied: false,
    blocks: [
      [{ mixer: { kind: "attention", heads: 4, kvHeads: 2, bias: false } }, gated],
      [attention, gated],
    ],
  },
  "NeoX: attention and feed-forward side by side": {
    ...base,
    blocks: [
      [attention, { ...dense, beside: true }],
      [attention, { ...dense, beside: true, scale: 0.5 }],
    ],
  },
  "shared weights, no biases, more layers": {
    ...base,
    blocks: [
      [
        { mixer: { kind: "attention", heads: 2, bias: false } },
        { ffn: { kind: "dense", hidden: 24, bias: false }, shared: "one" },
      ],
      [{ ffn: { kind: "dense", hidden: 24, bias: false }, shared: "one" }, { ffn: { kind: "threeLayer", hidden: 12 } }],
    ],
  },
  "linear shortcuts": { ...base, norm: "rms", blocks: [[{ ...attention, shortcut: "linear" }, dense]] },
};

/** Parameters far from their initial values: gains, shifts and biases too. */
const drawn = (config: DecoderConfig, seed = 1): Promise<DecoderParams> =>
  evaluate(
    mapTree(decoder(config).init(key(0)), (x, path) =>
      normal(key(1000 * seed + ([...path].reduce((sum, c) => 31 * sum + c.charCodeAt(0), 7) % 997)), x.shape, {
        std: x.rank > 1 ? 1.2 / Math.sqrt(x.shape[0] as number) : 0.5,
        ...(path.endsWith("scale") ? { mean: 1 } : {}),
      }),
    ),
  );
const doubled = async (params: DecoderParams): Promise<DecoderParams> =>
  evaluate(mapTree(params, (x) => cast(x, "float64")));
const places = ({ blocks }: DecoderConfig): number => 1 + blocks.flat().filter(({ beside }) => beside !== true).length;

describe("foldNorms", () => {
  for (const [name, config] of Object.entries(models))
    it(`computes the same with RMS norms of gain 1: ${name}`, async () => {
      const model = { config, params: await drawn(config) };
      const after = await foldNorms(model);
      expect(after.config.norm).toBe("rms");
      mapTree(after.params, (x, path) => {
        if (path.endsWith("norm.scale")) expect(Array.from(x.data, Number).every((v) => v === 1)).toBe(true);
        return x;
      });
      expect(await apart(model, after)).toBeLessThan(1e-5);
    });

  it("refuses norms after sublayers, and layers that are no plain matrices", async () => {
    const post: DecoderConfig = { ...base, placement: "post" };
    await expect(foldNorms({ config: post, params: await drawn(post) })).rejects.toThrow(
      "foldNorms: the model has norms after sublayers",
    );
    const low: DecoderConfig = { ...base, blocks: [[{ ffn: { kind: "lowRank", hidden: 8, rank: 2 } }]] };
    await expect(foldNorms({ config: low, params: await drawn(low) })).rejects.toThrow(
      "foldNorms: blocks[0].ffn is of kind lowRank",
    );
    const mapped: DecoderConfig = { ...base, blocks: [[{ ...dense, shortcut: "linear" }]] };
    await expect(foldNorms({ config: mapped, params: await drawn(mapped) })).rejects.toThrow(
      "blocks[0].ffn has a linear shortcut, which carries the mean",
    );
  });
});

describe("rotateStream", () => {
  for (const [name, config] of Object.entries(models)) {
    it(`changes nothing with a random basis at each place: ${name}`, async () => {
      const model = { config, params: await drawn(config) };
      const bases = await Promise.all(Array.from({ length: places(config) }, (_, i) => randomBasis(16, 16, i)));
      const folded = await foldNorms(model);
      expect(await apart(model, await rotateStream(folded, bases))).toBeLessThan(1e-5);
      const exact = { config, params: await doubled(model.params) };
      const turned = await rotateStream(await foldNorms(exact), bases);
      expect(turned.params.embedding.weight.dtype).toBe("float64");
      expect(await apart(exact, turned)).toBeLessThan(1e-10);
    });
  }

  it("refuses bases that are not orthonormal or do not fit", async () => {
    const config = models["linear shortcuts"] as DecoderConfig;
    const folded = await foldNorms({ config, params: await drawn(config) });
    const good = await randomBasis(16, 16, 0);
    const bad: Basis = { ...good, matrix: good.matrix.map((v, i) => (i === 0 ? v + 1e-3 : v)) };
    await expect(rotateStream(folded, [good, bad, good])).rejects.toThrow("the basis is not orthonormal");
    await expect(rotateStream(folded, [good, good])).rejects.toThrow("expected 3 bases");
    await expect(rotateStream(folded, [good, good, await randomBasis(16, 8, 0)])).rejects.toThrow("as many vectors");
    await expect(rotateStream({ config, params: await drawn(config) }, [good, good, good])).rejects.toThrow(
      "as foldNorms makes it",
    );
  });
});

describe("sliceStream", () => {
  for (const rotation of rotations)
    it(`loses nothing without a cut: ${rotation}`, async () => {
      for (const config of [
        models["GPT-2: layer norms, learned positions, tied"],
        models["linear shortcuts"],
      ] as DecoderConfig[]) {
        const model = { config, params: await drawn(config) };
        expect(await apart(model, await sliceStream(model, { share: 0, rotation, text }))).toBeLessThan(1e-5);
      }
    });

  it("loses nothing where the stream fills fewer dimensions than are kept", async () => {
    const config = models["GPT-2: layer norms, learned positions, tied"] as DecoderConfig;
    const full = await drawn(config);
    // All that is written to the stream lies in the span of 9 of 16 vectors, whose mean is 0.
    const basis = await randomBasis(16, 9, 5);
    const written = /(embedding|positions)\.weight$|(output|down)\.(weight|bias)$/;
    const params = mapTree(full, (x, path) => {
      if (!written.test(path)) return x;
      const values = Float32Array.from(x.data as Float32Array);
      for (let first = 0; first < values.length; first += 16) {
        const row = values.slice(first, first + 16);
        const along = Array.from({ length: 9 }, (_, k) =>
          row.reduce((sum, v, i) => sum + v * (basis.matrix[i * 9 + k] as number), 0),
        );
        for (let i = 0; i < 16; i++)
          values[first + i] = along.reduce((sum, v, k) => sum + v * (basis.matrix[i * 9 + k] as number), 0);
      }
      return tensor(values, { shape: x.shape });
    });
    const model = { config, params };
    // Taking the mean off may add one direction.
    const sliced = await sliceStream(model, { share: 6 / 16, text });
    expect(sliced.kept).toBe(10);
    expect(await apart(model, sliced)).toBeLessThan(1e-5);
    expect(await apart(model, await sliceStream(model, { share: 8 / 16, text }))).toBeGreaterThan(1e-3);
  });

  it("computes what the whole model computes with its stream projected at each place", async () => {
    const config = models["Llama: RMS norms, gated, a head of its own"] as DecoderConfig;
    const model = await foldNorms({ config, params: await doubled(await drawn(config)) });
    const basis = await randomBasis(16, 11, 3);
    const q = tensor(basis.matrix, { shape: [16, 11] });
    const sliced = await rotateStream(
      model,
      Array.from({ length: 5 }, () => basis),
    );
    // All that is written to the stream projected: with one basis that is a projection at every place.
    const written = /embedding\.weight$|(output|down)\.(weight|bias)$/;
    const params = await evaluate(
      mapTree(model.params, (x, path) => {
        if (!written.test(path)) return x;
        const rows = reshape(x, [-1, 16]);
        return reshape(matmul(matmul(rows, q), q, { transposeB: true }), x.shape);
      }),
    );
    expect(await apart({ config: model.config, params }, sliced)).toBeLessThan(1e-10);
  });

  it("keeps what carries most: principal components lose less than chance", async () => {
    const config = models["GPT-2: layer norms, learned positions, tied"] as DecoderConfig;
    const model = { config, params: await drawn(config) };
    const made = async (rotation: "pca" | "random") => sliceStream(model, { share: 0.25, rotation, text, seed: 1 });
    const [pca, random] = [await made("pca"), await made("random")];
    expect(pca.kept).toBe(12);
    expect(pca.places.map(({ place }) => place)).toEqual([
      "blocks[0].mixer",
      "blocks[0].ffn",
      "blocks[1].mixer",
      "blocks[1].ffn",
      "head",
    ]);
    for (const [i, { energy, effectiveRank }] of pca.places.entries()) {
      expect(energy).toBeGreaterThan(random.places[i]?.energy as number);
      expect(energy).toBeLessThan(1);
      expect(effectiveRank).toBeGreaterThan(1);
    }
    expect(await apart(model, pca)).toBeLessThan(await apart(model, random));
  });

  it("has the parameters of the formula, loads again, and goes on token by token", async () => {
    const config = models["Llama: RMS norms, gated, a head of its own"] as DecoderConfig;
    const model = { config, params: await drawn(config) };
    const sliced = await sliceStream(model, { share: 0.3, multiple: 2, text });
    const [d, v] = [10, 30];
    expect(sliced.kept).toBe(d);
    const firstAttention = d * 16 + 2 * d * 8 + 16 * d;
    const secondAttention = 4 * d * 16 + 3 * 16 + d;
    const ffns = 2 * 3 * d * 20;
    expect(parameterCount(sliced.params)).toBe(2 * v * d + firstAttention + secondAttention + ffns + 4 * d * d + 5 * d);
    const path = join(folder, "sliced");
    await savePretrained(path, { model: decoder(sliced.config), params: sliced.params, tokenizer: null });
    const loaded = await loadPretrained(path);
    expect(await logitsOf({ config: loaded.model.config, params: loaded.params })).toEqual(await logitsOf(sliced));
    const sequence = [3, 1, 4, 1, 5];
    for await (const [token] of generate(loaded.model, loaded.params, [[...sequence]], {
      maxTokens: 5,
      temperature: 0,
    })) {
      const input = tensor(Int32Array.from(sequence), { shape: [1, sequence.length] });
      const all = (await compile(loaded.model.apply)(loaded.params, input)).data as Float32Array;
      const last = Array.from(all.slice(-v));
      expect(token).toBe(last.indexOf(Math.max(...last)));
      sequence.push(token as number);
    }
    expect(sequence).toHaveLength(10);
  });

  it("says in one sentence what it cannot slice", async () => {
    const model = { config: base, params: await drawn(base) };
    await expect(sliceStream(model, { share: 1, text })).rejects.toThrow("share must be from 0 to below 1, got 1");
    await expect(sliceStream(model, { share: -0.1, text })).rejects.toThrow("share must be from 0 to below 1");
    await expect(sliceStream(model, { share: 0.9, multiple: 8, text })).rejects.toThrow("leaves no dimension of 16");
    const context = { text };
    await expect(convertModel("slice", model, { share: 2 }, context)).rejects.toThrow("convert --with slice");
    const { figures, config } = await convertModel(
      "slice",
      model,
      { share: 0.25, rotation: "none", multiple: 4 },
      context,
    );
    expect(config.width).toBe(12);
    expect(figures).toMatchObject({ kept: 12, width: 16 });
    await expect(
      sliceStream(model, { share: 0.1, text, signal: AbortSignal.abort(new Error("stopped")) }),
    ).rejects.toThrow("stopped");
  });
});

describe("slicedPerplexity", () => {
  it("gives the figures of the relation", () => {
    expect(slicedPerplexity(8.28, 0.1)).toBeCloseTo(10.47, 2);
    expect(slicedPerplexity(8.28, 0.2)).toBeCloseTo(14.05, 2);
    expect(slicedPerplexity(8.28, 0.3)).toBeCloseTo(20.49, 2);
    expect(() => slicedPerplexity(0.5, 0.1)).toThrow("at least 1");
    expect(() => slicedPerplexity(8, 1)).toThrow("below 1");
  });
});
