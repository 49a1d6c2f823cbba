import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  compile,
  concat,
  evaluate,
  irfft,
  key,
  mul,
  normal,
  ones,
  releaseSessions,
  slice,
  square,
  sum,
  type Tensor,
  zeros,
} from "../../../src/array/index.ts";
import { type VitConfig, vit } from "../../../src/models/index.ts";
import { layerNorm, parameterCount, spectralActivations, spectralFilterMixer } from "../../../src/nn/index.ts";
import { distance, gelu, gradientError } from "../reference.ts";

afterAll(releaseSessions);

const width = 6;
const heads = 3;
const fixed = { width, heads, adaptive: false } as const;

/** Rows of one example `[positions, width]`, as columns by feature. */
const columnsOf = (x: Tensor): number[][] => {
  const data = Array.from(x.data, Number);
  return Array.from({ length: width }, (_, c) => data.filter((_, i) => i % width === c));
};

/** A filter and biases drawn at random, both `[frequencies, heads]`. */
async function drawnParams(positions: number) {
  const shape = [Math.floor(positions / 2) + 1, heads];
  return evaluate({ filter: normal(key(5), shape), bias: mul(normal(key(6), shape), 0.3) });
}

/** The layer by its definition: a sum over all positions for each frequency, and back over all, negative ones included. */
function direct(
  column: readonly number[],
  filter: (f: number) => number,
  act: (re: number, im: number, f: number) => readonly [number, number],
): number[] {
  const n = column.length;
  const spectrum = Array.from({ length: n }, (_, f) => {
    const folded = Math.min(f, n - f);
    const sums = [0, 0] as [number, number];
    for (const [t, v] of column.entries()) {
      const angle = (2 * Math.PI * ((folded * t) % n)) / n;
      sums[0] += (v * Math.cos(angle)) / Math.sqrt(n);
      sums[1] -= (v * Math.sin(angle)) / Math.sqrt(n);
    }
    const [re, im] = act(sums[0] * filter(folded), sums[1] * filter(folded), folded);
    return f <= n - f ? [re, im] : [re, -im];
  }) as [number, number][];
  return column.map((_, t) => {
    let total = 0;
    for (const [f, [re, im]] of spectrum.entries()) {
      const angle = (2 * Math.PI * ((f * t) % n)) / n;
      total += (re * Math.cos(angle) - im * Math.sin(angle)) / Math.sqrt(n);
    }
    return total;
  });
}

describe("spectralFilterMixer", () => {
  it.each(
    [1, 2, 7, 12, 13].flatMap((positions) => spectralActivations.map((activation) => [positions, activation] as const)),
  )("is its definition for %d positions and %s", async (positions, activation) => {
    const layer = spectralFilterMixer({ ...fixed, positions, activation });
    const params = await drawnParams(positions);
    const x = await evaluate(normal(key(positions), [1, positions, width]));
    const y = columnsOf(await evaluate(layer.apply(params, x)));
    columnsOf(x).forEach((column, c) => {
      const at = (t: Tensor, f: number): number => Number(t.data[f * heads + Math.floor(c / (width / heads))]);
      const expected = direct(
        column,
        (f) => at(params.filter, f),
        (re, im, f) => {
          const b = at(params.bias, f);
          const shifted = activation === "modRelu" ? re : re + b;
          const m = Math.sqrt(shifted ** 2 + im ** 2 + 1e-8);
          if (activation === "identity") return [shifted, im];
          const size = activation === "modRelu" ? Math.max(0, m + b) : gelu(m);
          return [(shifted * size) / m, (im * size) / m];
        },
      );
      expect(distance(y[c] as number[], expected)).toBeLessThan(2e-5);
    });
  });

  it("is the identity for a filter of ones without bias and activation", async () => {
    for (const positions of [1, 9, 50, 784]) {
      const layer = spectralFilterMixer({ ...fixed, positions, activation: "identity" });
      const shape = [Math.floor(positions / 2) + 1, heads];
      const x = await evaluate(normal(key(1), [2, positions, width]));
      const y = await evaluate(layer.apply({ filter: ones(shape), bias: zeros(shape) }, x));
      expect(distance(x.data as Float32Array, y.data as Float32Array)).toBeLessThan(1e-5);
    }
  });

  it("is a circular convolution without bias and activation, and moves with its input", async () => {
    const positions = 15;
    const layer = spectralFilterMixer({ ...fixed, positions, activation: "identity" });
    const { filter } = await drawnParams(positions);
    const params = { filter, bias: zeros(filter.shape) };
    const x = await evaluate(normal(key(2), [1, positions, width]));
    const kernel = await evaluate(irfft({ re: filter, im: zeros(filter.shape) }, { axis: 0, length: positions }));
    const y = columnsOf(await evaluate(layer.apply(params, x)));
    columnsOf(x).forEach((column, c) => {
      const tap = (s: number) => Number(kernel.data[s * heads + Math.floor(c / (width / heads))]);
      const expected = column.map((_, t) =>
        column.reduce((total, v, s) => total + v * tap((t - s + positions) % positions), 0),
      );
      expect(distance(y[c] as number[], expected)).toBeLessThan(1e-5);
    });
  });

  it.each(spectralActivations)("moves with its input around the ends: %s", async (activation) => {
    const positions = 10;
    // What is added to a spectrum is an impulse at the first position, which does not move: only modReLU adds nothing.
    const adaptive = activation === "modRelu";
    const layer = spectralFilterMixer({ width, heads, positions, activation, adaptive });
    const drawn = await evaluate(layer.init(key(3)));
    const params = adaptive ? drawn : await withoutBias(drawn);
    const x = await evaluate(normal(key(4), [2, positions, width]));
    const moved = (v: Tensor): Tensor => {
      const part = (from: number, to: number) => slice(v, { starts: [from], stops: [to], axes: [1] });
      return concat([part(3, positions), part(0, 3)], { axis: 1 });
    };
    const [a, b] = await evaluate([moved(layer.apply(params, x)), layer.apply(params, moved(x))] as const);
    expect(distance(a.data as Float32Array, b.data as Float32Array)).toBeLessThan(1e-5);
  });

  it("turns a bias into an impulse at the first position", async () => {
    const positions = 12;
    const layer = spectralFilterMixer({ ...fixed, positions, activation: "identity" });
    const params = await evaluate(layer.init(key(0)));
    const y = columnsOf(await evaluate(layer.apply(params, zeros([1, positions, width]))));
    for (const column of y) {
      expect(column[0]).toBeCloseTo(-0.1 * Math.sqrt(positions), 5);
      for (const rest of column.slice(1)) expect(rest).toBeCloseTo(0, 5);
    }
  });

  it("is linear with a fixed filter without activation, and not with an adaptive one", async () => {
    const positions = 8;
    const [x, z] = [normal(key(7), [1, positions, width]), normal(key(8), [1, positions, width])];
    const departure = async (adaptive: boolean) => {
      const layer = spectralFilterMixer({ width, heads, positions, activation: "identity", adaptive });
      const params = await withoutBias(await evaluate(layer.init(key(9))));
      const [whole, parts] = await evaluate([
        layer.apply(params, add(x, z)),
        add(layer.apply(params, x), layer.apply(params, z)),
      ] as const);
      return distance(whole.data as Float32Array, parts.data as Float32Array);
    };
    expect(await departure(false)).toBeLessThan(1e-5);
    expect(await departure(true)).toBeGreaterThan(1e-2);
  });

  it.each(spectralActivations)("has the gradients of central differences: %s", async (activation) => {
    const layer = spectralFilterMixer({ width, heads, positions: 7, activation });
    const error = await gradientError(
      (at: { params: ReturnType<typeof layer.init>; x: Tensor }) => sum(square(layer.apply(at.params, at.x))),
      { params: layer.init(key(2)), x: normal(key(1), [2, 7, width]) },
    );
    expect(error).toBeLessThan(1e-6);
  });

  it("has 2hN' + D² + D + 2hN'(D + 1) parameters, more than attention at the sizes of a ViT", () => {
    const layer = spectralFilterMixer({ width: 768, heads: 12, positions: 197 });
    const norm = parameterCount(layerNorm({ width: 768 }).init(key(0)));
    expect(parameterCount(layer.init(key(0))) + norm).toBe(2_421_648);
  });

  it("refuses other numbers of positions, heads that do not divide and unknown activations", () => {
    const layer = spectralFilterMixer({ ...fixed, positions: 8 });
    expect(() => layer.apply(layer.init(key(0)), zeros([1, 9, width]))).toThrow("made for 8 positions");
    expect(() => spectralFilterMixer({ width, positions: 8, heads: 4 })).toThrow(
      "heads must divide the width 6, got 4",
    );
    expect(() => spectralFilterMixer({ width, positions: 8, activation: "relu" as never })).toThrow(
      "activation is one of",
    );
    expect(() => spectralFilterMixer({ width, positions: 0 })).toThrow("positions must be a whole number");
  });

  it("stands in a vision transformer by name, with its options", async () => {
    const config: VitConfig = {
      image: [8, 8],
      patch: 4,
      channels: 1,
      width: 8,
      classes: 3,
      blocks: [[{ mixer: { kind: "spectralFilter", heads: 2, adaptive: false, activation: "modRelu" } }]],
    };
    const model = vit(config);
    const params = await evaluate(model.init(key(0)));
    // Four patches and the class token make three frequencies.
    expect(params.blocks[0]?.mixer?.layer).toMatchObject({ filter: { shape: [3, 2] }, bias: { shape: [3, 2] } });
    expect((await compile(model.apply)(params, zeros([2, 1, 8, 8]))).shape).toEqual([2, 3]);
  });
});

/** The same parameters with a bias of zeros. */
const withoutBias = async <P extends { readonly bias: Tensor }>(params: P): Promise<P> => ({
  ...params,
  bias: await evaluate(zeros(params.bias.shape)),
});
