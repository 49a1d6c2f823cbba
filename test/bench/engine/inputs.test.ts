import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ArraySpec, readInputs, splitBatches, writeInputs } from "../../../bench/engine/inputs.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bench-inputs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const specs: readonly ArraySpec[] = [
  { name: "w", role: "parameter", shape: [100, 50], fill: { normal: 0.5 } },
  { name: "b", role: "parameter", shape: [3], fill: { constant: 0.25 } },
  { name: "x", role: "data", shape: [2, 500], fill: { uniform: [-1, 3] } },
  { name: "y", role: "data", shape: [2, 200], fill: { integersBelow: 7 } },
];

test("every peer reads the same numbers, drawn as asked", () => {
  const path = join(folder, "inputs.bin");
  const stored = writeInputs(path, specs, 1);
  const { w, b } = readInputs(path, stored, "parameter");
  const { x, y } = readInputs(path, stored, "data");
  expect(Array.from(b?.data ?? [])).toEqual([0.25, 0.25, 0.25]);
  const values = Array.from(w?.data as Float32Array);
  const mean = values.reduce((total, v) => total + v, 0) / values.length;
  const std = Math.sqrt(values.reduce((total, v) => total + (v - mean) ** 2, 0) / values.length);
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(std - 0.5)).toBeLessThan(0.02);
  const uniform = Array.from(x?.data ?? []);
  expect(uniform).toHaveLength(1000);
  expect(uniform.every((v) => v >= -1 && v <= 3)).toBe(true);
  expect([...new Set(y?.data as Int32Array)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("a seed gives the same file, another seed another", () => {
  const read = (name: string, seed: number) => {
    const path = join(folder, name);
    return readInputs(path, writeInputs(path, specs, seed), "parameter").w?.data;
  };
  expect(read("a", 5)).toEqual(read("b", 5));
  expect(read("c", 5)).not.toEqual(read("d", 6));
});

test("batches are taken apart along the first axis", () => {
  const path = join(folder, "inputs.bin");
  const stored = writeInputs(path, specs, 1);
  const data = readInputs(path, stored, "data");
  const batches = splitBatches(data);
  expect(batches.map(({ x, y }) => [x?.shape, y?.shape])).toEqual([
    [[500], [200]],
    [[500], [200]],
  ]);
  expect([...(batches[0]?.x?.data ?? []), ...(batches[1]?.x?.data ?? [])]).toEqual(Array.from(data.x?.data ?? []));
});

test("where a block of numbers is repeated, they are still drawn as asked", () => {
  const path = join(folder, "inputs.bin");
  const shape = [3, 2 ** 16];
  const stored = writeInputs(path, [{ name: "w", role: "parameter", shape, fill: { repeated: 0.5 } }], 1);
  const values = readInputs(path, stored, "parameter").w?.data as Float32Array;
  expect(values[2 ** 16 + 1]).toBe(values[0]);
  expect(values[2 ** 16]).not.toBe(values[0]);
  const std = Math.sqrt(values.reduce((total, v) => total + v * v, 0) / values.length);
  expect(Math.abs(std - 0.5)).toBeLessThan(0.01);
});
