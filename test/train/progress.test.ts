/** Layers that change in the course of training are told how far it has come. */
import { describe, expect, it } from "vitest";
import { broadcastTo, concat, expandDims, mul, reshape, type Tensor, zeros } from "../../src/array/index.ts";
import { decoder } from "../../src/models/index.ts";
import type { Layer } from "../../src/nn/index.ts";
import { fitLanguageModel, languageModelFlops } from "../../src/train/index.ts";
import { tokenFile } from "../temporary.ts";

const file = await tokenFile(2, new Int32Array(200).fill(1));

const training = { data: file, batch: 2, context: 4, rate: 1e-2, weightDecay: 0 };

describe("progress of training", () => {
  it("is the share of the steps done, however the steps are grouped", async () => {
    // The logit of the only token that occurs is the progress, the other is 0.
    const model: Layer<{ readonly unused: Tensor }> = {
      init: () => ({ unused: zeros([1]) }),
      apply: (params, tokens, mode) => {
        const at = broadcastTo(reshape(mode?.progress as Tensor, [1, 1]), tokens.shape);
        const pair = [mul(broadcastTo(reshape(params.unused, [1, 1]), tokens.shape), 0), at];
        return concat(
          pair.map((x) => expandDims(x, 2)),
          { axis: 2 },
        );
      },
    };
    const steps = 10;
    const expected = Array.from({ length: steps }, (_, i) => Math.log(1 + Math.exp(-i / steps)));
    for (const stepsPerRun of [1, 4]) {
      const { history } = await fitLanguageModel({ ...training, model, steps, stepsPerRun });
      history.loss.forEach((loss, i) => {
        expect(loss).toBeCloseTo(expected[i] as number, 5);
      });
    }
  });

  it("trains guides of structured layers in the share of training that they are for, and leaves them after", async () => {
    const blocks = [[{ ffn: { kind: "lowRank", hidden: 8, rank: 2, guided: 0.4 } }]] as const;
    const model = decoder({ vocabulary: 2, context: 4, width: 4, blocks });
    type Guided = { readonly layer: { readonly up: { readonly guide: { readonly weight: Tensor } } } };
    // The mean of squared gradients that AdamW keeps falls by 0.95 a step where there are none.
    const squaresAfter = async (stop: number) => {
      const controller = new AbortController();
      const { state } = await fitLanguageModel({
        ...training,
        model,
        steps: 20,
        stepsPerRun: 1,
        signal: controller.signal,
        onProgress: ({ step }) => {
          if (step === stop) controller.abort();
        },
      });
      const { blocks } = state.second as { readonly blocks: readonly [{ readonly ffn: Guided }] };
      return [...blocks[0].ffn.layer.up.guide.weight.data].map(Number);
    };
    const [during, end, after] = [await squaresAfter(1), await squaresAfter(8), await squaresAfter(20)];
    const total = (values: readonly number[]) => values.reduce((a, b) => a + b);
    expect(total(during)).toBeGreaterThan(0);
    expect(total(end) / total(during)).not.toBeCloseTo(0.95 ** 7, 3);
    expect(total(after) / total(end)).toBeCloseTo(0.95 ** 12, 4);
  });

  it("lets the operations of a step with its guide be counted", () => {
    const count = (guided: number | undefined) =>
      languageModelFlops(
        decoder({
          vocabulary: 2,
          context: 4,
          width: 4,
          blocks: [[{ ffn: { kind: "lowRank", hidden: 8, rank: 2, ...(guided === undefined ? {} : { guided }) } }]],
        }),
        4,
      );
    expect(count(0.5).inference).toBe(count(undefined).inference);
    // Two dense products of 4 × 8, with two more each in the gradient.
    expect(count(0.5).training - count(undefined).training).toBe(2 * 3 * 2 * 4 * 8);
  });
});
