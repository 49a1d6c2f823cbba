import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { reduce as reduceFile } from "../../src/cli/reduce.ts";
import { encodeNpy, parseNpy } from "../../src/data/index.ts";
import { readSafetensors, writeSafetensors } from "../../src/models/index.ts";
import { fourward } from "./process.ts";

const folder = mkdtempSync(join(tmpdir(), "fourward-reduce-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

const [COUNT, WIDTH] = [60, 8] as const;
/** Smooth along the index, so that low frequencies are most of it. */
const rows = Array.from({ length: COUNT }, (_, i) =>
  Array.from({ length: WIDTH }, (_, d) => Math.fround(1.5 * Math.sin(i * i) + Math.cos(i + (2 * Math.PI * d) / WIDTH))),
);
const data = Float32Array.from(rows.flat());
writeFileSync(path("v.npy"), encodeNpy({ shape: [COUNT, WIDTH], data }));
writeFileSync(
  path("v.jsonl"),
  rows.map((row, i) => JSON.stringify(i % 2 ? row : { id: i, embedding: row })).join("\n"),
);
writeFileSync(path("zero.jsonl"), "[1, 2]\n\n[0, 0]\n");
writeFileSync(path("mixed.jsonl"), "[1, 2]\n[1, 2, 3]\n");
writeFileSync(path("words.jsonl"), '[1, 2]\n{"vector": [1, 2]}\n');

const reduce = (...args: string[]) => fourward(["reduce", ...args], "real");

describe("fourward reduce", { timeout: 120_000 }, () => {
  it("says the same of vectors in any of its files", async () => {
    const matrix = { dtype: "F32", shape: [COUNT, WIDTH], data } as const;
    await writeSafetensors(path("v.safetensors"), { embeddings: matrix, other: matrix });
    const args = ["--methods", "fourier,truncation,amplitude", "--sizes", "8,3", "--neighbors", "4", "--json"];
    const results = [];
    for (const file of [["v.npy"], ["v.jsonl"], ["v.safetensors", "--tensor", "embeddings"]]) {
      const [name, ...others] = file as [string, ...string[]];
      const ended = await reduce(path(name), ...others, ...args);
      expect(ended.code, ended.stderr).toBe(0);
      const { file: _, ...result } = JSON.parse(ended.stdout);
      results.push(result);
    }
    const [first] = results;
    expect(first).toMatchObject({ count: COUNT, width: WIDTH, queries: 6, searched: 54, neighbors: 4, seed: 0 });
    expect(results).toEqual([first, first, first]);
    const of = (method: string, size: number) =>
      first.scores.find((s: { method: string; size: number }) => s.method === method && s.size === size);
    expect(of("fourier", 8).recall).toBe(1);
    expect(of("fourier", 3).recall).toBe(1);
    expect(of("truncation", 3).recall).toBeLessThanOrEqual(1);
    // There are 5 amplitudes of 8 numbers.
    expect(of("amplitude", 8)).toBeUndefined();
  });

  it("writes vectors, and the matrix that queries go through", async () => {
    const ended = await reduce(path("v.npy"), "--with", "fourier", "--size", "3", "--out", path("r.safetensors"));
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/fourier +100\.0 %[\s\S]*written .*r\.safetensors/);
    const file = await readSafetensors(path("r.safetensors"));
    expect(file.metadata).toMatchObject({ reduction: "fourier", inputs: "8", size: "3" });
    const [vectors, matrix] = [await file.read("vectors"), await file.read("matrix")];
    expect([vectors.shape, matrix.shape]).toEqual([
      [COUNT, 3],
      [WIDTH, 3],
    ]);
    const product = (row: number, k: number): number =>
      rows[row]?.reduce((sum, v, d) => sum + v * ((matrix.data as Float32Array)[3 * d + k] as number), 0) ?? 0;
    for (const row of [0, 17, 59])
      for (const k of [0, 1, 2]) expect((vectors.data as Float32Array)[3 * row + k]).toBeCloseTo(product(row, k), 5);
    expect((await reduce(path("v.npy"), "--with", "amplitude", "--size", "5", "--out", path("r.npy"))).code).toBe(0);
    const written = parseNpy(readFileSync(path("r.npy")));
    expect(written.shape).toEqual([COUNT, 5]);
    expect(written.data[0]).toBeCloseTo(Math.abs(product(0, 0)), 5);
  });

  const flags = { neighbors: 10, queries: 500, among: 50_000, seed: 0, device: "cpu" };
  it.each([
    ["zero.jsonl", {}, "row 1 is all zeros, so it has no cosine"],
    ["mixed.jsonl", {}, "line 2: 3 numbers, the first vector has 2"],
    ["words.jsonl", {}, 'an object with one in the field "embedding" (--field names another)'],
    ["nothing.npy", {}, "no such file"],
    ["nothing.jsonl", {}, "no such file"],
    ["v.txt", {}, "expected a file that ends with .npy, .safetensors or .jsonl"],
    ["v.npy", { sizes: [9] }, "size 9 is more than the 8 numbers of a vector"],
    ["v.npy", { methods: ["umap"] }, 'unknown reduction "umap"; known are amplitude'],
    ["v.npy", { with: "pca" }, "--with, --size and --out go together"],
    ["v.npy", { with: "pca", size: 2, out: "x.txt" }, "expected --out to end with .npy or .safetensors, got x.txt"],
    ["v.npy", { neighbors: 60 }, "60 vectors are too few"],
  ])("%s with %j is refused in one sentence", async (file, others, said) => {
    await expect(reduceFile(path(file), { ...flags, ...others })).rejects.toThrow(said);
  });
});
