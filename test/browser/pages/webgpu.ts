/** A state that stays on the GPU between steps. */
import {
  add,
  compile,
  dispose,
  evaluate,
  key,
  mul,
  normal,
  setDefaults,
  sum,
  type Tensor,
  tensor,
} from "../../../src/array/index.ts";
import { linear } from "../../../src/nn/index.ts";
import { adamW, fit, meanSquaredError } from "../../../src/train/index.ts";

const refusal = (work: () => unknown): string => {
  try {
    work();
    return "nothing was refused";
  } catch (error) {
    return (error as Error).message;
  }
};

const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array);

/** Doubles a state three times, then uses it as a captured tensor, as an operand, and on the host. */
async function carry() {
  const step = compile((state: { x: Tensor }) => [{ x: mul(state.x, 2) }, sum(state.x)] as const, {
    device: "webgpu",
    resident: ["0"],
  });
  let state = { x: tensor(Float32Array.of(1, 2, 3)) };
  const sums: number[] = [];
  for (let i = 0; i < 3; i++) {
    const [next, total] = await step(state);
    dispose(state);
    state = next;
    sums.push(Number(total.data[0]));
  }
  const { x } = state;
  return {
    sums,
    refused: refusal(() => x.data),
    captured: numbers(await compile((y: Tensor) => add(x, y), { device: "webgpu" })(tensor(Float32Array.of(1, 1, 1)))),
    whole: numbers((await evaluate(state)).x),
  };
}

/** Losses of a small training on a device. */
async function losses(device: "cpu" | "webgpu"): Promise<readonly number[]> {
  setDefaults({ device });
  const layer = linear({ inputs: 4, outputs: 1 });
  const data = {
    at: async (step: number, count: number) => {
      const x = normal(key(step + 1), [count, 16, 4]);
      return evaluate({ x, y: sum(x, { axis: -1, keepDims: true }) }, { device: "cpu" });
    },
  };
  const { history } = await fit({
    params: await evaluate(layer.init(key(0)), { device: "cpu" }),
    data,
    loss: (p, { x, y }: { x: Tensor; y: Tensor }) => meanSquaredError(layer.apply(p, x), y),
    optimizer: adamW({ learningRate: 0.1 }),
    steps: 6,
    stepsPerRun: 2,
    evaluate: { every: 4, run: async (params) => ({ weight: Number(params.weight.data[0]) }) },
  });
  return history.loss;
}

/** Why the GPU cannot be used; undefined if it can. */
const withoutGpu = () =>
  evaluate(add(tensor(1), tensor(2)), { device: "webgpu" }).then(
    () => undefined,
    (error: Error) => error.message,
  );

Object.assign(globalThis, { carry, losses, withoutGpu });
