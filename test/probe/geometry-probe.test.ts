import { describe, expect, it } from "vitest";
import { tensor } from "../../src/array/index.ts";
import { effectiveDimension, recordActivations, rowCovariance, runProbe } from "../../src/probe/index.ts";
import { scoreLanguageModel } from "../../src/train/index.ts";
import { textModel } from "./text-model.ts";

const context = await textModel();
const { model, params, text } = context;

interface Found {
  readonly layers: readonly { readonly name: string; readonly dimension: number; readonly components: number }[];
  readonly compression: number;
  readonly interventions: {
    readonly noise: readonly { kind: string; strength: number; dimension: number; loss: number; accuracy: number }[];
    readonly pca: { readonly kept: number; readonly loss: number; readonly accuracy: number };
  };
}

describe("the probe geometry", () => {
  it("tells the dimension of the stream after each block, and what changed features predict", async () => {
    const found = await runProbe("geometry", context, { share: 1 });
    const { layers, compression, interventions } = found.data as Found;
    const names = ["embedding", "blocks.0.stream", "blocks.1.stream", "final"] as const;
    expect(layers.map(({ name }) => name)).toEqual(names);
    const rows = await recordActivations(model, params, text, names, { tokens: 600 });
    for (const { name, dimension } of layers) {
      const features = tensor(rows[name as "final"], { shape: [600, 8] });
      expect(dimension).toBeCloseTo(effectiveDimension(await rowCovariance(features)), 8);
    }
    expect(compression).toBeCloseTo(Math.log((layers[0]?.dimension as number) / (layers[3]?.dimension as number)), 12);
    // Without noise, and on all components, it predicts as it does.
    const { loss, accuracy } = await scoreLanguageModel(model, params, text, { context: 6, windows: 100 });
    for (const same of [...interventions.noise.filter(({ strength }) => strength === 0), interventions.pca]) {
      expect(same.loss).toBeCloseTo(loss, 5);
      expect(same.accuracy).toBeCloseTo(100 * accuracy, 5);
    }
    expect(interventions.pca.kept).toBe(8);
    for (const kind of ["gaussian", "uniform"]) {
      const own = interventions.noise.filter((each) => each.kind === kind);
      expect(own.at(-1)?.dimension).toBeGreaterThan(own[0]?.dimension as number);
      expect(own.at(-1)?.loss).not.toBeCloseTo(loss, 4);
    }
    expect(found.figures).toHaveLength(3);
    expect(found.notes[0]).toContain("gaussian");
  });

  it("leaves out what is not wanted", async () => {
    const found = await runProbe("geometry", { ...context, layers: [1] }, { interventions: false });
    expect((found.data as Found).layers.map(({ name }) => name)).toEqual(["embedding", "blocks.1.stream", "final"]);
    expect((found.data as Found).interventions).toBeUndefined();
    expect(found.figures).toHaveLength(1);
    await expect(runProbe("geometry", context, { share: 0 })).rejects.toThrow("probe geometry");
  });
});
