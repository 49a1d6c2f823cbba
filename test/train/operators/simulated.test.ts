import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { navierStokes2d, periodicField2d } from "../../../src/data/index.ts";
import { type SimulatedOptions, simulated } from "../../../src/train/index.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "simulated-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let made = 0;
const flows = (count: number, seed = 1): SimulatedOptions<"before" | "after"> => {
  const solver = navierStokes2d({ size: 16, viscosity: 0.01 });
  return {
    name: "flows",
    recipe: { seed, viscosity: 0.01 },
    count,
    shapes: { before: [1, 16, 16], after: [1, 16, 16] },
    make: (index) => {
      made++;
      const before = periodicField2d({ alpha: 2.5, tau: 7, scale: 20, size: 16, seed, index });
      return { before, after: solver.advance(before, { dt: 0.1, steps: 3 }) };
    },
    folder,
  };
};
const only = async (): Promise<string> => {
  const [name] = (await readdir(folder)).sort();
  return join(folder, name as string, "0000.safetensors");
};

describe("simulated", () => {
  it("makes examples once, and more of them without making the first again", async () => {
    const few = await simulated(flows(3));
    expect(few.after.shape).toEqual([3, 1, 16, 16]);
    expect(made).toBe(3);
    expect(await simulated(flows(3))).toEqual(few);
    expect(made).toBe(3);
    const more = await simulated(flows(5));
    expect(made).toBe(5);
    expect(more.before.data.subarray(0, 3 * 256)).toEqual(few.before.data);
    expect((await simulated(flows(2))).after.data).toEqual(few.after.data.subarray(0, 2 * 256));
    expect(made).toBe(5);
  });
  it("makes the same file again, bit by bit, where it is missing or damaged", async () => {
    const path = await only();
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 8));
    const before = made;
    await simulated(flows(5));
    expect(made).toBe(before + 5);
    expect((await readFile(path)).equals(bytes)).toBe(true);
    await rm(path);
    await simulated(flows(5));
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });
  it("keeps other recipes apart, stops when asked, and checks what is made", async () => {
    await simulated(flows(1, 2));
    expect(await readdir(folder)).toHaveLength(2);
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    await expect(simulated({ ...flows(9, 3), signal: stop.signal })).rejects.toThrow("enough");
    const wrong = { ...flows(1, 4), make: () => ({ before: [1], after: [1] }) };
    await expect(simulated(wrong)).rejects.toThrow('flows gave 1 numbers for "before", expected 256');
    await expect(simulated({ ...flows(1), name: "a/b" })).rejects.toThrow("letters, digits and dashes");
  });
});
