import { expect, test } from "vitest";
import { conv, type Tensor, toOnnx, zeros } from "../../src/array/index.ts";
import { findChannelBlock } from "../../src/array/onnx/blocked.ts";
import { runtime } from "../../src/array/runtime/node.ts";

test("blocks of channels are convolved only where the runtime does so, and does so rightly", async () => {
  const models: Uint8Array[] = [];
  const run = async (model: Uint8Array, data: Float32Array, shape: readonly number[]) => {
    models.push(model);
    const session = await runtime.load(model, { device: "cpu", threads: 1 });
    const results = await session.run(new Map([["x", { data, shape, dtype: "float32" as const }]]));
    await session.release();
    return results.get("y")?.data as Float32Array;
  };
  const block = await findChannelBlock(run);
  expect([0, 8, 16]).toContain(block);
  expect(new TextDecoder("latin1").decode(models.at(-1))).toContain("com.microsoft.nchwc");
  expect(await findChannelBlock(async (...args) => (await run(...args)).map((v) => v + 1))).toBe(0);
  expect(await findChannelBlock(() => Promise.reject(new Error("no such operator")))).toBe(0);
  // What leaves the process is for any runtime.
  const model = toOnnx((x: Tensor, w: Tensor) => conv(x, w), [zeros([2, 16, 9, 9]), zeros([16, 16, 3, 3])]);
  expect(new TextDecoder("latin1").decode(model)).not.toContain("nchwc");
});
