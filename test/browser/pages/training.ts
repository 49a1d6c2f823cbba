/** A page that trains a small network, as users of the package write it; its bundle is measured. */
import { evaluate, gelu, key, normal, sum, type Tensor } from "../../../src/array/index.ts";
import { ffn } from "../../../src/nn/index.ts";
import { adamW, fit, meanSquaredError } from "../../../src/train/index.ts";

const model = ffn({ width: 4, hidden: 32, outputs: 1, activation: gelu });

/** Learns the sum of four numbers; gives the losses. */
async function train(steps: number): Promise<readonly number[]> {
  const params = await evaluate(model.init(key(0)));
  const data = {
    at: async (step: number, count: number) => {
      const x = normal(key(step + 1), [count, 64, 4]);
      return evaluate({ x, y: sum(x, { axis: -1, keepDims: true }) });
    },
  };
  const { history } = await fit({
    params,
    data,
    loss: (p, { x, y }: { x: Tensor; y: Tensor }) => meanSquaredError(model.apply(p, x), y),
    optimizer: adamW({ learningRate: 1e-2 }),
    steps,
  });
  return history.loss;
}

Object.assign(globalThis, { train });
