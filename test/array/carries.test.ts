import { afterAll, describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";

type Tensor = f.Tensor;
afterAll(f.releaseSessions);

type State = { readonly a: Tensor; readonly b: Tensor };

const start: State = { a: f.tensor([1, -2, 3, 0.5], { shape: [2, 2] }), b: f.tensor([4, 5, 6]) };
const xs = f.tensor([0.5, 2, -1]);

/** Both tensors as one vector, and a vector as both. */
const join = ({ a, b }: State): Tensor => f.concat([f.reshape(a, [4]), b]);
const cut = (vector: Tensor): State => {
  const [a, b] = f.split(vector, { sizes: [4, 3] }) as [Tensor, Tensor];
  return { a: f.reshape(a, [2, 2]), b };
};

/** The step `v ← 2v + x·(sum of b)`, of both tensors joined. */
const joined = (state: State, x: Tensor): readonly [State, Tensor] => {
  const pull = f.mul(x, f.sum(state.b));
  return [cut(f.add(f.mul(join(state), 2), pull)), f.sum(state.a)];
};

const expected = () => {
  let [a, b] = [
    [1, -2, 3, 0.5],
    [4, 5, 6],
  ];
  const sums: number[] = [];
  const total = (v: readonly number[]) => v.reduce((p, q) => p + q, 0);
  for (const x of [0.5, 2, -1]) {
    const pull = x * total(b);
    sums.push(total(a));
    [a, b] = [a.map((v) => 2 * v + pull), b.map((v) => 2 * v + pull)];
  }
  return { a, b, sums };
};

/** How many tensors the loop of a function carries. */
const carried = (fn: (s: State, x: Tensor) => unknown): number =>
  Number(/scan .*carries=(\d+)/.exec(f.compile(fn as never).print(start as never, xs as never))?.[1]);

describe("carries that a loop joins", () => {
  const run = (s: State, x: Tensor) => f.scan(joined, s, x);

  it("are carried as one vector, with the same results", async () => {
    expect(carried(run)).toBe(1);
    const [last, sums] = await f.compile(run)(start, xs);
    const { a, b, sums: each } = expected();
    expect([...last.a.data]).toEqual(a);
    expect([...last.b.data]).toEqual(b);
    expect([...sums.data]).toEqual(each);
    expect(last.a.shape).toEqual([2, 2]);
  });

  it("stay apart where the joined order is not that of the parts after the step", async () => {
    const swapped = (s: State, x: Tensor) =>
      f.scan(
        ({ a, b }: State, v: Tensor) => {
          const vector = f.mul(f.concat([b, f.reshape(a, [4])]), v);
          return [cut(vector), f.sum(b)] as const;
        },
        s,
        x,
      );
    expect(carried(swapped)).toBe(2);
    const [last] = await f.compile(swapped)(start, f.tensor([2]));
    expect([...last.a.data, ...last.b.data]).toEqual([8, 10, 12, 2, -4, 6, 1]);
  });

  it("have the gradient that carries of their own have", async () => {
    const apart = (state: State, x: Tensor): readonly [State, Tensor] => {
      const pull = f.mul(x, f.sum(state.b));
      const move = (v: Tensor) => f.add(f.mul(v, 2), pull);
      return [{ a: move(state.a), b: move(state.b) }, f.sum(state.a)];
    };
    const gradients = (step: typeof joined) =>
      f.compile((s: State, x: Tensor) =>
        f.grad((at: State) => {
          const [last, sums] = f.scan(step, at, x);
          return f.add(f.sum(f.square(last.a)), f.add(f.sum(f.square(last.b)), f.sum(sums)));
        })(s),
      )(start, xs);
    const [own, together] = [await gradients(apart), await gradients(joined)];
    expect([...together.a.data]).toEqual([...own.a.data]);
    expect([...together.b.data]).toEqual([...own.b.data]);
  });
});
