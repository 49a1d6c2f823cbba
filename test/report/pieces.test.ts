import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodePiece, encodePiece, openPieces } from "../../src/report/pieces.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fourward-pieces-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("encodePiece", () => {
  it("gives back any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        // JSON has no negative zero.
        const plain = JSON.parse(JSON.stringify(value));
        expect(decodePiece(encodePiece(value))).toEqual(plain);
      }),
    );
  });

  it("gives back typed arrays, views of them, and numbers that JSON lacks", () => {
    const value = {
      loss: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1],
      weights: Float32Array.of(1.5, Number.NaN, -0),
      view: new Float64Array([1, 2, 3, 4]).subarray(1, 3),
      bytes: Buffer.from([1, 2, 3]),
      big: BigInt64Array.of(-(2n ** 63n)),
      empty: new Int32Array(0),
    };
    expect(decodePiece(encodePiece(value))).toEqual({
      ...value,
      view: Float64Array.of(2, 3),
      bytes: Uint8Array.of(1, 2, 3),
    });
  });

  it.each([
    ["a Map", { usage: new Map() }, 'got a Map at "usage"'],
    ["a date", [new Date(0)], 'got a Date at "0"'],
    ["a function", { pick: () => 1 }, 'got a function at "pick"'],
    ["a bigint", { count: 1n }, 'got a bigint at "count"'],
    ["a float16 view", { raw: new DataView(new ArrayBuffer(2)) }, 'got a DataView at "raw"'],
  ])("refuses %s, which would be lost", (_, value, message) => {
    expect(() => encodePiece(value)).toThrow(message);
  });
});

describe("openPieces", () => {
  it("gives back what was kept, also to a later run, and nothing else", async () => {
    const pieces = await openPieces(join(folder, "a", "b"), "0.1.0 on cpu");
    expect(await pieces.read("seed 0")).toBeUndefined();
    await pieces.write("seed 0", { value: { loss: 0.5 }, seconds: 2 });
    const later = await openPieces(join(folder, "a", "b"), "0.1.0 on cpu");
    expect(await later.read("seed 0")).toMatchObject({ value: { loss: 0.5 }, seconds: 2 });
    expect(await later.read("seed 1")).toBeUndefined();
  });

  it("does not mix devices or versions", async () => {
    await (await openPieces(folder, "0.1.0 on cpu")).write("seed 0", { value: 1, seconds: 0 });
    expect(await (await openPieces(folder, "0.1.0 on cuda")).read("seed 0")).toBeUndefined();
  });

  it("takes a damaged file for none", async () => {
    const pieces = await openPieces(folder, "x");
    await pieces.write("seed 0", { value: 1, seconds: 0 });
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), '{"key": "x: seed 0", "val');
    expect(await pieces.read("seed 0")).toBeUndefined();
  });

  it("forgets all, and can be written again", async () => {
    const pieces = await openPieces(folder, "x");
    await pieces.write("seed 0", { value: 1, seconds: 0 });
    await pieces.clear();
    expect(await pieces.read("seed 0")).toBeUndefined();
    await pieces.write("seed 0", { value: 2, seconds: 0 });
    expect(await pieces.read("seed 0")).toMatchObject({ value: 2 });
  });

  it("says in one sentence that a folder cannot be made", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(openPieces(join(folder, "file", "pieces"), "x")).rejects.toThrow(/^create .*file\/pieces: /);
  });
});
