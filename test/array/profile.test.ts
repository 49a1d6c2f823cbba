import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import {
  add,
  compile,
  evaluate,
  flopCount,
  grad,
  key,
  matmul,
  normal,
  type Profile,
  profiled,
  scan,
  sum,
  type Tensor,
  tanh,
} from "../../src/array/index.ts";
import { readKernels } from "../../src/array/runtime/kernels.ts";
import { framesOf } from "../../src/array/site.ts";

const layer = (w: Tensor, x: Tensor): Tensor => tanh(matmul(x, w));
const loss = (w: Tensor, x: Tensor): Tensor => sum(layer(w, x));

const arrays = () => evaluate({ w: normal(key(0), [48, 48]), x: normal(key(1), [32, 48]) });

const total = ({ entries }: Profile, of: (entry: Profile["entries"][number]) => number): number =>
  entries.reduce((sum, entry) => sum + of(entry), 0);

describe("profiled", () => {
  it("says which function asked for what took time, also in gradients, and counts the operations that flopCount counts", async () => {
    const { w, x } = await arrays();
    const gradient = grad(loss);
    const plain = await compile(gradient)(w, x);
    const { result, profile } = await profiled(async () => {
      const run = compile(gradient);
      await run(w, x);
      return run(w, x);
    });
    expect(result.data).toEqual(plain.data);
    expect(profile.runs).toBe(2);
    expect(profile.recorded).toBe(1);
    expect(total(profile, ({ seconds }) => seconds)).toBeGreaterThan(0);
    expect(total(profile, ({ seconds }) => seconds)).toBeLessThanOrEqual(profile.seconds);
    expect(total(profile, ({ operations }) => operations)).toBe(2 * flopCount(gradient, w, x));

    const products = profile.entries.filter(({ primitive }) => primitive === "matmul");
    expect(products.map(({ gradient, calls }) => [gradient, calls]).sort()).toEqual([
      [false, 2],
      [true, 2],
    ]);
    for (const { frames } of products) {
      expect(frames.slice(-2).map(({ name }) => name)).toEqual(["loss", "layer"]);
      expect(fileURLToPath(frames.at(-1)?.file ?? "")).toBe(fileURLToPath(import.meta.url));
      expect(frames.at(-1)?.line).toBeGreaterThan(20);
    }
    // The product of 32 x 48 and 48 x 48 reads both and writes one: float32, twice.
    const forward = products.find(({ gradient }) => !gradient);
    expect(forward?.bytes).toBe(2 * 4 * (2 * 32 * 48 + 48 * 48));
  });

  it("counts each step of a loop, and not what runs inside it twice", async () => {
    const { w, x } = await arrays();
    const loop = (w: Tensor, x: Tensor) => scan((c: Tensor) => [layer(w, c), sum(c)], x, undefined, { length: 7 });
    const { profile } = await profiled(() => compile(loop)(w, x));
    expect(profile.entries.find(({ primitive }) => primitive === "matmul")).toMatchObject({
      calls: 7,
      gradient: false,
    });
    expect(total(profile, ({ operations }) => operations)).toBe(flopCount(loop, w, x));
    expect(total(profile, ({ seconds }) => seconds)).toBeLessThanOrEqual(profile.seconds);
  });

  it("measures again what was compiled before, and what evaluate computes", async () => {
    const { w, x } = await arrays();
    const run = compile(loss);
    await run(w, x);
    const { profile } = await profiled(async () => evaluate(add(await run(w, x), normal(key(2), []))));
    expect(profile.runs).toBe(2);
    expect(profile.entries.find(({ primitive }) => primitive === "matmul")?.frames.at(-1)?.name).toBe("layer");
  });

  it("is taken once at a time, passes errors on, and leaves no files behind", async () => {
    const { w, x } = await arrays();
    const files = () => readdirSync(tmpdir()).filter((name) => name.startsWith("fourward-profile-")).length;
    const before = files();
    await expect(profiled(() => profiled(() => 1))).rejects.toThrow("a profile is being taken already");
    const failing = profiled(async () => {
      await compile(loss)(w, x);
      throw new Error("no more");
    });
    await expect(failing).rejects.toThrow("no more");
    expect(files()).toBeLessThanOrEqual(before);
    expect((await profiled(() => compile(loss)(w, x))).profile.runs).toBe(1);
  });
});

describe("compile with profile", () => {
  it("measures this function only", async () => {
    const { w, x } = await arrays();
    const run = compile(loss, { profile: true });
    await run(w, x);
    await compile(grad(loss))(w, x);
    const profile = await run.profile();
    expect(profile.runs).toBe(1);
    expect(profile.entries.every(({ gradient }) => !gradient)).toBe(true);
    await expect(compile(loss).profile()).rejects.toThrow("compiled without profile: true");
  });
});

describe("the trace of a runtime", () => {
  const folder = mkdtempSync(join(tmpdir(), "fourward-trace-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("gives each operator its own time: a loop's is what its body leaves of it", async () => {
    const event = (name: string, ts: number, dur: number, op: string) =>
      `${JSON.stringify({ cat: "Node", name: `${name}_kernel_time`, ts, dur, args: { op_name: op, activation_size: "8", parameter_size: "0", output_size: "4" } })},`;
    const lines = [
      "[",
      event("a", 0, 10, "Add"),
      event("b", 20, 30, "MatMul"),
      event("b", 60, 20, "MatMul"),
      event("inner", 15, 70, "Loop"),
      event("outer", 12, 80, "If"),
      event("a", 100, 5, "Add"),
      '{"cat":"Session","name":"model_run","ts":0,"dur":110,"args":{}}',
      "]",
    ];
    const path = join(folder, "trace.json");
    writeFileSync(path, lines.join("\n"));
    const kernels = await readKernels(path);
    const micros = kernels.map(({ name, seconds, calls, bytes }) => [name, Math.round(1e6 * seconds), calls, bytes]);
    expect(micros).toEqual([
      ["b", 50, 2, 24],
      ["inner", 20, 1, 0],
      ["a", 15, 2, 24],
      ["outer", 10, 1, 0],
    ]);
  });

  it("stacks are read in every form that V8 writes, without this package's array language", () => {
    const own = new URL("../../src/array/tensor.ts", import.meta.url).href;
    const stack = [
      "Error",
      `    at applyPrimitive (${own}:128:9)`,
      "    at /home/me/model.ts:9:3",
      "    at async Object.apply [as call] (file:///home/me/layer.ts:12:31)",
      "    at new Model (https://example.org/app.js:3:1)",
      "    at C:\\me\\main.ts:7:1",
      "    at Array.map (<anonymous>)",
      "    at other (/home/me/node_modules/x/index.js:1:1)",
    ].join("\n");
    expect(framesOf(stack)).toEqual([
      { name: "", file: "file://C:/me/main.ts", line: 7 },
      { name: "new Model", file: "https://example.org/app.js", line: 3 },
      { name: "apply", file: "file:///home/me/layer.ts", line: 12 },
      { name: "", file: "file:///home/me/model.ts", line: 9 },
    ]);
  });
});
