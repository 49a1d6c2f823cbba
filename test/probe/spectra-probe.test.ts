import { describe, expect, it } from "vitest";
import { activationSpectra, decayOf, runProbe, type SpectralScores } from "../../src/probe/index.ts";
import { textModel } from "./text-model.ts";

const context = await textModel();

describe("the probe spectra", () => {
  it("tells the scores of each layer, with their eigenvalues and pictures", async () => {
    const stages = new Set<string>();
    const found = await runProbe("spectra", { ...context, onProgress: ({ stage }) => stages.add(stage) });
    const names = ["blocks.0.ffn.hidden", "blocks.1.ffn.hidden"];
    const spectra = await activationSpectra(context.model, context.params, context.text, names, { tokens: 600 });
    const data = found.data as readonly (SpectralScores & { activation: string; tokens: number })[];
    expect(data.map(({ activation, tokens, width }) => [activation, tokens, width])).toEqual(
      names.map((name) => [name, 600, 12]),
    );
    spectra.forEach(({ scores, eigenvalues, name }, i) => {
      expect(data[i]).toMatchObject(scores);
      expect(found.arrays[`${name}.eigenvalues`]?.data).toEqual(eigenvalues);
    });
    expect(found.summary.rows).toHaveLength(2);
    expect(found.figures.map(({ kind }) => kind)).toEqual(["lines", "lines"]);
    expect(found.notes).toEqual([]);
    expect(stages).toEqual(new Set(["covariances", "eigenvalues"]));
    expect(found.options).toEqual({ at: "hidden" });
  });

  it("looks at the layers and the place that are asked for, and says when tokens are few", async () => {
    const found = await runProbe("spectra", { ...context, layers: [1], tokens: 60 }, { at: "output" });
    expect(found.data).toMatchObject([{ activation: "blocks.1.ffn.output", width: 8, tokens: 60 }]);
    expect(found.notes).toEqual([
      "There are fewer than 10 tokens for each dimension of 1 of 1 layers, which makes their ranks too small; --tokens 80 is enough.",
    ]);
    await expect(runProbe("spectra", { ...context, tokens: 6 })).rejects.toThrow("as their 12 features, got 6");
    await expect(runProbe("spectra", context, { at: "gate" })).rejects.toThrow("probe spectra");
  });

  it("draws a spectrum at as many components as a logarithmic axis shows", () => {
    const points = decayOf(
      Float64Array.from({ length: 500 }, (_, i) => 1 / (i + 1)),
      20,
    );
    expect(points.length).toBeLessThanOrEqual(20);
    expect(points[0]?.x).toBe(1);
    expect(points.at(-1)?.x).toBe(500);
    expect((points[0]?.y as number) / (points.at(-1)?.y as number)).toBeCloseTo(500, 9);
    expect(decayOf(Float64Array.of(1, 0, 0))).toEqual([{ x: 1, y: 100 }]);
  });
});
