import { existsSync, readFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import { add, compile, evaluate, item, key, mul, normal, type Tensor, tensor } from "../../src/array/index.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const threads = () => Number(/Threads:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

it.skipIf(!existsSync("/proc/self/status"))(
  "frees the threads of sessions that were long idle, and loads them again",
  async () => {
    // Half a minute passes with each look at the clock.
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => {
      now += 30_000;
      return now;
    });
    const functions = Array.from({ length: 40 }, (_, i) => compile((x: Tensor) => add(mul(x, 2), i), { threads: 3 }));
    const before = threads();
    for (const [i, fn] of functions.entries()) expect(item(await fn(tensor(1)))).toBe(2 + i);
    // Eight are kept, of two further threads each.
    expect(threads() - before).toBeLessThan(30);
    expect(item(await (functions[0] as (typeof functions)[0])(tensor(5)))).toBe(10);
  },
);

it("keeps sessions in use", async () => {
  const functions = Array.from({ length: 12 }, (_, i) => compile((x: Tensor) => add(mul(x, 3), i)));
  const results = await Promise.all(functions.flatMap((fn) => [fn(tensor(1)), fn(tensor(2))]));
  expect(results.map(item)).toEqual(functions.flatMap((_, i) => [3 + i, 6 + i]));
});

it("draws numbers whose digits do not depend on the number of threads", async () => {
  const [one, ...others] = await Promise.all(
    [1, 2, 3].map(async (threads) => Array.from((await evaluate(normal(key(5), [333, 77]), { threads })).data, Number)),
  );
  for (const other of others) expect(other).toEqual(one);
});
