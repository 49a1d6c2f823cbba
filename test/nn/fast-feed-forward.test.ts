import { describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { ensemble, initMembers } from "../../src/nn/ensemble.ts";
import { chosenExperts, separateExperts } from "../../src/nn/ffn/chosen-experts.ts";
import { decisionEntropy, hardDescend, leafProbabilities, reachedLeaf } from "../../src/nn/ffn/decision-tree.ts";
import { ffn } from "../../src/nn/ffn/dense.ts";
import { type FastFeedForwardParams, fastFeedForward } from "../../src/nn/ffn/fast-feed-forward.ts";
import { loadBalanceLoss } from "../../src/nn/ffn/routing.ts";
import { sharedExpert } from "../../src/nn/ffn/shared-expert.ts";
import { crossEntropy } from "../../src/train/index.ts";

const numbers = (x: f.Tensor): number[] => Array.from(x.data as Float32Array, Number);
const largest = async (x: f.Tensor): Promise<number> => f.item(await f.evaluate(f.max(f.abs(x))));
const training = { training: true } as const;

/** A tree in plain JavaScript: the leaf and the smallest |logit| on the way to it. */
function descend(params: FastFeedForwardParams, x: ArrayLike<number>, depth: number): { leaf: number; margin: number } {
  const [weight, bias] = [numbers(params.nodes.weight), numbers(params.nodes.bias)];
  let node = 0;
  let margin = Number.POSITIVE_INFINITY;
  for (let level = 0; level < depth; level++) {
    let logit = bias[node] as number;
    for (let k = 0; k < x.length; k++) logit += (weight[node * x.length + k] as number) * (x[k] as number);
    margin = Math.min(margin, Math.abs(logit));
    node = 2 * node + (logit >= 0 ? 2 : 1);
  }
  return { leaf: node - (2 ** depth - 1), margin };
}

/** What a leaf gives, in plain JavaScript. */
function leafOutput({ leaves: { up, down } }: FastFeedForwardParams, leaf: number, x: ArrayLike<number>): number[] {
  const [, hidden, width] = up.weight.shape as [number, number, number];
  const outputs = down.bias.shape[1] as number;
  const [u, a, v, b] = [up.weight, up.bias, down.weight, down.bias].map((t) => t.data as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const y = Array.from(b.subarray(leaf * outputs, (leaf + 1) * outputs));
  for (let h = 0; h < hidden; h++) {
    const unit = leaf * hidden + h;
    let sum = a[unit] as number;
    for (let k = 0; k < width; k++) sum += (u[unit * width + k] as number) * (x[k] as number);
    for (let o = 0; o < outputs; o++) (y[o] as number) += Math.max(0, sum) * (v[unit * outputs + o] as number);
  }
  return y;
}

const rowsOf = (x: f.Tensor): Float32Array[] => {
  const [rows, width] = x.shape as [number, number];
  return Array.from({ length: rows }, (_, i) => (x.data as Float32Array).subarray(i * width, (i + 1) * width));
};

describe("the tree", () => {
  it("spreads a probability of 1 over its leaves, to depth 8", async () => {
    for (const depth of [0, 1, 2, 5, 8]) {
      const p = leafProbabilities(f.sigmoid(f.normal(f.key(depth), [500, 2 ** depth - 1], { std: 4 })));
      expect(p.shape).toEqual([500, 2 ** depth]);
      expect(await largest(f.sub(f.sum(p, { axis: -1 }), 1))).toBeLessThan(1e-6);
      expect(f.item(await f.evaluate(f.min(p)))).toBeGreaterThanOrEqual(0);
    }
  });

  it("multiplies c to the right and 1 - c to the left", async () => {
    const p = await f.evaluate(leafProbabilities(f.tensor([[0.25, 0.5, 0.125]])));
    // Leaves in order: left-left, left-right, right-left, right-right.
    expect(numbers(p)).toEqual([0.75 * 0.5, 0.75 * 0.5, 0.25 * 0.875, 0.25 * 0.125]);
  });

  it("goes right at a logit of exactly 0, in both forms of the hard choice", async () => {
    const nodes = { weight: f.zeros([3, 2]), bias: f.zeros([3]) };
    const leaf = await f.evaluate(hardDescend(nodes, f.ones([1, 2])));
    expect(numbers(leaf)).toEqual([3]);
    expect(numbers(await f.evaluate(reachedLeaf(f.zeros([1, 3]))))).toEqual([0, 0, 0, 1]);
  });

  it("refuses a number of nodes that is no balanced tree", () => {
    expect(() => leafProbabilities(f.zeros([1, 4]))).toThrow(/2\^depth - 1 nodes of a balanced tree, got 4/);
  });

  it("measures the entropy of decisions, and its slope", async () => {
    const z = [-30, -3, -0.5, 0, 2, 25];
    const entropy = (v: number): number => {
      const c = 1 / (1 + Math.exp(-v));
      return c === 0 || c === 1 ? 0 : -c * Math.log(c) - (1 - c) * Math.log(1 - c);
    };
    const mean = z.reduce((total, v) => total + entropy(v), 0) / z.length;
    const [value, slope] = await f.evaluate(f.valueAndGrad(decisionEntropy)(f.tensor([z])));
    expect(f.item(value)).toBeCloseTo(mean, 6);
    z.forEach((v, i) => {
      const c = 1 / (1 + Math.exp(-v));
      expect(numbers(slope)[i]).toBeCloseTo((-v * c * (1 - c)) / z.length, 6);
    });
    expect(f.item(await f.evaluate(decisionEntropy(f.zeros([2, 7]))))).toBeCloseTo(Math.LN2, 6);
    expect(f.item(await f.evaluate(decisionEntropy(f.zeros([2, 0]))))).toBe(0);
  });
});

describe("loadBalanceLoss", () => {
  const one = (leaf: number, leaves: number) => f.oneHot(f.full([8], leaf, "int32"), leaves);

  it("is 1 for uniform use and the number of experts for a collapsed router", async () => {
    for (const experts of [2, 4, 16]) {
      const even = f.oneHot(f.mod(f.arange(16), experts), experts);
      const uniform = loadBalanceLoss({ probabilities: f.full([16, experts], 1 / experts), chosen: even });
      expect(f.item(await f.evaluate(uniform))).toBeCloseTo(1, 6);
      const collapsed = loadBalanceLoss({ probabilities: one(1, experts), chosen: one(1, experts) });
      expect(f.item(await f.evaluate(collapsed))).toBeCloseTo(experts, 6);
    }
  });

  it("gives one number for each member of an ensemble", async () => {
    const probabilities = f.stack([f.full([8, 4], 0.25), one(2, 4)]);
    const chosen = f.stack([f.oneHot(f.mod(f.arange(8), 4), 4), one(2, 4)]);
    expect(numbers(await f.evaluate(loadBalanceLoss({ probabilities, chosen })))).toEqual([1, 4]);
  });

  it("has a gradient in the nodes and none in the leaves", async () => {
    const layer = fastFeedForward({ width: 6, depth: 3, leafWidth: 2, outputs: 2 });
    const params = await f.evaluate(layer.init(f.key(4)));
    const x = await f.evaluate(f.normal(f.key(5), [32, 6]));
    const gradient = f.grad((p: FastFeedForwardParams) => loadBalanceLoss(layer.route(p, x)))(params);
    expect(await largest(gradient.nodes.weight)).toBeGreaterThan(1e-4);
    for (const dx of f.flatten(gradient.leaves).leaves) expect(await largest(dx)).toBe(0);
  });
});

describe("fastFeedForward", () => {
  const settings = { width: 7, outputs: 4, depth: 3, leafWidth: 2 };

  it("mixes leaves by the probabilities of their paths in training", async () => {
    const layer = fastFeedForward(settings);
    const params = await f.evaluate(layer.init(f.key(1)));
    const x = await f.evaluate(f.normal(f.key(2), [5, 7]));
    const { probabilities } = await f.evaluate(layer.route(params, x));
    const y = numbers(await f.evaluate(layer.apply(params, x, training)));
    rowsOf(x).forEach((row, i) => {
      const expected = [0, 0, 0, 0];
      for (let leaf = 0; leaf < 8; leaf++) {
        const p = numbers(probabilities)[i * 8 + leaf] as number;
        leafOutput(params, leaf, row).forEach((v, o) => {
          (expected[o] as number) += p * v;
        });
      }
      expected.forEach((v, o) => {
        expect(y[i * 4 + o]).toBeCloseTo(v, 5);
      });
    });
  });

  it("agrees in hard inference with an oracle that enumerates all leaves, for 10,000 inputs", async () => {
    for (const depth of [1, 4, 7]) {
      const layer = fastFeedForward({ ...settings, depth });
      const params = await f.evaluate(layer.init(f.key(depth)));
      const x = await f.evaluate(f.normal(f.key(20 + depth), [10_000, 7]));
      const { leaf, indicators, hard } = await f.compile((p: FastFeedForwardParams, rows: f.Tensor) => ({
        leaf: hardDescend(p.nodes, rows),
        indicators: f.argMax(layer.route(p, rows).chosen, { axis: -1 }),
        hard: layer.apply(p, rows),
      }))(params, x);
      let clear = 0;
      const [leaves, oracle, y] = [numbers(leaf), numbers(indicators), numbers(hard)];
      rowsOf(x).forEach((row, i) => {
        const expected = descend(params, row, depth);
        // A decision within rounding of 0 may fall either way.
        if (expected.margin < 1e-5) return;
        clear++;
        if (leaves[i] !== expected.leaf || oracle[i] !== expected.leaf)
          expect([leaves[i], oracle[i]]).toEqual([expected.leaf, expected.leaf]);
        if (i % 50 === 0)
          for (const [o, v] of leafOutput(params, expected.leaf, row).entries()) expect(y[i * 4 + o]).toBeCloseTo(v, 5);
      });
      expect(clear).toBeGreaterThan(9_980);
    }
  });

  it("is as good as hard once its decisions are certain", async () => {
    for (const depth of [2, 5, 8]) {
      const layer = fastFeedForward({ ...settings, depth });
      const drawn = await f.evaluate(layer.init(f.key(depth)));
      const params = { ...drawn, nodes: f.mapTree(drawn.nodes, (x) => f.mul(x, 1e3)) };
      const x = await f.evaluate(f.normal(f.key(30), [400, 7]));
      const gap = await f.evaluate(
        f.sum(f.abs(f.sub(layer.apply(params, x, training), layer.apply(params, x))), { axis: -1 }),
      );
      const known = await f.evaluate(params);
      const clear = rowsOf(x).map((row) => descend(known, row, depth).margin > 20);
      expect(clear.filter(Boolean).length).toBeGreaterThan(150);
      expect(Math.max(...numbers(gap).filter((_, i) => clear[i]))).toBeLessThan(1e-4);
    }
  });

  it("is a plain dense block at depth 0", async () => {
    const layer = fastFeedForward({ ...settings, depth: 0, leafWidth: 9 });
    const params = await f.evaluate(layer.init(f.key(3)));
    const { up, down } = params.leaves;
    const dense = ffn({ width: 7, hidden: 9, outputs: 4, activation: f.relu });
    const x = await f.evaluate(f.normal(f.key(6), [20, 7]));
    const expected = dense.apply(
      {
        up: { weight: f.transpose(f.squeeze(up.weight, 0)), bias: f.squeeze(up.bias, 0) },
        down: { weight: f.squeeze(down.weight, 0), bias: f.squeeze(down.bias, 0) },
      },
      x,
    );
    for (const mode of [training, undefined]) {
      expect(await largest(f.sub(layer.apply(params, x, mode), expected))).toBeLessThan(1e-6);
    }
    const used = f.flatten(params).leaves.reduce((total, t) => total + t.size, 0);
    expect([layer.parameterCount, layer.usedParameterCount]).toEqual([used, used]);
  });

  it("keeps the axes before the last one, and refuses others", async () => {
    const layer = fastFeedForward(settings);
    const params = await f.evaluate(layer.init(f.key(1)));
    const x = await f.evaluate(f.normal(f.key(2), [2, 3, 7]));
    for (const mode of [training, undefined]) {
      const y = layer.apply(params, x, mode);
      expect(y.shape).toEqual([2, 3, 4]);
      expect(await largest(f.sub(f.at(y, 1), layer.apply(params, f.at(x, 1), mode)))).toBeLessThan(1e-6);
    }
    expect(() => layer.apply(params, f.zeros([2, 6]))).toThrow(/last axis of 7, got shape \[2, 6\]/);
    expect(() => fastFeedForward({ ...settings, depth: 21 })).toThrow(
      /depth must be a whole number from 0 to 20, got 21/,
    );
    expect(() => fastFeedForward({ ...settings, leafWidth: 0 })).toThrow(
      /leafWidth must be a whole number of at least 1, got 0/,
    );
  });

  it("swaps decisions at the rate of its region leak, in training only", async () => {
    const leaky = fastFeedForward({ ...settings, depth: 1, regionLeak: 0.25 });
    const drawn = await f.evaluate(leaky.init(f.key(1)));
    const params = { ...drawn, nodes: { weight: f.zeros([1, 7]), bias: f.full([1], 50) } };
    const x = f.zeros([4000, 7]);
    const right = async (mode?: { training: boolean; key: f.Key }): Promise<number> =>
      f.item(
        await f.evaluate(
          f.mean(f.slice(leaky.route(params, x, mode).probabilities, { starts: [1], stops: [2], axes: [1] })),
        ),
      );
    expect(await right({ training: true, key: f.key(8) })).toBeCloseTo(0.75, 1);
    expect(await right({ training: false, key: f.key(8) })).toBe(1);
    expect(() => fastFeedForward({ ...settings, regionLeak: 1 })).toThrow(/rate must be at least 0 and below 1/);
  });

  it("trains the members of an ensemble as it would train one", async () => {
    const layer = fastFeedForward(settings);
    const params = await initMembers(layer, [1, 2]);
    const x = await f.evaluate(f.normal(f.key(3), [2, 6, 7]));
    const y = layer.apply(params, x, training);
    const chosen = layer.mix(params, x, layer.route(params, x).chosen);
    for (const i of [0, 1]) {
      const member = ensemble(layer, 2).member(params, i);
      expect(await largest(f.sub(f.at(y, i), layer.apply(member, f.at(x, i), training)))).toBeLessThan(1e-6);
      expect(await largest(f.sub(f.at(chosen, i), layer.apply(member, f.at(x, i))))).toBeLessThan(1e-5);
    }
    expect(() => layer.apply(params, x)).toThrow(/one model, got those of an ensemble; take one member/);
  });
});

describe("chosenExperts", () => {
  it("gives the same in all of its forms", async () => {
    // Sizes on both sides of the rules that pick a form: gathered rows, a branch for one row, rows in groups.
    for (const [experts, hidden, width, rows] of [
      [4, 2, 5, 9],
      [1, 40, 1000, 3],
      [3, 120, 900, 1],
      [3, 60, 900, 4],
      [2, 60, 900, 30],
      [2, 200, 700, 1],
    ] as const) {
      const layer = fastFeedForward({ width, outputs: 3, depth: 0, leafWidth: hidden });
      const parts = await Promise.all(Array.from({ length: experts }, (_, i) => f.evaluate(layer.init(f.key(i)))));
      const stack = await f.evaluate(
        f.zipTrees("test", parts.map((p) => p.leaves) as never, (...xs) =>
          f.concat(xs),
        ) as never as FastFeedForwardParams["leaves"],
      );
      const x = await f.evaluate(f.normal(f.key(50), [rows, width]));
      const choice = f.tensor(Int32Array.from({ length: rows }, (_, i) => (2 * i + 1) % experts));
      const separate = separateExperts(stack);
      const [a, b] = await f.evaluate([
        chosenExperts(stack, x, choice),
        chosenExperts(stack, x, choice, { separate }),
      ] as const);
      rowsOf(x).forEach((row, i) => {
        const expected = leafOutput({ leaves: stack } as FastFeedForwardParams, (2 * i + 1) % experts, row);
        expected.forEach((v, o) => {
          expect(numbers(a)[i * 3 + o]).toBeCloseTo(v, 4);
          expect(numbers(b)[i * 3 + o]).toBeCloseTo(v, 4);
        });
      });
    }
  });

  it("reads the leaf on the path and no other", async () => {
    // A NaN in every leaf but one shows which ones are evaluated.
    for (const [width, leafWidth, rows] of [
      [6, 2, 5],
      [900, 160, 1],
      [900, 60, 8],
    ] as const) {
      const layer = fastFeedForward({ width, outputs: 2, depth: 2, leafWidth });
      const drawn = await f.evaluate(layer.init(f.key(7)));
      const nodes = { weight: f.zeros([3, width]), bias: f.tensor([1, 1, -1]) };
      const spoilt = f.mapTree(drawn.leaves, (t) => {
        const good = f.reshape(f.equal(f.arange(4), 2), [4, ...Array<number>(t.rank - 1).fill(1)]);
        return f.where(good, t, Number.NaN);
      });
      const params = await f.evaluate({ nodes, leaves: spoilt });
      const x = await f.evaluate(f.normal(f.key(9), [rows, width]));
      for (const y of [layer.apply(params, x), layer.freeze(params)(x)]) {
        expect(numbers(await f.evaluate(y)).every(Number.isFinite)).toBe(true);
      }
      expect(numbers(await f.evaluate(layer.apply(params, x, training))).some(Number.isNaN)).toBe(true);
    }
  });

  it("can be trained through: each expert learns from its own rows", async () => {
    const layer = fastFeedForward({ width: 300, outputs: 2, depth: 1, leafWidth: 150 });
    const drawn = await f.evaluate(layer.init(f.key(1)));
    const x = await f.evaluate(f.normal(f.key(2), [4, 300]));
    const choice = f.tensor(Int32Array.of(1, 1, 1, 1));
    const gradient = f.grad((p: FastFeedForwardParams["leaves"]) => f.sum(f.square(chosenExperts(p, x, choice))))(
      drawn.leaves,
    );
    for (const dx of f.flatten(gradient).leaves) {
      expect(await largest(f.at(dx, 0))).toBe(0);
      expect(await largest(f.at(dx, 1))).toBeGreaterThan(0);
    }
  });
});

describe("sharedExpert", () => {
  const tree = fastFeedForward({ width: 5, outputs: 3, depth: 2, leafWidth: 2 });
  const layer = sharedExpert({ routed: tree, shared: ffn({ width: 5, hidden: 8, outputs: 3, activation: f.relu }) });

  it("starts with a share of σ(0.5) for the routed experts", async () => {
    const params = await f.evaluate(layer.init(f.key(1)));
    const x = await f.evaluate(f.normal(f.key(2), [6, 5]));
    const share = 1 / (1 + Math.exp(-0.5));
    for (const mode of [training, undefined]) {
      const parts = f.add(
        f.mul(share, tree.apply(params.routed, x, mode)),
        f.mul(1 - share, ffn({ width: 5, hidden: 8, outputs: 3, activation: f.relu }).apply(params.shared, x)),
      );
      expect(await largest(f.sub(layer.apply(params, x, mode), parts))).toBeLessThan(1e-6);
    }
  });

  it("is the plain tree as the share goes to 1", async () => {
    const drawn = await f.evaluate(layer.init(f.key(1)));
    const params = { ...drawn, blend: f.tensor(40) };
    const x = await f.evaluate(f.normal(f.key(2), [6, 5]));
    for (const mode of [training, undefined]) {
      expect(await largest(f.sub(layer.apply(params, x, mode), tree.apply(params.routed, x, mode)))).toBeLessThan(1e-6);
    }
  });

  it("learns its share", async () => {
    const params = await f.evaluate(layer.init(f.key(1)));
    const x = await f.evaluate(f.normal(f.key(2), [6, 5]));
    const loss = (p: typeof params) =>
      crossEntropy(layer.apply(p, x, training), f.tensor(Int32Array.of(0, 1, 2, 0, 1, 2)));
    expect(await largest(f.grad(loss)(params).blend)).toBeGreaterThan(1e-4);
  });
});
