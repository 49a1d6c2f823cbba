import { describe, expect, it } from "vitest";
import {
  compile,
  evaluate,
  fft2,
  key,
  mul,
  normal,
  slice,
  sum,
  type Tensor,
  type Tree,
  tensor,
  toNested,
  vjp,
  zeros,
} from "../../../src/array/index.ts";
import {
  fourierMixer,
  maskedFourierMixer,
  movingAverageMixer,
  windowFourierMixer,
  writeCache,
} from "../../../src/nn/index.ts";

const [time, width] = [10, 6];
const x = await evaluate(normal(key(1), [2, time, width]));
const rows = (t: Tensor): number[][][] => toNested(t) as number[][][];
const close = (a: number[][][], b: number[][][]): void => {
  for (const [i, value] of a.flat(2).entries()) expect(value).toBeCloseTo(b.flat(2)[i] as number, 4);
};
const causal = {
  masked: maskedFourierMixer({ width, positions: 16 }),
  window: windowFourierMixer({ width, window: 4 }),
  average: movingAverageMixer({ width, window: 3 }),
};

describe("fourierMixer", () => {
  it("is the real part of the transform over positions and features", async () => {
    const y = rows(await evaluate(fourierMixer({ width }).apply({}, x)));
    const { re } = await evaluate(fft2({ re: x, im: zeros(x.shape) }));
    close(y, rows(await evaluate(mul(re, 1 / Math.sqrt(time * width)))));
  });
  it("is its definition, term by term", async () => {
    const y = rows(await evaluate(fourierMixer({ width }).apply({}, x)));
    const expected = rows(x).map((batch) =>
      batch.map((row, t) =>
        row.map((_, c) => {
          let total = 0;
          for (let s = 0; s < time; s++)
            for (let d = 0; d < width; d++)
              total += Math.cos(2 * Math.PI * ((t * s) / time + (c * d) / width)) * (batch[s]?.[d] as number);
          return total / Math.sqrt(time * width);
        }),
      ),
    );
    close(y, expected);
  });
});

describe("maskedFourierMixer", () => {
  it("is its definition, term by term", async () => {
    const y = rows(await evaluate(causal.masked.apply({}, x)));
    const expected = rows(x).map((batch) =>
      batch.map((_, t) =>
        Array.from({ length: width }, (_, c) => {
          let total = 0;
          for (let s = 0; s <= t; s++)
            for (let d = 0; d < width; d++)
              total += Math.cos(2 * Math.PI * ((t * s) / 16 + (c * d) / width)) * (batch[s]?.[d] as number);
          return total * Math.sqrt(2 / ((t + 1) * width));
        }),
      ),
    );
    close(y, expected);
  });
  it("refuses more positions than it has", () => {
    expect(() => causal.masked.apply({}, zeros([1, 17, width]))).toThrow("at most 16 positions, got 17");
  });
});

describe("windows", () => {
  it("are their definitions, term by term", async () => {
    const mixed = async (layer: typeof causal.window, weight: (j: number, c: number) => number, window: number) =>
      close(
        rows(await evaluate(layer.apply({}, x))),
        rows(x).map((batch) =>
          batch.map((row, t) =>
            row.map((_, c) =>
              Array.from(
                { length: Math.min(window, t + 1) },
                (_, j) => weight(j, c) * (batch[t - j]?.[c] as number),
              ).reduce((a, b) => a + b, 0),
            ),
          ),
        ),
      );
    await mixed(causal.average, () => 1 / Math.sqrt(3), 3);
    // Frequencies 0, 1, 2, 3 of a window of 4: squares of the cosines sum to 4, 2, 4, 2.
    await mixed(
      causal.window,
      (j, c) => Math.cos((2 * Math.PI * j * (c % 4)) / 4) / Math.sqrt([4, 2, 4, 2][c % 4] as number),
      4,
    );
  });
});

for (const [name, layer] of Object.entries(causal)) {
  describe(`${name}, causal`, () => {
    it("never sees later positions", async () => {
      const changed = tensor(
        Float32Array.from(x.data as Float32Array, (v, i) => (Math.floor(i / width) % time >= 7 ? v + 1 : v)),
        { shape: x.shape },
      );
      const [a, b] = [rows(await evaluate(layer.apply({}, x))), rows(await evaluate(layer.apply({}, changed)))];
      for (const batch of [0, 1]) {
        expect(b[batch]?.slice(0, 7)).toEqual(a[batch]?.slice(0, 7));
        expect(b[batch]?.[7]).not.toEqual(a[batch]?.[7]);
      }
    });

    it("has the transposed map as its gradient", async () => {
      const z = await evaluate(normal(key(2), x.shape));
      const [dot, back] = await compile((a: Tensor, b: Tensor) => {
        const [y, pull] = vjp((v: Tensor) => layer.apply({}, v), a);
        return [sum(mul(y, b)), sum(mul(pull(b)[0] as Tensor, a))];
      })(x, z);
      expect(Number(dot?.data[0])).toBeCloseTo(Number(back?.data[0]), 3);
    });

    it("extends piece by piece to what the whole sequence gives", async () => {
      const whole = rows(await evaluate(layer.apply({}, x)));
      let cache = await evaluate(layer.cache({ batch: 2, length: 12 }));
      let from = 0;
      for (const to of [4, 5, 10]) {
        const piece = await evaluate(slice(x, { starts: [from], stops: [to], axes: [1] }));
        const run = compile((p: Tensor, c: typeof cache, s: Tensor) => {
          const [y, fresh] = layer.extend({}, p, c as never, s);
          return [y, writeCache<Tree>(c, fresh, s)] as const;
        });
        const [y, after] = await run(piece, cache, tensor(Int32Array.of(from, from)));
        close(
          rows(y),
          whole.map((batch) => batch.slice(from, to)),
        );
        [cache, from] = [after as typeof cache, to];
      }
    });
  });
}
