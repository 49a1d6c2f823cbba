import { afterAll, describe, expect, it } from "vitest";
import * as f from "../../src/array/index.ts";

type Tensor = f.Tensor;
afterAll(f.releaseSessions);

const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array, Number);
const near = (actual: readonly number[], expected: readonly number[], digits = 5) => {
  expect(actual.length).toBe(expected.length);
  actual.forEach((v, i) => {
    expect(v).toBeCloseTo(expected[i] as number, digits);
  });
};

describe("cond", () => {
  it("computes only the branch that is taken", async () => {
    // The other branch would fail when it runs: it reads an element that is not there.
    const pick = f.compile((x: Tensor, i: Tensor) =>
      f.cond(
        f.less(f.sum(x), 0),
        () => f.take(x, i),
        () => f.mul(f.at(x, 0), 2),
      ),
    );
    const bad = f.tensor(99, { dtype: "int32" });
    near(numbers(await pick(f.tensor([1, 2]), bad)), [2]);
    // A GPU does not look at indices.
    if (f.ownsMemory({})) return;
    await expect(pick(f.tensor([-1, -2]), bad)).rejects.toThrow(
      "run: Gather: indices element out of data bounds, idx=99",
    );
  });

  it("works inside a loop, with captured tensors, and has a gradient there", async () => {
    // Collatz-like: halve or scale, by the sign of the running value.
    const walk = (x: Tensor, w: Tensor) =>
      f.scan(
        (c: Tensor, v: Tensor) => {
          const next = f.cond(
            f.less(c, 0),
            () => f.mul(c, w),
            () => f.add(f.mul(c, 0.5), v),
          );
          return [next, next] as const;
        },
        f.tensor(1),
        x,
      );
    const run = f.compile((x: Tensor, w: Tensor) => {
      const loss = (v: Tensor, u: Tensor) => f.sum(walk(v, u)[1]);
      return [walk(x, w)[1], f.grad(loss)(x, w), f.grad((u: Tensor) => loss(x, u))(w)] as const;
    });
    const plain = (x: number[], w: number) => {
      let c = 1;
      return x.map((v) => {
        c = c < 0 ? c * w : c * 0.5 + v;
        return c;
      });
    };
    const [x, w] = [[-2, 1, 0.3, 2], 1.5] as const;
    const [ys, dx, dw] = await run(f.tensor([...x]), f.tensor(w));
    near(numbers(ys), plain([...x], w));
    const total = (a: readonly number[], u: number) => plain([...a], u).reduce((p, q) => p + q, 0);
    const step = 1e-4;
    near(
      numbers(dx),
      x.map(
        (_, i) =>
          (total(
            x.map((v, k) => (k === i ? v + step : v)),
            w,
          ) -
            total(
              x.map((v, k) => (k === i ? v - step : v)),
              w,
            )) /
          (2 * step),
      ),
      3,
    );
    near(numbers(dw), [(total(x, w + step) - total(x, w - step)) / (2 * step)], 3);
  });

  it("says how the branches differ", () => {
    const c = f.tensor(true);
    expect(() =>
      f.cond(
        c,
        () => f.tensor([1]),
        () => f.tensor([1, 2]),
      ),
    ).toThrow("cond: the branches differ: float32[1] and float32[2]");
    expect(() =>
      f.cond(
        c,
        () => ({ a: f.tensor(1) }) as object,
        () => ({ b: f.tensor(1) }) as object,
      ),
    ).toThrow('cond: the branches differ in structure: "a" is in the first only');
    expect(() =>
      f.cond(
        f.tensor(1),
        () => f.tensor(1),
        () => f.tensor(2),
      ),
    ).toThrow("cond: expected a bool scalar as the condition, got float32[]");
  });
});

describe("scan", () => {
  it("nests, and sees tensors of both outer levels", async () => {
    const outer = f.compile((rows: Tensor, w: Tensor) =>
      f.scan(
        (c: Tensor, row: Tensor) => {
          const [sum] = f.scan(
            (s: Tensor, v: Tensor) => [f.add(s, f.mul(f.mul(v, w), c)), []] as const,
            f.tensor(0),
            row,
          );
          return [f.add(c, sum), sum] as const;
        },
        f.tensor(1),
        rows,
      ),
    );
    const [last, sums] = await outer(
      f.tensor([
        [1, 2],
        [3, 4],
      ]),
      f.tensor(0.5),
    );
    // c = 1: 0.5·(1 + 2) = 1.5; c = 2.5: 0.5·7·2.5 = 8.75.
    near(numbers(sums), [1.5, 8.75]);
    near(numbers(last), [11.25]);
  });

  it("walks backwards, over nothing, and without a sequence", async () => {
    const [reversed, none, powers] = await f.evaluate([
      f.scan((c: Tensor, v: Tensor) => [f.add(c, v), f.add(c, v)] as const, f.tensor(0), f.tensor([1, 2, 3]), {
        reverse: true,
      })[1],
      f.scan((c: Tensor, v: Tensor) => [f.add(c, v), f.mul(v, 2)] as const, f.tensor(7), f.zeros([0]))[0],
      f.scan((c: Tensor) => [f.mul(c, 2), c] as const, f.tensor(1), undefined, { length: 5 })[1],
    ] as const);
    near(numbers(reversed), [6, 5, 3]);
    near(numbers(none), [7]);
    near(numbers(powers), [1, 2, 4, 8, 16]);
  });

  it("hoists what does not depend on the step, unless told not to", () => {
    const body = (hoist: boolean) =>
      f
        .compile(
          (x: Tensor, w: Tensor) =>
            f.scan((c: Tensor, v: Tensor) => [f.add(c, f.mul(v, f.exp(w))), []] as const, f.tensor(0), x, { hoist })[0],
        )
        .print(f.tensor([1, 2]), f.tensor(1));
    expect(body(true)).toMatch(/exp[^{]*\n[\s\S]*scan/);
    expect(body(false).split("{")[1]).toContain("exp");
  });

  it("keeps the type of its carry, and says so", () => {
    expect(() =>
      f.scan((c: Tensor) => [f.cast(c, "int32"), []] as const, f.tensor(1), undefined, { length: 2 }),
    ).toThrow("scan: the carry before and after a step differ: float32[] and int32[]");
    expect(() => f.scan((c: Tensor) => [c, []] as const, f.tensor(1), undefined)).toThrow(
      "scan: without a sequence in xs, length must say how many steps there are",
    );
    expect(() => f.scan((c: Tensor) => [c, []] as const, f.tensor(1), [f.zeros([2]), f.zeros([3])])).toThrow(
      "scan: expected 2 steps in every sequence, got 3",
    );
  });
});

describe("whileLoop", () => {
  it("stops by its test, which may see captured tensors", async () => {
    const run = f.compile((limit: Tensor) =>
      f.whileLoop(
        (x) => f.less(x, limit),
        (x) => f.mul(x, 3),
        f.tensor(1),
      ),
    );
    near(numbers(await run(f.tensor(100))), [243]);
    near(numbers(await run(f.tensor(0.5))), [1]);
  });

  it("has gradients through no step, some steps, and its bound", async () => {
    const power = (x: Tensor, limit: number) =>
      f.whileLoop(
        (y) => f.less(y, limit),
        (y) => f.mul(y, x),
        x,
        { maxSteps: 4 },
      );
    const run = f.compile((x: Tensor, limit: number) => f.valueAndGrad((v: Tensor) => power(v, limit))(x));
    const at = async (limit: number) => (await run(f.tensor(3), limit)).map((v) => f.item(v as Tensor));
    expect(await at(1)).toEqual([3, 1]);
    expect(await at(20)).toEqual([27, 27]);
    // Bounded: 3^5, whatever the limit.
    expect(await at(1e9)).toEqual([243, 405]);
  });

  it("says that a gradient needs a bound", () => {
    const loss = (x: Tensor) =>
      f.whileLoop(
        (y) => f.less(y, 9),
        (y) => f.mul(y, x),
        x,
      );
    expect(() => f.grad(loss)(f.tensor(2))).toThrow(
      "whileLoop: its gradient needs room for the values of each step; give maxSteps",
    );
  });
});

describe("checkpoint", () => {
  it("computes again for the gradient, and gives the same numbers", async () => {
    const inner = (x: Tensor, w: Tensor) => f.sin(f.mul(f.exp(x), w));
    const loss = (fn: typeof inner) => (x: Tensor, w: Tensor) => f.sum(f.square(fn(x, w)));
    const gradients = (fn: typeof inner) => f.compile((x: Tensor, w: Tensor) => f.vjp(loss(fn), x, w)[1](f.tensor(1)));
    const [x, w] = [f.tensor([0.1, 0.7]), f.tensor([0.5, -2])];
    const [plain, again] = [gradients(inner), gradients(f.checkpoint(inner))];
    const [a, b] = [await plain(x, w), await again(x, w)];
    for (const [i, v] of a.entries()) near(numbers(v), numbers(b[i] as Tensor), 6);
    expect(plain.print(x, w).match(/= exp/g)).toHaveLength(1);
    expect(again.print(x, w).match(/= exp/g)).toHaveLength(2);
  });

  it("differentiates through captured tensors", async () => {
    const g = await f.evaluate(
      f.grad((w: Tensor) => f.sum(f.checkpoint((x: Tensor) => f.mul(x, w))(f.tensor([2, 3]))))(f.tensor(5)),
    );
    near(numbers(g), [5]);
  });
});

describe("derivatives", () => {
  it("jvp is the directional derivative, vjp its transpose", async () => {
    const fn = (x: Tensor, y: Tensor) => f.mul(f.sin(x), f.exp(y));
    const [x, y, dx, dy] = [f.tensor([0.3, 1]), f.tensor([0.2, -1]), f.tensor([1, 2]), f.tensor([-1, 0.5])];
    const [forward, back] = await f.evaluate([
      f.jvp(fn, [x, y], [dx, dy]),
      f.vjp(fn, x, y)[1](f.tensor([1, 1])),
    ] as const);
    const slope = [0, 1].map((i) => {
      const [a, b, c, d] = [x, y, dx, dy].map((t) => numbers(t)[i]) as [number, number, number, number];
      return Math.cos(a) * Math.exp(b) * c + Math.sin(a) * Math.exp(b) * d;
    });
    // Sines of a GPU are right to 2^-11 (see check.ts).
    const digits = f.ownsMemory({}) ? 3 : 5;
    near(numbers(forward[1]), slope, digits);
    const paired =
      numbers(back[0]).reduce((t, v, i) => t + v * (numbers(dx)[i] as number), 0) +
      numbers(back[1]).reduce((t, v, i) => t + v * (numbers(dy)[i] as number), 0);
    expect(paired).toBeCloseTo(
      slope.reduce((p, q) => p + q, 0),
      digits,
    );
  });

  it("nest: a Hessian-vector product", async () => {
    const loss = (x: Tensor) => f.sum(f.mul(f.square(x), f.square(f.flip(x))));
    const product = await f.evaluate(f.jvp(f.grad(loss), [f.tensor([1, 2])], [f.tensor([1, 0])])[1]);
    // Both terms are a²b²: the Hessian of 2a²b² is [[4b², 8ab], [8ab, 4a²]].
    near(numbers(product), [16, 16]);
  });

  it("stop at stopGradient, and follow a rule of one's own", async () => {
    const doubled = f.customGradient(
      (x: Tensor) => f.floor(x),
      (dy) => [f.mul(dy, 10)],
    );
    const [stopped, own] = await f.evaluate([
      f.grad((x: Tensor) => f.sum(f.mul(x, f.stopGradient(x))))(f.tensor([3])),
      f.grad((x: Tensor) => f.sum(doubled(x)))(f.tensor([3.7])),
    ] as const);
    near(numbers(stopped), [3]);
    near(numbers(own), [10]);
  });

  it("say what they need", () => {
    expect(() => f.grad((x: Tensor) => x)(f.tensor([1, 2]))).toThrow(
      "grad: the function must give a float scalar, got Tensor(float32[2]); reduce it with sum or mean",
    );
    expect(() =>
      f.grad((x: { n: Tensor }) => f.sum(f.cast(x.n, "float32")))({ n: f.tensor([1], { dtype: "int32" }) }),
    ).toThrow('grad: expected float tensors in the first argument, got Tensor(int32[1]) at "n"');
    expect(() => f.vjp((x: Tensor) => x, f.tensor([1]))[1](f.tensor([1, 2]))).toThrow(
      "vjp: expected Tensor(float32[1]), got Tensor(float32[2])",
    );
  });
});
