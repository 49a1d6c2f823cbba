import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  flatten,
  grad,
  key,
  normal,
  relu,
  reshape,
  slice,
  square,
  sum,
  swapAxes,
  type Tensor,
  tensor,
  toNested,
  transpose,
} from "../../../src/array/index.ts";
import {
  activations,
  bestExperts,
  expertMask,
  expertScores,
  ffn,
  gatedFfn,
  interleave,
  isGated,
  type MoefiedFfnParams,
  moefiedFfn,
  topExperts,
  type UnitGroups,
  unitSums,
  weightedExperts,
} from "../../../src/nn/index.ts";

type Rows = number[][];
const [width, hidden, experts] = [6, 24, 8];
const units = hidden / experts;
const draw = (seed: number, shape: number[]): Promise<Tensor> => evaluate(normal(key(seed), shape));
const rowsOf = (x: Tensor): Rows => toNested(x) as Rows;

/** The sum over chosen experts, plainly. */
function reference(
  params: Omit<MoefiedFfnParams, "router">,
  x: Rows,
  chosen: Rows,
  sigma = (z: number): number => Math.max(0, z),
): Rows {
  const gated = isGated(params);
  const at = (t: Tensor | undefined, ...index: number[]): number =>
    t ? Number(t.data[index.reduce((place, i, axis) => place * (t.shape[axis] as number) + i, 0)]) : 0;
  return x.map((row, r) => {
    const y = Array.from({ length: width }, (_, i) => Number(params.down.bias?.data[i] ?? 0));
    for (const e of chosen[r] as number[])
      for (let u = 0; u < units; u++) {
        const dot = (k: number) =>
          row.reduce((sum, value, i) => sum + value * at(params.up.weight, e, k, i), at(params.up.bias, e, k));
        const h = gated ? sigma(dot(2 * u)) * dot(2 * u + 1) : sigma(dot(u));
        y.forEach((_, i) => {
          (y[i] as number) += h * at(params.down.weight, e, i, u);
        });
      }
    return y;
  });
}
const close = (a: Rows, b: Rows): void => {
  for (const [r, row] of a.entries())
    for (const [i, value] of row.entries()) expect(value).toBeCloseTo(b[r]?.[i] as number, 4);
};

describe("topExperts", async () => {
  const plain = {
    up: { weight: await draw(1, [experts, units, width]), bias: await draw(2, [experts, units]) },
    down: { weight: await draw(3, [experts, width, units]), bias: await draw(4, [width]) },
  };
  const gated = {
    up: await evaluate({
      weight: interleave(plain.up.weight, await draw(5, [experts, units, width])),
      bias: interleave(plain.up.bias, await draw(6, [experts, units])),
    }),
    down: plain.down,
  };
  const silu = (z: number): number => z / (1 + Math.exp(-z));
  /** By one operator, and without: `tanh` and a gated ReLU are none of its functions. */
  const forms = [
    ["relu", plain, activations.relu, (z: number) => Math.max(0, z)],
    ["silu with a gate", gated, activations.silu, silu],
    ["tanh", plain, activations.tanh, Math.tanh],
    ["relu with a gate", gated, activations.relu, (z: number) => Math.max(0, z)],
  ] as const;
  const chosenFor = (rows: number, count: number): Tensor =>
    tensor(
      Int32Array.from({ length: rows * count }, (_, i) => (Math.floor(i / count) * 3 + (i % count) * 5) % experts),
      { shape: [rows, count] },
    );
  for (const [name, groups, activation, plainly] of forms)
    for (const [rows, count] of [
      [1, 3],
      [2, 1],
      [5, 8],
      [40, 2],
    ] as const)
      it(`sums the chosen experts, ${name}, ${rows} rows with ${count} each`, async () => {
        const x = await draw(7, [rows, width]);
        const chosen = chosenFor(rows, count);
        const only = compile((g: UnitGroups, a: Tensor, c: Tensor) => topExperts(g, a, c, { activation }));
        const all = compile((g: UnitGroups, a: Tensor, c: Tensor) =>
          weightedExperts(g, a, expertMask(c, experts), { activation }),
        );
        const expected = reference(groups, rowsOf(x), rowsOf(chosen), plainly);
        for (const run of [only, all]) close(rowsOf(await run(groups, x, chosen)), expected);
      });

  it("has the same gradients by one operator as with all units", async () => {
    const x = await draw(7, [5, width]);
    const chosen = chosenFor(5, 3);
    for (const [groups, activation] of [
      [plain, activations.relu],
      [gated, activations.silu],
    ] as const) {
      const slopes = (layer: (g: UnitGroups, a: Tensor) => Tensor) =>
        compile(grad(({ g, a }: { g: UnitGroups; a: Tensor }) => sum(square(layer(g, a)))))({ g: groups, a: x });
      const [one, other] = [
        flatten(await slopes((g, a) => topExperts(g, a, chosen, { activation }))).leaves,
        flatten(await slopes((g, a) => weightedExperts(g, a, expertMask(chosen, experts), { activation }))).leaves,
      ];
      expect(one.length).toBe(5);
      for (const [i, t] of one.entries())
        for (const [k, value] of Array.from(t.data, Number).entries())
          expect(value).toBeCloseTo(Number(other[i]?.data[k]), 3);
    }
  });
});

/** `down` as the dense block has it. */
const outward = (t: Tensor): Tensor => reshape(swapAxes(t, 1, 2), [hidden, width]);

describe("moefiedFfn", () => {
  it("with all experts active is the dense block of the same units", async () => {
    const layer = moefiedFfn({ width, hidden, experts, active: experts, router: "similarity" });
    const params = await evaluate(layer.init(key(8)));
    const dense = ffn({ width, hidden, activation: relu });
    const flat = (t: Tensor) => reshape(t, [hidden, width]);
    const same = await evaluate({
      up: { weight: transpose(flat(params.up.weight)), bias: reshape(params.up.bias as Tensor, [hidden]) },
      down: { weight: outward(params.down.weight), bias: params.down.bias as Tensor },
    });
    for (const rows of [1, 30]) {
      const x = await draw(9, [rows, width]);
      close(rowsOf(await evaluate(layer.apply(params, x))), rowsOf(await evaluate(dense.apply(same, x))));
    }
  });

  it("with a gate and all experts active is the gated block", async () => {
    const layer = moefiedFfn({ width, hidden, experts, active: experts, router: "linear", gated: true, bias: false });
    const params = await evaluate(layer.init(key(8)));
    const dense = gatedFfn({ width, hidden, activation: relu });
    const pairs = reshape(params.up.weight, [hidden, 2, width]);
    const part = (i: number) =>
      transpose(reshape(slice(pairs, { starts: [i], stops: [i + 1], axes: [1] }), [hidden, width]));
    const same = await evaluate({
      gate: { weight: part(0) },
      up: { weight: part(1) },
      down: { weight: outward(params.down.weight) },
    });
    const x = await draw(9, [2, 3, width]);
    const y = await evaluate(layer.apply(params, x));
    expect(y.shape).toEqual([2, 3, width]);
    close(
      rowsOf(await evaluate(reshape(y, [6, width]))),
      rowsOf(await evaluate(reshape(dense.apply(same, x), [6, width]))),
    );
  });

  it("uses the experts that its router scores highest, and scales their sum but not the bias", async () => {
    for (const router of ["similarity", "mlp", "linear", "truth"] as const) {
      const layer = moefiedFfn({ width, hidden, experts, active: 3, router, scale: 2 });
      const { router: own, ...groups } = await evaluate(layer.init(key(10)));
      const x = await draw(11, [4, width]);
      const scores = rowsOf(await evaluate(expertScores(router, own, groups, x)));
      const chosen = scores.map((row) =>
        row
          .map((score, e) => [score, e] as const)
          .sort(([a], [b]) => b - a)
          .slice(0, 3)
          .map(([, e]) => e),
      );
      const { bias, ...down } = groups.down;
      const sums = reference({ ...groups, down }, rowsOf(x), chosen);
      const expected = sums.map((row) => row.map((value, i) => 2 * value + Number((bias as Tensor).data[i])));
      close(rowsOf(await evaluate(layer.apply({ ...groups, router: own }, x))), expected);
    }
  });

  it("has no better choice of one expert than the truth, in what its units give", async () => {
    const layer = moefiedFfn({ width, hidden, experts, active: 1, router: "mlp" });
    const { router, ...groups } = await evaluate(layer.init(key(12)));
    const x = await draw(13, [50, width]);
    const sums = rowsOf(await evaluate(unitSums(groups, x)));
    const pick = async (kind: "truth" | "mlp") =>
      rowsOf(await evaluate(bestExperts(expertScores(kind, router, groups, x), 1)));
    const mass = (choice: Rows) => choice.reduce((total, [e], r) => total + (sums[r]?.[e as number] as number), 0);
    expect(mass(await pick("truth"))).toBeGreaterThan(mass(await pick("mlp")));
  });

  it("refuses what cannot be cut", () => {
    const options = { width, hidden, router: "mlp" } as const;
    expect(() => moefiedFfn({ ...options, experts: 7, active: 1 })).toThrow(
      "24 hidden units cannot be cut into 7 equal experts",
    );
    expect(() => moefiedFfn({ ...options, experts: 8, active: 9 })).toThrow(
      "9 active experts are more than the 8 there are",
    );
  });
});
