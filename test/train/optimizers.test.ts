import { describe, expect, it } from "vitest";
import { compile, evaluate, mapTree, mul, type Tensor, type Tree, tensor, toNested } from "../../src/array/index.ts";
import { adamW, clipByGlobalNorm, clipped, cosine, globalNorm, type Optimizer, sgd } from "../../src/train/index.ts";
import { distance, numbers } from "../nn/reference.ts";

const steps = 60;
/** Beside two small parameters a table, too large to be updated joined with others, of a few numbers again and again. */
const parameters = (seed: number, other: number) => {
  const weight = numbers(6, seed);
  return { weight, bias: numbers(3, other), table: Array.from({ length: 17_000 }, (_, i) => weight[i % 6] as number) };
};
const start = parameters(1, 2);
/** Made-up gradients of every step. */
const gradients = Array.from({ length: steps }, (_, t) => parameters(100 + t, 200 + t));
const tensors = (tree: typeof start) => ({
  weight: tensor(Float32Array.from(tree.weight), { shape: [2, 3] }),
  bias: tensor(tree.bias),
  table: tensor(tree.table),
});

async function descend<S extends Tree>(optimizer: Optimizer<S>): Promise<number[]> {
  const update = compile((g: ReturnType<typeof tensors>, s: S, p: ReturnType<typeof tensors>, t: Tensor) =>
    optimizer.update(g, s, p, t),
  );
  let params = tensors(start);
  let state = await evaluate(optimizer.init(params));
  for (let t = 0; t < steps; t++) {
    ({ params, state } = await update(
      tensors(gradients[t] as typeof start),
      state,
      params,
      tensor(t, { dtype: "int32" }),
    ));
  }
  return Object.keys(start).flatMap((name) => [...params[name as keyof typeof params].data].map(Number));
}

/** The same for one number after the other, in double precision. */
function reference(rule: () => (w: number, g: number, t: number, isWeight: boolean) => number): number[] {
  return (["weight", "bias", "table"] as const).flatMap((name) =>
    start[name].map((first, i) => {
      const step = rule();
      return gradients.reduce((w, g, t) => step(w, g[name][i] as number, t, name === "weight"), first);
    }),
  );
}

describe("sgd", () => {
  it.each([
    ["plain", { learningRate: 0.1 }],
    ["with momentum", { learningRate: 0.1, momentum: 0.9 }],
    ["with Nesterov momentum", { learningRate: 0.1, momentum: 0.9, nesterov: true }],
    ["with weight decay", { learningRate: 0.1, momentum: 0.5, weightDecay: 0.1 }],
  ])("agrees with plain JavaScript, %s", async (_, options) => {
    const {
      learningRate,
      momentum = 0,
      nesterov = false,
      weightDecay = 0,
    } = options as Record<string, number> & { nesterov?: boolean };
    const expected = reference(() => {
      let velocity = 0;
      return (w, g) => {
        const full = g + weightDecay * w;
        velocity = momentum * velocity + full;
        return w - (learningRate as number) * (nesterov ? full + momentum * velocity : velocity);
      };
    });
    expect(distance(await descend(sgd(options)), expected)).toBeLessThan(1e-5);
  });

  it("follows a schedule", async () => {
    const rate = (t: number) => 0.05 * (1 + Math.cos((Math.PI * t) / steps));
    const got = await descend(sgd({ learningRate: cosine({ from: 0.1, steps }) }));
    expect(
      distance(
        got,
        reference(() => (w, g, t) => w - rate(t) * g),
      ),
    ).toBeLessThan(1e-5);
  });

  it("reaches the minimum of a quadratic at the closed-form rate (1 - η)^t", async () => {
    const optimizer = sgd({ learningRate: 0.25 });
    let w = tensor([8]);
    for (let t = 0; t < 4; t++) w = (await evaluate(optimizer.update(w, {}, w, tensor(t, { dtype: "int32" })))).params;
    expect(toNested(w)).toEqual([8 * 0.75 ** 4]);
  });

  it("has nothing to do without parameters, as AdamW", () => {
    const updatesNothing = <S extends Tree>(optimizer: Optimizer<S>) => {
      const state = optimizer.init({});
      expect(optimizer.update({}, state, {}, tensor(0, { dtype: "int32" }))).toEqual({ params: {}, state });
    };
    updatesNothing(sgd({ learningRate: 1 }));
    updatesNothing(sgd({ learningRate: 1, momentum: 0.5 }));
    updatesNothing(adamW({ learningRate: 1 }));
  });

  it("names wrong options", () => {
    expect(() => sgd({ learningRate: 1, momentum: 1 })).toThrow(
      "sgd: momentum must be a number of at least 0 and below 1, got 1",
    );
    expect(() => sgd({ learningRate: 1, weightDecay: -1 })).toThrow(
      "sgd: weightDecay must be a number of at least 0, got -1",
    );
    expect(() => sgd({ learningRate: 1, nesterov: true })).toThrow("sgd: nesterov needs a momentum above 0");
  });
});

describe("adamW", () => {
  it.each([
    ["with its defaults", { learningRate: 0.01 }],
    ["with other constants", { learningRate: 0.01, beta1: 0.5, beta2: 0.9, eps: 1e-2, weightDecay: 0.3 }],
    ["without memory", { learningRate: 0.01, beta1: 0, beta2: 0, weightDecay: 0 }],
    [
      "with decay of matrices only",
      { learningRate: 0.01, weightDecay: 0.5, decay: (path: string, w: Tensor) => path === "weight" && w.rank > 1 },
    ],
  ])("agrees with the source's algorithm in plain JavaScript, %s", async (_, options) => {
    const {
      beta1 = 0.9,
      beta2 = 0.999,
      eps = 1e-8,
      weightDecay = 0.01,
      decay,
    } = options as Parameters<typeof adamW>[0];
    const expected = reference(() => {
      let [m, v] = [0, 0];
      return (w, g, t, isWeight) => {
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        const [mean, square] = [m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))];
        const shrink = decay && !isWeight ? 0 : weightDecay;
        return w - 0.01 * (mean / (Math.sqrt(square) + eps) + shrink * w);
      };
    });
    expect(distance(await descend(adamW(options)), expected)).toBeLessThan(2e-6);
  });

  it("moves by the learning rate in the first step, however small the gradient", async () => {
    const optimizer = adamW({ learningRate: 0.5, weightDecay: 0 });
    const w = tensor([1, 1, 1]);
    const { params } = await evaluate(
      optimizer.update(tensor([1e-4, -3, 1e5]), await evaluate(optimizer.init(w)), w, tensor(0, { dtype: "int32" })),
    );
    expect(distance(params.data, [0.5, 1.5, 0.5])).toBeLessThan(1e-4);
  });

  it("keeps its moments in proportion to those of the source", async () => {
    const optimizer = adamW({ learningRate: 0.1 });
    const w = tensor([1]);
    const { state } = await evaluate(
      optimizer.update(tensor([3]), await evaluate(optimizer.init(w)), w, tensor(0, { dtype: "int32" })),
    );
    expect([toNested(state.first as Tensor), toNested(state.second as Tensor)]).toEqual([[3], [9]]);
  });

  it("follows a schedule, late in training too", async () => {
    const optimizer = adamW({ learningRate: cosine({ from: 1, to: 0.1, steps: 10 }), weightDecay: 0 });
    const w = tensor([1]);
    const state = { first: tensor([10 * 2]), second: tensor([1000 * 4]) };
    const { params } = await evaluate(optimizer.update(tensor([2]), state, w, tensor(1_000_000, { dtype: "int32" })));
    // m = 0.9·2 + 0.1·2 = 2 and v = 4 are settled, so the step is the learning rate.
    expect(distance(params.data, [0.9])).toBeLessThan(1e-5);
  });

  it("names wrong options", () => {
    expect(() => adamW({ learningRate: 1, beta1: 1 })).toThrow(
      "adamW: beta1 must be a number of at least 0 and below 1, got 1",
    );
    expect(() => adamW({ learningRate: 1, eps: Number.NaN })).toThrow(
      "adamW: eps must be a number of at least 0, got NaN",
    );
  });
});

describe("clipping by global norm", () => {
  const tree = { a: tensor([3, 0]), b: [tensor([[4]])] };

  it("shortens gradients above the bound, all by one factor, and leaves others as they are", async () => {
    expect(toNested(await evaluate(globalNorm(tree)))).toBe(5);
    const short = await evaluate(clipByGlobalNorm(tree, 1));
    expect(distance([...short.a.data, ...(short.b[0] as Tensor).data], [0.6, 0, 0.8])).toBeLessThan(1e-6);
    const same = await evaluate(clipByGlobalNorm(tree, 5));
    expect([toNested(same.a), toNested(same.b[0] as Tensor)]).toEqual([[3, 0], [[4]]]);
    const zero = await evaluate(
      clipByGlobalNorm(
        mapTree(tree, (x) => mul(x, 0)),
        1,
      ),
    );
    expect(toNested(zero.a)).toEqual([0, 0]);
    expect(() => clipByGlobalNorm(tree, 0)).toThrow("clipByGlobalNorm: max must be above 0, got 0");
  });

  it("wraps an optimizer", async () => {
    const optimizer = clipped(sgd({ learningRate: 1 }), 1);
    const { params } = await evaluate(
      optimizer.update(tree, optimizer.init(tree), tree, tensor(0, { dtype: "int32" })),
    );
    expect(distance([...params.a.data, ...(params.b[0] as Tensor).data], [2.4, 0, 3.2])).toBeLessThan(1e-6);
  });
});
