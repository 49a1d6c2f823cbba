import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { describe, expect, it } from "vitest";
import { evaluate, key } from "../../src/array/index.ts";
import { decoder } from "../../src/models/index.ts";
import { activationSpectra, hiddenUnits, recordActivations } from "../../src/probe/index.ts";
import { tokenFile } from "../temporary.ts";

const model = decoder({
  vocabulary: 20,
  context: 6,
  width: 8,
  blocks: [
    [{ mixer: { kind: "attention", heads: 2 } }, { ffn: { kind: "dense", hidden: 10, activation: "relu" } }],
    [{ ffn: { kind: "gated", hidden: 6 } }, { ffn: { kind: "oneLayer" } }],
  ],
});
const params = await evaluate(model.init(key(3)));
const tokens = Int32Array.from({ length: 600 }, (_, i) => (i * i + 3 * i + Math.floor(i / 7)) % 20);
const text = await tokenFile(20, tokens);

describe("activationSpectra", () => {
  it("has the eigenvalues of the covariance of recorded activations", async () => {
    const names = hiddenUnits(model);
    expect(names).toEqual(["blocks.0.ffn.hidden", "blocks.1.ffn.hidden"]);
    const [recorded, spectra] = await Promise.all([
      recordActivations(model, params, text, names),
      activationSpectra(model, params, text, names, { batch: 16 }),
    ]);
    spectra.forEach(({ name, count, eigenvalues, scores, rawHardRank }, i) => {
      const width = [10, 6][i] as number;
      const rows = Matrix.from1DArray(count, width, Array.from(recorded[name] as Float32Array));
      expect([name, scores.width, count]).toEqual([names[i], width, 594]);
      const expected = (of: Matrix, divisor: number) =>
        new EigenvalueDecomposition(of.transpose().mmul(of).div(divisor), { assumeSymmetric: true }).realEigenvalues;
      const centred = expected(rows.clone().subRowVector(rows.mean("column")), count - 1).sort((a, b) => b - a);
      centred.forEach((v, j) => {
        expect(eigenvalues[j]).toBeCloseTo(v, 9);
      });
      const values = expected(rows, count);
      const total = values.reduce((a, b) => a + b, 0);
      expect(rawHardRank).toBeCloseTo(total ** 2 / values.reduce((a, b) => a + b * b, 0), 7);
      // The mean of units after ReLU is the largest direction.
      if (i === 0) expect(rawHardRank).toBeLessThan(scores.hardRank);
    });
  });

  it("needs as many tokens as units, and activations that are there", async () => {
    await expect(activationSpectra(model, params, text, ["blocks.0.ffn.hidden"], { tokens: 6 })).rejects.toThrow(
      "at least as many rows of blocks.0.ffn.hidden as their 10 features, got 6",
    );
    await expect(activationSpectra(model, params, text, ["blocks.9.ffn.hidden"])).rejects.toThrow(
      "blocks.9.ffn.hidden",
    );
  });
});
