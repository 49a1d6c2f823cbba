import { describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";
import { ensemble, initMembers } from "../../src/nn/ensemble.ts";
import { ffn, linear, sequential } from "../../src/nn/index.ts";

const layer = sequential(
  ffn({ width: 3, hidden: 5, outputs: 4, activation: f.relu }),
  linear({ inputs: 4, outputs: 2 }),
);
const largest = async (x: f.Tensor): Promise<number> => f.item(await f.evaluate(f.max(f.abs(x))));

describe("ensemble", () => {
  it("applies each member to its own rows", async () => {
    const both = ensemble(layer, 3);
    const params = await initMembers(layer, [5, 6, 7]);
    const x = await f.evaluate(f.normal(f.key(1), [3, 4, 3]));
    const y = both.apply(params, x);
    expect(y.shape).toEqual([3, 4, 2]);
    for (const [i, seed] of [5, 6, 7].entries()) {
      const alone = await f.evaluate(layer.init(f.key(seed)));
      expect(await largest(f.sub(f.at(y, i), layer.apply(alone, f.at(x, i))))).toBeLessThan(1e-6);
    }
  });

  it("gives each member back as it would have been alone", async () => {
    const params = await initMembers(layer, [2, 9]);
    const alone = f.flatten(await f.evaluate(layer.init(f.key(9))));
    const member = f.flatten(await f.evaluate(ensemble(layer, 2).member(params, 1)));
    expect(member.paths).toEqual(alone.paths);
    member.leaves.forEach((x, i) => {
      expect(x.shape).toEqual(alone.leaves[i]?.shape);
      expect(x.data).toEqual(alone.leaves[i]?.data);
    });
  });

  it("trains each member as if it were alone", async () => {
    const params = await initMembers(layer, [1, 2]);
    const x = await f.evaluate(f.normal(f.key(3), [2, 6, 3]));
    type P = typeof params;
    const together = f.grad((p: P) => f.mul(f.mean(f.square(layer.apply(p, x))), 2))(params);
    const alone = f.grad((p: P) => f.mean(f.square(layer.apply(p, f.at(x, 1)))))(ensemble(layer, 2).member(params, 1));
    const expected = f.flatten(alone).leaves;
    for (const [i, dx] of f.flatten(ensemble(layer, 2).member(together, 1)).leaves.entries()) {
      expect(await largest(f.sub(dx, expected[i] as f.Tensor))).toBeLessThan(1e-6);
    }
  });

  it("says how many members it has", () => {
    expect(() => ensemble(layer, 0)).toThrow(/members must be a whole number of at least 1, got 0/);
    expect(() => ensemble(layer, 2).join([])).toThrow(/parameters of 2 members, got 0/);
  });
});
