import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { encodeNpy, parseNpy } from "../../src/data/index.ts";

const folder = mkdtempSync(join(tmpdir(), "fourward-npy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a line of Python with NumPy; null where there is none. */
function numpy(line: string): string | null {
  try {
    return execFileSync("python3", ["-c", `import numpy as np; ${line}`], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return null;
  }
}

describe(".npy files", () => {
  it("come back as they were, of any shape and type", () => {
    const shapes = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });
    const kinds = fc.constantFrom(Float32Array, Float64Array, Int8Array, Int32Array, Uint8Array, Uint16Array);
    fc.assert(
      fc.property(shapes, kinds, (shape, Elements) => {
        const data = new Elements(shape.reduce((a, b) => a * b, 1)).map((_, i) => i - 3);
        const bytes = encodeNpy({ shape, data });
        const back = parseNpy(bytes);
        expect(back).toEqual({ shape, data });
        expect(back.data.constructor).toBe(Elements);
        expect((bytes.length - data.byteLength) % 64).toBe(0);
      }),
    );
  });

  it("are those of NumPy, both ways", ({ skip }) => {
    if (numpy("np.save('a.npy', np.arange(6, dtype='<f4').reshape(2, 3))") === null)
      return skip("there is no NumPy here");
    const { shape, data } = parseNpy(readFileSync(join(folder, "a.npy")));
    expect([shape, data]).toEqual([[2, 3], Float32Array.of(0, 1, 2, 3, 4, 5)]);
    writeFileSync(join(folder, "b.npy"), encodeNpy({ shape: [3, 1], data: Float64Array.of(0.5, -2, 7) }));
    expect(numpy("a = np.load('b.npy'); print(a.dtype, a.shape, a.ravel().tolist())")).toBe(
      "float64 (3, 1) [0.5, -2.0, 7.0]",
    );
  });

  it("name what is wrong", () => {
    const good = encodeNpy({ shape: [4], data: Float32Array.of(1, 2, 3, 4) });
    const changed = (from: string, to: string) =>
      Buffer.from(Buffer.from(good).toString("latin1").replace(from, to), "latin1");
    expect(() => parseNpy(Buffer.from("no array"), "x.npy")).toThrow("read x.npy: not an .npy file");
    expect(() => parseNpy(good.subarray(0, 8))).toThrow("truncated");
    expect(() => parseNpy(good.subarray(0, good.length - 1))).toThrow("expected 16 bytes of f4[4], got 15");
    expect(() => parseNpy(changed("<f4", ">f4"))).toThrow("its elements are >f4; expected little-endian f4,");
    expect(() => parseNpy(changed("<f4", "<c8"))).toThrow("its elements are <c8");
    expect(() => parseNpy(changed("False", "True "))).toThrow("stored column by column");
    expect(() => parseNpy(changed("'shape'", "'shade'"))).toThrow("no plain element type and shape");
    expect(() => encodeNpy({ shape: [3], data: Float32Array.of(1) })).toThrow("shape [3] does not have 1 elements");
  });
});
