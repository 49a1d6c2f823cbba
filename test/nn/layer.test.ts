import { describe, expect, expectTypeOf, it } from "vitest";
import {
  add,
  compile,
  evaluate,
  flatten,
  key,
  mul,
  relu,
  type Tensor,
  tensor,
  toNested,
} from "../../src/array/index.ts";
import {
  compose,
  constantOf,
  dropout,
  ffn,
  type Layer,
  type LinearParams,
  linear,
  type NoParams,
  parallel,
  repeat,
  residual,
  sequential,
  stateless,
} from "../../src/nn/index.ts";

const pair = () => linear({ inputs: 2, outputs: 2 });
const valuesOf = async (tree: Parameters<typeof flatten>[0]) =>
  flatten(await evaluate(tree)).leaves.map(({ data }) => [...data]);

describe("compose", () => {
  it("names parameters and keys after the parts, so that adding one does not disturb the others", async () => {
    const small = compose({ up: pair(), down: pair() }, ({ up, down }, x) => down(up(x)));
    const large = compose({ up: pair(), middle: pair(), down: pair() }, ({ up, middle, down }, x) =>
      down(middle(up(x))),
    );
    const [a, b] = [small.init(key(7)), large.init(key(7))];
    expect(await valuesOf([a.up, a.down])).toEqual(await valuesOf([b.up, b.down]));
    expect(await valuesOf([b.middle])).not.toEqual(await valuesOf([b.up]));
    expect(flatten(b).paths).toEqual([
      "up.weight",
      "up.bias",
      "middle.weight",
      "middle.bias",
      "down.weight",
      "down.bias",
    ]);
  });

  it("hands forward the mode and the parameters, and passes values of any type on", async () => {
    const layer = compose(
      { scale: pair() },
      ({ scale }, x: { readonly left: Tensor; readonly right: Tensor }, mode, params) =>
        mode?.training ? params.scale.bias : add(scale(x.left), x.right),
    );
    const params = {
      scale: {
        weight: tensor([
          [1, 2],
          [3, 4],
        ]),
        bias: tensor([10, 20]),
      },
    };
    const x = { left: tensor([[1, 1]]), right: tensor([[100, 200]]) };
    expect(toNested(await evaluate(layer.apply(params, x)))).toEqual([[114, 226]]);
    expect(toNested(await evaluate(layer.apply(params, x, { training: true })))).toEqual([10, 20]);
  });

  it("draws anew for each part and for each call of a part", async () => {
    const layer = compose({ first: dropout(0.5), second: dropout(0.5) }, ({ first, second }, x) => [
      first(x),
      first(x),
      second(x),
    ]);
    const run = compile((x: Tensor, k: Tensor) =>
      layer.apply({ first: {}, second: {} }, x, { training: true, key: k }),
    );
    const x = tensor(new Float32Array(64).fill(1));
    const [a, b, c] = (await run(x, key(1))).map(({ data }) => [...data]);
    expect(a).not.toEqual(b);
    expect(a).not.toEqual(c);
    expect(b).not.toEqual(c);
    expect((await run(x, key(1))).map(({ data }) => [...data])).toEqual([a, b, c]);
  });
});

describe("sequential", () => {
  it("applies layers and plain functions in order", async () => {
    const net = sequential(pair(), relu, linear({ inputs: 2, outputs: 1, bias: false }));
    const params = [
      {
        weight: tensor([
          [1, 0],
          [0, 1],
        ]),
        bias: tensor([0, -5]),
      },
      {},
      { weight: tensor([[2], [3]]) },
    ] as const;
    expect(
      toNested(
        await evaluate(
          net.apply(
            params,
            tensor([
              [1, 2],
              [3, 9],
            ]),
          ),
        ),
      ),
    ).toEqual([[2], [18]]);
  });

  it("keeps the keys of earlier layers when one is appended", async () => {
    const [a, b] = [sequential(pair(), pair()).init(key(3)), sequential(pair(), pair(), pair()).init(key(3))];
    expect(await valuesOf(a)).toEqual((await valuesOf(b)).slice(0, 4));
  });

  it("is the identity without layers", async () => {
    const x = tensor([1, 2]);
    expect(sequential().apply([], x)).toBe(x);
  });
});

describe("residual, parallel, repeat, stateless", () => {
  it("residual adds its input", async () => {
    const layer = residual(linear({ inputs: 2, outputs: 2, init: constantOf(1), initBias: constantOf(0.5) }));
    expect(toNested(await evaluate(layer.apply(layer.init(key(0)), tensor([1, 2]))))).toEqual([4.5, 5.5]);
    const double = residual((x: Tensor) => x);
    expect(toNested(await evaluate(double.apply({}, tensor([1, 2]))))).toEqual([2, 4]);
  });

  it("parallel sums its branches, or joins them as it is told", async () => {
    const branches = { a: stateless((x: Tensor) => mul(x, 2)), b: (x: Tensor) => mul(x, 10) };
    const summed = parallel(branches);
    const apart = parallel(branches, ({ a, b }) => ({ low: a, high: b }));
    const params = { a: {}, b: {} };
    expect(toNested(await evaluate(summed.apply(params, tensor([1, 2]))))).toEqual([12, 24]);
    const { low, high } = await evaluate(apart.apply(params, tensor([1, 2])));
    expect([toNested(low), toNested(high)]).toEqual([
      [2, 4],
      [10, 20],
    ]);
    expect(() => parallel({})).toThrow("parallel: expected at least one branch, got none");
  });

  it("repeat gives each copy parameters of its own", async () => {
    const layer = repeat(pair(), 3);
    const params = await evaluate(layer.init(key(5)));
    expect(params).toHaveLength(3);
    expect([...(params[0] as LinearParams).weight.data]).not.toEqual([...(params[1] as LinearParams).weight.data]);
    const one = pair();
    const x = tensor([[1, -1]]);
    const byHand = params.reduce((h, own) => one.apply(own, h), x);
    expect(toNested(await evaluate(layer.apply(params, x)))).toEqual(toNested(await evaluate(byHand)));
    expect(() => layer.apply(params.slice(1), x)).toThrow("repeat: expected parameters for 3 copies, got 2");
    expect(() => repeat(pair(), -1)).toThrow("repeat: expected a whole number of copies, got -1");
  });
});

describe("types of parameters", () => {
  it("follow from the layers, and a wrong tree does not compile", () => {
    const net = sequential(pair(), relu, linear({ inputs: 2, outputs: 1, bias: false }));
    type Net = ReturnType<typeof net.init>;
    expectTypeOf<Net[0]>().toEqualTypeOf<{ readonly weight: Tensor; readonly bias: Tensor }>();
    expectTypeOf<Net[1]>().toEqualTypeOf<NoParams>();
    expectTypeOf<Net[2]>().toEqualTypeOf<{ readonly weight: Tensor }>();
    const block = compose({ inner: ffn({ width: 2, hidden: 4 }), head: pair() }, ({ inner, head }, x) =>
      head(inner(x)),
    );
    expectTypeOf(block.init).returns.toHaveProperty("inner").toHaveProperty("up").toEqualTypeOf<LinearParams>();
    const generic = <P extends { readonly [name: string]: Tensor }>(layer: Layer<P>) => repeat(residual(layer), 2);
    expectTypeOf(generic(pair()).init(key(0))).toEqualTypeOf<readonly LinearParams[]>();

    const t = tensor([0]);
    const wrong = [
      // @ts-expect-error the bias is missing
      () => net.apply([{ weight: t }, {}, { weight: t }], t),
      // @ts-expect-error a layer too few
      () => net.apply([{ weight: t, bias: t }, {}], t),
      // @ts-expect-error the part "head" is missing
      () => block.apply({ inner: block.init(key(0)).inner }, t),
      // @ts-expect-error there is no part of this name
      () => compose({ a: pair() }, ({ b }, x) => b(x)),
      // @ts-expect-error this layer has no bias
      () => linear({ inputs: 1, outputs: 1, bias: false }).init(key(0)).bias,
    ];
    expect(wrong).toHaveLength(5);
  });
});
