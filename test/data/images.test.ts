import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  available,
  type Images,
  imageBatches,
  loadImageSource,
  loadImages,
  normalizeImages,
  permutation,
  pixelStatistics,
} from "../../src/data/images.ts";
import type { DataFile, ImageSource } from "../../src/data/sources.ts";

/** `count` images of 2 x 3 whose pixels are 6 n, 6 n + 1, ... and whose label is n, for small n. */
const small = (count: number): Images => ({
  images: Uint8Array.from({ length: count * 6 }, (_, i) => i),
  labels: Uint8Array.from({ length: count }, (_, n) => n),
  count,
  height: 2,
  width: 3,
  channels: 1,
});

describe("loadImages", () => {
  it("loads the real MNIST with its splits", async () => {
    const [train, validation, test, all] = await Promise.all([
      loadImages("mnist", { split: "train" }),
      loadImages("mnist", { split: "validation" }),
      loadImages("mnist", { split: "test" }),
      loadImages("mnist", { split: "train", validation: 0 }),
    ]);
    expect([train, validation, test, all].map(({ count }) => count)).toEqual([54_000, 6_000, 10_000, 60_000]);
    for (const { images, labels, count, height, width, channels } of [train, validation, test, all]) {
      expect([height, width, channels]).toEqual([28, 28, 1]);
      expect([images.length, labels.length]).toEqual([count * 784, count]);
      expect(new Set(labels).size).toBe(10);
    }
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect([...test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    expect(Buffer.concat([train.labels, validation.labels]).equals(all.labels)).toBe(true);
    expect(Buffer.concat([train.images, validation.images]).equals(all.images)).toBe(true);
    const { mean, std } = pixelStatistics(all);
    expect([mean.toFixed(4), std.toFixed(4)]).toEqual(["0.1307", "0.3081"]);
    expect((await loadImages("mnist", { split: "validation", limit: 7, validation: 100 })).count).toBe(7);
  });

  it("refuses a limit or a validation share that does not fit", async () => {
    await expect(loadImages("mnist", { split: "test", limit: 10_001 })).rejects.toThrow(
      "mnist: expected from 1 to 10000 images of the test split, got a limit of 10001",
    );
    await expect(loadImages("mnist", { split: "train", limit: 0.5 })).rejects.toThrow(/got a limit of 0.5$/);
    await expect(loadImages("mnist", { split: "train", validation: 60_000 })).rejects.toThrow(/from 1 to 0 images/);
    await expect(loadImages("mnist", { split: "train", validation: -1 })).rejects.toThrow(
      "mnist: validation must be a whole number from 0 to 60000 images, got -1",
    );
    // @ts-expect-error: not a name of a data set
    await expect(loadImages("imagenet", { split: "train" })).rejects.toThrow(
      'unknown image data set "imagenet"; there are mnist, fashion-mnist',
    );
  });

  it("loads Fashion-MNIST where FOURWARD_DATA has it", async () => {
    const status = available("fashion-mnist", "train");
    if (!status.ok) return console.log(`skipped: ${status.reason}`);
    const all = await loadImages("fashion-mnist", { split: "train", validation: 0 });
    expect(all.count).toBe(60_000);
    expect(pixelStatistics(all).mean.toFixed(4)).toBe("0.2860");
  });
});

describe("a folder of one's own", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fourward-images-"));
    vi.stubEnv("FOURWARD_DATA", folder);
    vi.stubEnv("FOURWARD_CACHE", join(folder, "cache"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it("says which file of a split is missing", () => {
    mkdirSync(join(folder, "fashion-mnist"));
    writeFileSync(join(folder, "fashion-mnist", "t10k-images-idx3-ubyte"), "");
    expect(available("fashion-mnist", "test")).toEqual({
      ok: false,
      reason: expect.stringMatching(
        /^fashion-mnist: t10k-labels-idx1-ubyte.gz is not on this machine; go online, or put/,
      ),
    });
    expect(available("mnist", "validation")).toEqual({ ok: true });
  });

  it("refuses labels that do not belong to the images", async () => {
    const put = (name: string, ...bytes: number[]): DataFile => {
      mkdirSync(join(folder, "odd"), { recursive: true });
      writeFileSync(join(folder, "odd", name), Uint8Array.from(bytes));
      return { name, bytes: bytes.length, sha256: createHash("sha256").update(Uint8Array.from(bytes)).digest("hex") };
    };
    const files = {
      images: put("images", 0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 10, 20),
      labels: put("labels", 0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3),
    };
    const source: ImageSource = { name: "odd", home: "here", mirrors: [], train: files, test: files };
    await expect(loadImageSource(source, { split: "test" })).rejects.toThrow(
      "odd: expected one byte label for each image of bytes, got uint8[3] for uint8[2,1,1]",
    );
  });
});

describe("normalizeImages", () => {
  it("maps bytes to a range or by mean and deviation", () => {
    const data = { ...small(1), images: Uint8Array.of(0, 255, 51, 102, 153, 204) };
    const close = (values: Float32Array, expected: number[]) =>
      values.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i] as number, 6);
      });
    close(normalizeImages(data), [0, 1, 0.2, 0.4, 0.6, 0.8]);
    close(normalizeImages(data, { normalize: { range: [-1, 1] } }), [-1, 1, -0.6, -0.2, 0.2, 0.6]);
    close(normalizeImages(data, { normalize: { mean: 0.2, std: 0.5 } }), [-0.4, 1.6, 0, 0.4, 0.8, 1.2]);
    expect(() => normalizeImages(data, { normalize: { mean: 0, std: 0 } })).toThrow(
      /std above 0, got {"mean":0,"std":0}$/,
    );
  });

  it("takes a run of images and refuses one outside", () => {
    const values = normalizeImages(small(4), { start: 1, count: 2, normalize: { range: [0, 255] } });
    expect([...values]).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
    expect(() => normalizeImages(small(4), { start: 3, count: 2 })).toThrow("images 3 to 5 are not all among the 4");
  });
});

describe("permutation", () => {
  it("holds every number once", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.maxSafeInteger(), fc.nat(1_000_000), (count, seed, epoch) => {
        expect([...permutation(count, seed, epoch).sort()]).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
    );
  });

  it("never changes: recorded runs depend on it", () => {
    expect([...permutation(8, 0, 0)]).toEqual([2, 5, 7, 6, 1, 0, 4, 3]);
    expect([...permutation(8, 2 ** 40 + 1, 3)]).toEqual([1, 5, 4, 7, 3, 0, 2, 6]);
  });

  it("is uniform over places, and differs between seeds and epochs", () => {
    const counts = new Float64Array(25);
    const seen = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      for (let epoch = 0; epoch < 100; epoch++) {
        const order = permutation(5, seed, epoch);
        order.forEach((value, place) => {
          const cell = place * 5 + value;
          counts[cell] = (counts[cell] as number) + 1;
        });
        seen.add(permutation(30, seed, epoch).join());
      }
    }
    // Each cell is binomial(10,000, 1/5) with standard deviation 40.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
    expect(seen.size).toBe(10_000);
  });
});

describe("imageBatches", () => {
  it("gives the same batch whatever was asked before, stacked or one by one", () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 40 })
          .chain((count) => fc.tuple(fc.constant(count), fc.integer({ min: 1, max: count }))),
        fc.maxSafeInteger(),
        fc.nat(200),
        fc.integer({ min: 1, max: 9 }),
        ([count, batch], seed, step, steps) => {
          const options = { batch, seed, normalize: { range: [0, 255] as const } };
          const walked = imageBatches(small(count), options);
          const stacked = imageBatches(small(count), options).at(step, steps);
          const into = { images: new Float32Array(batch * 6).fill(9), labels: new Int32Array(batch).fill(9) };
          for (let k = 0; k < steps; k++) {
            const one = walked.at(step + k, 1, into);
            expect(one.images).toBe(into.images);
            expect(one.labels).toEqual(stacked.labels.slice(k * batch, (k + 1) * batch));
            expect(one.images).toEqual(stacked.images.slice(k * batch * 6, (k + 1) * batch * 6));
          }
          stacked.labels.forEach((label, i) => {
            expect(stacked.images[i * 6 + 5]).toBe((label * 6 + 5) % 256);
          });
        },
      ),
    );
  });

  it("visits no image twice in an epoch and all of them over the epochs", () => {
    const batches = imageBatches(small(10), { batch: 3, seed: 4 });
    expect(batches.stepsPerEpoch).toBe(3);
    const epochs = [0, 3, 6, 9].map((step) => [...batches.at(step, 3).labels]);
    for (const labels of epochs) expect(new Set(labels).size).toBe(9);
    expect(new Set(epochs.flat()).size).toBe(10);
    expect(new Set(epochs.map(String)).size).toBe(4);
  });

  it("refuses a batch, a step and arrays that do not fit", () => {
    const data = small(10);
    expect(() => imageBatches(data, { batch: 11, seed: 0 })).toThrow(
      "imageBatches: batch must be a whole number from 1 to the 10 images, got 11",
    );
    expect(() => imageBatches(data, { batch: 2, seed: 0.5 })).toThrow(
      /seed must be a whole number within 2\^53, got 0.5/,
    );
    const batches = imageBatches(data, { batch: 2, seed: 0 });
    expect(() => batches.at(-1)).toThrow(/step must be a whole number from 0 .* got -1 and 1/);
    expect(() => batches.at(0, 3, batches.at(0, 2))).toThrow("into holds 4 images, expected 3 x 2 to fill again");
  });
});
