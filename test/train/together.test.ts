import { describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { linear } from "../../src/nn/index.ts";
import {
  adamW,
  cosine,
  fit,
  fitTogether,
  meanSquaredError,
  type Progress,
  type Schedule,
} from "../../src/train/index.ts";

const data = {
  at: (step: number, count: number) => ({
    x: f.tensor(
      Float32Array.from({ length: count * 12 }, (_, i) => Math.sin(step * 12 + i)),
      { shape: [count, 4, 3] },
    ),
  }),
};
type Batch = { x: f.Tensor };
const wide = linear({ inputs: 3, outputs: 5 });
const thin = linear({ inputs: 3, outputs: 1 });
const steps = 7;
const schedule = cosine({ from: 1, steps });

describe("fitTogether", () => {
  it("trains each model with its own rate as it would train alone", async () => {
    const params = await f.evaluate({ wide: wide.init(f.key(1)), thin: thin.init(f.key(2)) });
    const rates = { wide: 0.1, thin: 0.003 };
    const target = (y: f.Tensor) => meanSquaredError(y, f.full(y.shape, 0.5));
    const models = {
      wide: {
        params: params.wide,
        rate: rates.wide,
        loss: (p: typeof params.wide, b: Batch) => target(wide.apply(p, b.x)),
      },
      thin: {
        params: params.thin,
        rate: rates.thin,
        loss: (p: typeof params.thin, b: Batch) => target(thin.apply(p, b.x)),
      },
    };
    const told: Progress[] = [];
    const together = await fitTogether({
      models,
      data,
      steps,
      stepsPerRun: steps,
      onProgress: (at) => told.push(at),
      schedule,
      optimizer: (learningRate) => adamW({ learningRate }),
    });
    const alone = {
      wide: await fit({
        ...models.wide,
        data,
        steps,
        optimizer: adamW({ learningRate: cosine({ from: rates.wide, steps }) }),
      }),
      thin: await fit({
        ...models.thin,
        data,
        steps,
        optimizer: adamW({ learningRate: cosine({ from: rates.thin, steps }) }),
      }),
    };
    for (const name of ["wide", "thin"] as const) {
      const expected = f.flatten(alone[name].params).leaves;
      f.flatten(together.params[name]).leaves.forEach((x, i) => {
        for (const [k, v] of Array.from(x.data as Float32Array).entries())
          expect(Number(v)).toBeCloseTo(Number(expected[i]?.data[k]), 5);
      });
      const mean = alone[name].history.loss.reduce((a, b) => a + b) / steps;
      expect(told.at(-1)?.losses?.[name]).toBeCloseTo(mean, 5);
      alone[name].history.loss.forEach((loss, i) => {
        expect(together.history.metrics[name]?.[i]).toBeCloseTo(loss, 5);
      });
    }
    expect(together.step).toBe(steps);
  });

  it("learns at the rate it is given", async () => {
    const params = await f.evaluate(thin.init(f.key(2)));
    const loss = (p: typeof params, b: Batch) => meanSquaredError(thin.apply(p, b.x), f.ones([4, 1]));
    const same = {
      at: (_: number, count: number) => ({
        x: f.tensor(
          Float32Array.from({ length: count * 12 }, (_, i) => Math.sin(i % 12)),
          { shape: [count, 4, 3] },
        ),
      }),
    };
    const ends: number[] = [];
    for (const rate of [0, 0.1]) {
      const models = { only: { params, rate, loss } };
      const optimizer = (learningRate: Schedule) => adamW({ learningRate });
      const { history } = await fitTogether({ models, data: same, steps: 20, optimizer });
      ends.push(history.loss.at(-1) as number);
    }
    expect(ends[1]).toBeLessThan((ends[0] as number) / 2);
  });

  it("refuses names that its history needs, and no models", async () => {
    const optimizer = () => adamW({ learningRate: 1 });
    await expect(fitTogether({ models: {}, data, steps, optimizer })).rejects.toThrow(/at least one model/);
    const model = { params: { w: f.ones([1]) }, rate: 1, loss: (p: { w: f.Tensor }) => f.sum(p.w) };
    await expect(fitTogether({ models: { loss: model }, data, steps, optimizer })).rejects.toThrow(
      /cannot have the name "loss"/,
    );
  });
});
