import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  mapTree,
  mul,
  reshape,
  square,
  sum,
  type Tensor,
  tensor,
} from "../../src/array/index.ts";
import { attend, multiHeadAttention } from "../../src/nn/index.ts";
import { distance, gradientError, type Matrix, numbers, parameterCount, softmaxRow } from "./reference.ts";

/** Attention of one head, one query at a time. */
function reference(q: Matrix, k: Matrix, v: Matrix, visible: (i: number, j: number) => boolean): number[][] {
  return q.map((query, i) => {
    const scores = k.map((other, j) =>
      visible(i, j)
        ? query.reduce((total, x, d) => total + x * (other[d] as number), 0) / Math.sqrt(query.length)
        : Number.NEGATIVE_INFINITY,
    );
    const weights = softmaxRow(scores);
    return (v[0] as number[]).map((_, d) => weights.reduce((total, w, j) => total + w * (v[j]?.[d] as number), 0));
  });
}

/** Numbers as `[heads][time][width]`, and the same as a tensor with a batch of one. */
function block(heads: number, time: number, width: number, seed: number) {
  const flat = numbers(heads * time * width, seed);
  const row = (h: number, t: number) => flat.slice((h * time + t) * width, (h * time + t + 1) * width);
  return {
    rows: Array.from({ length: heads }, (_, h) => Array.from({ length: time }, (_, t) => row(h, t))),
    tensor: tensor(Float32Array.from(flat), { shape: [1, heads, time, width] }),
  };
}

describe("attend", () => {
  const [q, k, v] = [block(4, 3, 5, 1), block(2, 6, 5, 2), block(2, 6, 7, 3)];
  const everywhere = () => true;

  it.each([
    ["all keys", {}, everywhere],
    // Three queries at the end of six positions.
    ["earlier keys", { causal: true }, (i: number, j: number) => j <= i + 3],
    [
      "keys of a mask",
      { mask: tensor([true, false, true, true, false, true]) },
      (_: number, j: number) => j !== 1 && j !== 4,
    ],
  ] as const)(
    "agrees with plain JavaScript over %s, with key heads that serve two query heads",
    async (_, options, visible) => {
      const y = await compile(() => attend(q.tensor, k.tensor, v.tensor, options))();
      const expected = q.rows.flatMap((rows, h) => {
        const group = Math.floor(h / 2);
        return reference(rows, k.rows[group] as number[][], v.rows[group] as number[][], visible);
      });
      expect(y.shape).toEqual([1, 4, 3, 7]);
      expect(distance(y.data, expected.flat())).toBeLessThan(1e-6);
    },
  );

  it("gives uniform weights for equal keys", async () => {
    const same = tensor(new Float32Array(12).fill(0.3), { shape: [1, 4, 3] });
    const values = tensor([[[1], [2], [3], [6]]]);
    const y = await evaluate(attend(same, same, values, { causal: true }));
    expect(distance(y.data, [1, 1.5, 2, 3])).toBeLessThan(1e-6);
  });

  it("gives keys that are not seen no weight at all, whatever their scores", async () => {
    const far = (sign: number) => mul(q.tensor, tensor(sign * 1e6));
    const seen = tensor([true, false, true, true, false, true]);
    // Values of hidden keys are so large that the least weight would show.
    const values = mul(v.tensor, reshape(tensor(Float32Array.of(1, 1e30, 1, 1, 1e30, 1)), [6, 1]));
    for (const sign of [1, -1]) {
      const y = await evaluate(attend(far(sign), k.tensor, values, { mask: seen }));
      expect(Math.max(...Array.from(y.data as Float32Array, Math.abs))).toBeLessThan(4);
    }
  });

  it("stays finite where all keys are masked", async () => {
    const y = await evaluate(attend(q.tensor, k.tensor, v.tensor, { mask: tensor([false]) }));
    expect([...y.data].every((value) => Number.isFinite(Number(value)))).toBe(true);
  });

  it("names shapes that do not fit", () => {
    expect(() => attend(q.tensor, block(3, 6, 5, 2).tensor, v.tensor)).toThrow(
      "attend: expected q [..., heads, time, width]",
    );
    expect(() => attend(k.tensor, block(2, 3, 5, 1).tensor, block(2, 3, 5, 1).tensor, { causal: true })).toThrow(
      "attend: causal attention needs at least as many keys as queries, got 3 and 6",
    );
  });
});

describe("multiHeadAttention", () => {
  const input = (seed = 4, batch = 2, time = 5) =>
    tensor(Float32Array.from(numbers(batch * time * 12, seed)), { shape: [batch, time, 12] });
  const x = input();

  it("is, with one head, attention between projections", async () => {
    const layer = multiHeadAttention({ width: 12, heads: 1 });
    const params = await evaluate(layer.init(key(1)));
    const y = await compile(layer.apply)(params, x);
    const project = (name: "query" | "key" | "value" | "output", rows: Matrix): number[][] => {
      const { weight, bias } = params[name];
      return rows.map((row) =>
        Array.from({ length: 12 }, (_, j) =>
          row.reduce((t, value, i) => t + value * Number(weight.data[i * 12 + j]), Number(bias.data[j])),
        ),
      );
    };
    const expected = [0, 1].flatMap((b) => {
      const rows = Array.from({ length: 5 }, (_, t) =>
        [...x.data].slice((b * 5 + t) * 12, (b * 5 + t + 1) * 12).map(Number),
      );
      return project(
        "output",
        reference(project("query", rows), project("key", rows), project("value", rows), () => true),
      );
    });
    expect(distance(y.data, expected.flat())).toBeLessThan(1e-6);
  });

  it("never lets later positions change earlier outputs, if causal", async () => {
    for (const rotation of [undefined, {}]) {
      const layer = multiHeadAttention({
        width: 12,
        heads: 3,
        causal: true,
        ...(rotation ? { rotary: rotation } : {}),
      });
      const params = await evaluate(layer.init(key(2)));
      const run = compile(layer.apply);
      const changed = Float32Array.from(x.data as Float32Array);
      // Position 3 of both examples.
      for (const start of [36, 96]) changed.fill(9, start, start + 12);
      const [a, b] = [await run(params, x), await run(params, tensor(changed, { shape: x.shape }))];
      const rows = (y: Tensor, from: number, to: number) =>
        [0, 1].flatMap((e) => [...y.data].slice((e * 5 + from) * 12, (e * 5 + to) * 12));
      expect(rows(a, 0, 3)).toEqual(rows(b, 0, 3));
      expect(distance(rows(a, 3, 5), rows(b, 3, 5))).toBeGreaterThan(0.01);
    }
  });

  it("does not see the order of positions without causality and rotation, and does with rotation", async () => {
    const reversed = tensor(
      Float32Array.from({ length: x.size }, (_, i) =>
        Number(x.data[Math.floor(i / 60) * 60 + (4 - (Math.floor(i / 12) % 5)) * 12 + (i % 12)]),
      ),
      { shape: x.shape },
    );
    const back = (y: Tensor) =>
      Array.from({ length: y.size }, (_, i) =>
        Number(y.data[Math.floor(i / 60) * 60 + (4 - (Math.floor(i / 12) % 5)) * 12 + (i % 12)]),
      );
    const gap = async (layer: ReturnType<typeof multiHeadAttention>) => {
      const params = await evaluate(layer.init(key(3)));
      const run = compile(layer.apply);
      return distance(back(await run(params, reversed)), (await run(params, x)).data);
    };
    expect(await gap(multiHeadAttention({ width: 12, heads: 3 }))).toBeLessThan(1e-6);
    expect(await gap(multiHeadAttention({ width: 12, heads: 3, causal: true }))).toBeGreaterThan(1e-3);
    // Turned backwards, angles change sign: another function, unless queries and keys are symmetric.
    expect(await gap(multiHeadAttention({ width: 12, heads: 3, rotary: {} }))).toBeGreaterThan(1e-6);
  });

  it("with fewer key heads is full attention whose key heads are repeated", async () => {
    const [full, grouped] = [4, 2].map((kvHeads) =>
      multiHeadAttention({ width: 12, heads: 4, kvHeads, causal: true, rotary: { pairs: "halves" }, headWidth: 6 }),
    );
    const params = await evaluate((grouped as NonNullable<typeof grouped>).init(key(4)));
    // Head h of the full layer gets the projection of key head h/2.
    const repeated = (p: { weight: Tensor; bias: Tensor }) =>
      mapTree(p, (w) => {
        const rows = w.size / 12;
        const data = Float32Array.from({ length: rows * 24 }, (_, i) => {
          const [row, column] = [Math.floor(i / 24), i % 24];
          return Number(w.data[row * 12 + Math.floor(column / 12) * 6 + (column % 6)]);
        });
        return tensor(data, { shape: [...w.shape.slice(0, -1), 24] });
      });
    const wide = { ...params, key: repeated(params.key), value: repeated(params.value) };
    const a = await evaluate((grouped as NonNullable<typeof grouped>).apply(params, x));
    const b = await evaluate((full as NonNullable<typeof full>).apply(wide, x));
    expect(distance(a.data, b.data)).toBeLessThan(1e-6);
  });

  it("drops attention weights in training only", async () => {
    const layer = multiHeadAttention({ width: 12, heads: 3, dropout: 0.5 });
    const params = await evaluate(layer.init(key(5)));
    const run = compile((k: Tensor) => [layer.apply(params, x), layer.apply(params, x, { training: true, key: k })]);
    const [[plain, first], [, again], [, other]] = [await run(key(1)), await run(key(1)), await run(key(2))] as [
      Tensor[],
      Tensor[],
      Tensor[],
    ];
    expect(distance((plain as Tensor).data, (first as Tensor).data)).toBeGreaterThan(1e-3);
    expect(distance((first as Tensor).data, (again as Tensor).data)).toBe(0);
    expect(distance((first as Tensor).data, (other as Tensor).data)).toBeGreaterThan(1e-3);
    expect(() => layer.apply(params, x, { training: true })).toThrow("dropout: training needs a key");
  });

  it("has the right gradient, grouped and rotated", async () => {
    const layer = multiHeadAttention({ width: 12, heads: 2, kvHeads: 1, causal: true, rotary: {} });
    const factors = tensor(Float64Array.from(numbers(120, 8)), { shape: [2, 5, 12] });
    const loss = (p: { layer: ReturnType<typeof layer.init>; x: Tensor }) =>
      sum(mul(square(layer.apply(p.layer, p.x)), factors));
    expect(await gradientError(loss, { layer: layer.init(key(6)), x })).toBeLessThan(1e-7);
  });

  it.each([
    ["with biases", multiHeadAttention({ width: 128, heads: 4 }), 4 * 128 ** 2 + 4 * 128],
    ["without", multiHeadAttention({ width: 128, heads: 4, bias: false }), 4 * 128 ** 2],
    [
      "with one key head",
      multiHeadAttention({ width: 128, heads: 4, kvHeads: 1, bias: false }),
      2 * 128 ** 2 + 2 * 128 * 32,
    ],
  ])("counts its parameters %s", (_, layer, count) => {
    expect(parameterCount(layer.init(key(0)))).toBe(count);
  });

  it("accepts any number of leading axes, and one position", async () => {
    const layer = multiHeadAttention({ width: 12, heads: 3, causal: true });
    const params = await evaluate(layer.init(key(7)));
    const [flat, deep] = [
      await evaluate(layer.apply(params, x)),
      await evaluate(layer.apply(params, tensor(x.data, { shape: [2, 1, 5, 12] }))),
    ];
    expect(deep.shape).toEqual([2, 1, 5, 12]);
    expect(distance(flat.data, deep.data)).toBeLessThan(1e-6);
    expect((await evaluate(layer.apply(params, input(1, 1, 1)))).shape).toEqual([1, 1, 12]);
  });

  it("names wrong options and inputs", () => {
    expect(() => multiHeadAttention({ width: 10, heads: 3 })).toThrow(
      "multiHeadAttention: width 10 cannot be cut into 3 equal heads; give headWidth",
    );
    expect(() => multiHeadAttention({ width: 12, heads: 4, kvHeads: 3 })).toThrow(
      "multiHeadAttention: kvHeads must divide the 4 heads, got 3",
    );
    expect(() => multiHeadAttention({ width: 12, heads: 4, dropout: 1 })).toThrow(
      "multiHeadAttention: the rate must be at least 0 and below 1, got 1",
    );
    const layer = multiHeadAttention({ width: 12, heads: 3 });
    expect(() => layer.apply(layer.init(key(0)), tensor(new Float32Array(12)))).toThrow(
      "multiHeadAttention: expected x of shape [..., time, 12], got [12]",
    );
    expect(() => layer.apply(layer.init(key(0)), tensor([[1]]))).toThrow(
      "linear: expected x with a last axis of 12, got shape [1, 1]",
    );
  });
});
