import { afterAll, describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  key,
  normal,
  releaseSessions,
  slice,
  square,
  sum,
  type Tensor,
  type Tree,
  tensor,
  toNested,
  zeros,
} from "../../../src/array/index.ts";
import { decoder } from "../../../src/models/index.ts";
import {
  implicitFilter,
  type LongConvolutionParams,
  longConvolutionMixer,
  parameterCount,
  writeCache,
} from "../../../src/nn/index.ts";
import { lowPassKernel } from "../../../src/spectral/index.ts";
import { affine, distance, gradientError, type Matrix } from "../reference.ts";

afterAll(releaseSessions);

const [width, positions, time] = [4, 16, 10] as const;
const sizes = { width, positions, hidden: 8 } as const;
const x = await evaluate(normal(key(1), [2, time, width]));
const rows = (t: Tensor): number[][][] => toNested(t) as number[][][];
const flat = (t: Tensor): number[] => Array.from(t.data, Number);

/** The layer by its definition: projections, gates, and a sum over all earlier positions. */
function direct(params: LongConvolutionParams, taps: number[][], input: Matrix): number[][] {
  const numbers = (t: Tensor) => toNested(t) as number[][];
  const all = affine(input, numbers(params.inward.weight), flat(params.inward.bias));
  const values = all.map((row) =>
    Array.from({ length: width }, (_, c) => (row[width + c] as number) * (row[2 * width + c] as number)),
  );
  const mixed = values.map((row, t) =>
    row.map((v, c) => {
      const filtered = (taps[c] as number[]).reduce(
        (total, tap, s) => total + (s <= t ? tap * (values[t - s]?.[c] as number) : 0),
        0,
      );
      return (all[t]?.[c] as number) * (filtered + v * Number(params.direct.data[c]));
    }),
  );
  return affine(mixed, numbers(params.output.weight), flat(params.output.bias));
}

const options = {
  "all taps": {},
  "few taps": { taps: 3 },
  "few frequencies": { keep: 0.4 },
  "few taps and frequencies": { taps: 8, keep: 0.5 },
} as const;

describe.each(Object.entries(options))("longConvolutionMixer with %s", (_, own) => {
  const layer = longConvolutionMixer({ ...sizes, ...own });
  const kernels = async (params: LongConvolutionParams) => {
    const given: { taps?: number; keep?: number } = own;
    const all = implicitFilter(sizes).taps(params.filter, given.taps ?? positions);
    return toNested(await evaluate(given.keep ? lowPassKernel(all, given.keep) : all)) as number[][];
  };

  it("is its definition, term by term", async () => {
    const params = await evaluate(layer.init(key(2)));
    const y = rows(await evaluate(layer.apply(params, x)));
    const taps = await kernels(params);
    for (const [b, input] of rows(x).entries())
      expect(distance((y[b] as number[][]).flat(), direct(params, taps, input).flat())).toBeLessThan(2e-5);
  });

  it("never sees later positions", async () => {
    const params = await evaluate(layer.init(key(2)));
    const changed = tensor(
      Float32Array.from(x.data as Float32Array, (v, i) => (Math.floor(i / width) % time >= 7 ? v + 1 : v)),
      { shape: x.shape },
    );
    const [a, b] = await evaluate([layer.apply(params, x), layer.apply(params, changed)] as const);
    for (const batch of [0, 1]) {
      const [before, after] = [rows(a)[batch]?.slice(0, 7).flat(), rows(b)[batch]?.slice(0, 7).flat()];
      expect(distance(before as number[], after as number[])).toBeLessThan(1e-5);
      expect(rows(a)[batch]?.[7]).not.toEqual(rows(b)[batch]?.[7]);
    }
  });

  it("extends piece by piece to what the whole sequence gives", async () => {
    const params = await evaluate(layer.init(key(2)));
    const whole = rows(await evaluate(layer.apply(params, x)));
    let cache = await evaluate(layer.cache({ batch: 2, length: 12 }));
    let from = 0;
    for (const to of [4, 5, 10]) {
      const piece = await evaluate(slice(x, { starts: [from], stops: [to], axes: [1] }));
      const run = compile((p: Tensor, c: typeof cache, s: Tensor) => {
        const [y, fresh] = layer.extend(params, p, c, s);
        return [y, writeCache<Tree>(c, fresh, s)] as const;
      });
      const [y, after] = await run(piece, cache, tensor(Int32Array.of(from, from)));
      for (const b of [0, 1])
        expect(
          distance((rows(y)[b] as number[][]).flat(), (whole[b] as number[][]).slice(from, to).flat()),
        ).toBeLessThan(2e-5);
      [cache, from] = [after as typeof cache, to];
    }
  });
});

it("has the gradients of central differences", async () => {
  const layer = longConvolutionMixer({ ...sizes, positions: 6 });
  const error = await gradientError(
    (at: { params: LongConvolutionParams; x: Tensor }) => sum(square(layer.apply(at.params, at.x))),
    { params: layer.init(key(0)), x: normal(key(3), [1, 6, width]) },
  );
  expect(error).toBeLessThan(1e-6);
});

it("with leaky sees later positions, and is not extended", async () => {
  const layer = longConvolutionMixer({ ...sizes, keep: 0.3, leaky: true });
  const params = await evaluate(layer.init(key(2)));
  const changed = tensor(
    Float32Array.from(x.data as Float32Array, (v, i) => (Math.floor(i / width) % time >= 7 ? v + 1 : v)),
    { shape: x.shape },
  );
  const [a, b] = await evaluate([layer.apply(params, x), layer.apply(params, changed)] as const);
  expect(distance(rows(a)[0]?.[6] as number[], rows(b)[0]?.[6] as number[])).toBeGreaterThan(1e-4);
  expect(() => layer.extend(params, x, layer.cache({ batch: 2, length: 4 }), zeros([2], "int32"))).toThrow(
    "cannot be extended",
  );
});

describe("implicitFilter", () => {
  it("has as many parameters for any number of positions, and decays", async () => {
    const [few, many] = [8, 4096].map((count) => implicitFilter({ width: 2, positions: count }));
    expect(parameterCount(few?.init(key(0)) as Tree)).toBe(parameterCount(many?.init(key(0)) as Tree));
    const taps = toNested(await evaluate(many?.taps(many.init(key(0)), 4096) as Tensor)) as number[][];
    const most = (c: number, from: number, to: number) =>
      Math.max(...(taps[c] as number[]).slice(from, to).map(Math.abs));
    expect(most(0, 3900, 4096)).toBeLessThan(0.2 * most(0, 0, 400));
    // The fastest has decayed after a tenth of the positions.
    expect(most(1, 410, 4096)).toBeLessThan(0.2 * most(1, 0, 40));
  });
});

it("says what does not fit", () => {
  expect(() => longConvolutionMixer({ ...sizes, taps: 17 })).toThrow("taps must be at most the 16 positions, got 17");
  expect(() => longConvolutionMixer({ ...sizes, keep: 0 })).toThrow("keep is a share above 0 and up to 1, got 0");
  expect(() => longConvolutionMixer({ ...sizes, leaky: true })).toThrow("give keep below 1");
  const layer = longConvolutionMixer(sizes);
  expect(() => layer.apply(layer.init(key(0)), zeros([1, 17, width]))).toThrow("at most 16 positions, got 17");
  expect(() => implicitFilter(sizes).taps(implicitFilter(sizes).init(key(0)), 0)).toThrow(
    "taps must be a whole number",
  );
});

it("stands in a decoder by name; fewer taps and frequencies take the same parameters", async () => {
  const model = (own: object) =>
    decoder({
      ...{ vocabulary: 11, context: positions, width },
      blocks: [[{ mixer: { kind: "longConvolution", hidden: 8, ...own } }, { ffn: { kind: "dense", hidden: 8 } }]],
    });
  const params = await evaluate(model({}).init(key(0)));
  const tokens = zeros([1, 12], "int32");
  const [whole, same, fewer] = await evaluate([
    model({}).apply(params, tokens),
    model({ taps: positions, keep: 1 }).apply(params, tokens),
    model({ taps: 2 }).apply(params, tokens),
  ] as const);
  expect(flat(whole)).toEqual(flat(same));
  expect(distance(flat(whole), flat(fewer))).toBeGreaterThan(1e-4);
});
