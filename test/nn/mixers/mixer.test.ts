import { expect, it } from "vitest";
import { compile, evaluate, key, normal, slice, type Tensor, tensor, toNested } from "../../../src/array/index.ts";
import { multiHeadAttention, writeCache } from "../../../src/nn/index.ts";

const piece = (x: Tensor, from: number, to: number): Tensor => slice(x, { starts: [from], stops: [to], axes: [1] });

for (const options of [{}, { rotary: {} }, { rotary: { pairs: "neighbours" as const }, kvHeads: 2 }]) {
  it(`extends attention ${JSON.stringify(options)} piece by piece to what the whole sequence gives`, async () => {
    const layer = multiHeadAttention({ width: 16, heads: 4, causal: true, ...options });
    const params = await evaluate(layer.init(key(1)));
    const x = await evaluate(normal(key(2), [2, 7, 16]));
    const whole = await compile(layer.apply)(params, x);
    const pieces = await compile((weights: typeof params, input: Tensor) => {
      let cache = layer.cache({ batch: 2, length: 9 });
      const outputs: Tensor[] = [];
      for (const [from, to] of [
        [0, 4],
        [4, 5],
        [5, 7],
      ] as const) {
        const seen = tensor(Int32Array.of(from, from));
        const [y, fresh] = layer.extend(weights, piece(input, from, to), cache, seen);
        outputs.push(y);
        cache = writeCache(cache, fresh, seen);
      }
      return outputs;
    })(params, x);
    const joined = [0, 1].map((row) => pieces.flatMap((y) => (toNested(y) as number[][][])[row] as number[][]));
    (toNested(whole) as number[][][]).forEach((rows, b) => {
      rows.forEach((row, t) => {
        row.forEach((value, i) => {
          expect((joined[b] as number[][])[t]?.[i]).toBeCloseTo(value, 5);
        });
      });
    });
  });
}

it("gives rows at different positions what each would get alone", async () => {
  const layer = multiHeadAttention({ width: 8, heads: 2, causal: true, rotary: {} });
  const params = await evaluate(layer.init(key(3)));
  const x = await evaluate(normal(key(4), [1, 5, 8]));
  const whole = (toNested(await compile(layer.apply)(params, x)) as number[][][])[0] as number[][];
  // Row 0 has seen four positions, row 1 two of the same sequence.
  const cacheAfter = (count: number) =>
    compile((p: typeof params, input: Tensor) => {
      const seen = tensor(Int32Array.of(0));
      const [, fresh] = layer.extend(p, piece(input, 0, count), layer.cache({ batch: 1, length: 0 }), seen);
      return writeCache(layer.cache({ batch: 1, length: 5 }), fresh, seen);
    })(params, x);
  const [a, b] = [await cacheAfter(4), await cacheAfter(2)];
  const join = (p: Tensor, q: Tensor): Tensor =>
    tensor(Float32Array.of(...(p.data as Float32Array), ...(q.data as Float32Array)), {
      shape: [2, ...p.shape.slice(1)],
    });
  const data = x.data as Float32Array;
  const next = tensor(Float32Array.of(...data.slice(32, 40), ...data.slice(16, 24)), { shape: [2, 1, 8] });
  const [y] = await compile(layer.extend)(
    params,
    next,
    { keys: join(a.keys, b.keys), values: join(a.values, b.values) },
    tensor(Int32Array.of(4, 2)),
  );
  const rows = toNested(y) as number[][][];
  for (const [row, position] of [4, 2].entries())
    whole[position]?.forEach((value, i) => {
      expect(rows[row]?.[0]?.[i]).toBeCloseTo(value, 5);
    });
});

it("writes new positions of each row where that row stands", async () => {
  const cache = tensor(new Float32Array(8), { shape: [2, 4, 1] });
  const fresh = tensor([1, 2, 3, 4], { shape: [2, 2, 1] });
  const after = await evaluate(writeCache({ cache }, { cache: fresh }, tensor(Int32Array.of(0, 3))));
  expect([...after.cache.data]).toEqual([1, 2, 0, 0, 0, 0, 0, 3]);
});

it("refuses to extend attention that is not causal", () => {
  const layer = multiHeadAttention({ width: 8, heads: 2 });
  const x = tensor(new Float32Array(8), { shape: [1, 1, 8] });
  expect(() =>
    layer.extend(layer.init(key(0)), x, layer.cache({ batch: 1, length: 2 }), tensor(Int32Array.of(0))),
  ).toThrow("only causal attention can be extended");
});
