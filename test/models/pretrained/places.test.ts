import { mkdtemp, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { flatten, key, mapTree, tensor } from "../../../src/array/index.ts";
import { decoder, loadPretrained, savePretrained } from "../../../src/models/index.ts";
import { fromStored, toStored, type WeightPlace } from "../../../src/models/pretrained/architecture.ts";

/** Element [row, column] of our part number `part`, a number that no other has. */
const value = (part: number, row: number, column: number): number => part * 1e6 + row * 1000 + column;
const partOf = (part: number, rows: number, width: number): Float32Array =>
  Float32Array.from({ length: rows * width }, (_, i) => value(part, Math.floor(i / width), i % width));

describe("places of weights", () => {
  it.each<[string, Partial<WeightPlace>, number, number[]]>([
    ["one matrix as it is", {}, 45, [70]],
    ["one matrix transposed, in squares and pieces", { transposed: true }, 45, [70]],
    ["three beside each other", {}, 45, [70, 33, 12]],
    ["three, transposed", { transposed: true }, 45, [70, 33, 12]],
    ["three, head by head, transposed", { transposed: true, interleaved: 3 }, 40, [66, 66, 66]],
    ["a table with unused rows", { unusedRows: 2 }, 31, [9]],
  ])("%s", async (_, how, rows, widths) => {
    const place: WeightPlace = { name: "w", paths: widths.map((_, i) => `p${i}`), ...how };
    const shapes = widths.map((width) => [rows, width]);
    const parts = widths.map((width, part) => partOf(part, rows, width));
    const stored = toStored(place, parts, shapes);
    const { transposed, interleaved = 1, unusedRows = 0 } = place;
    // Where each column of the checkpoint comes from, written out.
    const columns: [number, number][] = [];
    for (let piece = 0; piece < interleaved; piece++)
      widths.forEach((width, part) => {
        for (let c = 0; c < width / interleaved; c++) columns.push([part, (piece * width) / interleaved + c]);
      });
    const total = columns.length;
    expect(stored.length).toBe((rows + unusedRows) * total);
    for (let i = 0; i < rows; i++)
      columns.forEach(([part, column], j) => {
        const at = transposed ? j * rows + i : (i + unusedRows) * total + j;
        if (stored[at] !== value(part, i, column)) expect([i, j, stored[at]]).toEqual([i, j, value(part, i, column)]);
      });
    const back = await fromStored(
      place,
      async (target: Float32Array, from) => target.set(stored.subarray(from, from + target.length)),
      shapes,
      (length) => new Float32Array(length),
    );
    expect(back).toEqual(parts);
  });
});

it("loading reads no byte of the weights twice, and no bytes that nothing uses", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fourward-places-"));
  const handle = await open(folder);
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  const block = [
    { mixer: { kind: "attention", heads: 4, bias: false } },
    { ffn: { kind: "gated", hidden: 1100 } },
  ] as const;
  // Larger than the pieces that are read at a time.
  const model = decoder({ vocabulary: 40, context: 64, width: 1100, norm: "rms", tied: false, blocks: [block] });
  const params = mapTree(model.init(key(0)), ({ shape, size }) => tensor(new Float32Array(size).fill(0.5), { shape }));
  await savePretrained(folder, { model, params, tokenizer: null });
  const read = vi.spyOn(prototype, "read");
  const loaded = await loadPretrained(folder);
  const ranges = read.mock.calls
    .map(([, , length, position]) => [position as number, (position as number) + (length as number)] as const)
    .sort(([a], [b]) => a - b);
  read.mockRestore();
  const weights = flatten(loaded.params).leaves.reduce((bytes, { size }) => bytes + 4 * size, 0);
  let reached = 0;
  for (const [begin, end] of ranges) {
    expect(begin).toBe(reached);
    reached = end;
  }
  const header = ranges[1]?.[1] as number;
  expect(reached - header).toBe(weights);
  expect(ranges.length).toBeGreaterThan(20);
});
