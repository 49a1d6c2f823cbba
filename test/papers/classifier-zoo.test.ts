import { expect, it } from "vitest";
import { withWrong } from "../../src/papers/classifier-zoo.ts";
import { indexBatches } from "../../src/train/index.ts";

it("withWrong gives the share of other images' labels to every part of training alike", async () => {
  const [count, batch, seed] = [5000, 50, 3];
  const labels = Uint8Array.from({ length: count }, (_, i) => (i * i + i) % 10);
  const changed = withWrong(labels, 0.4, seed);
  const batches = indexBatches({ count, batch, seeds: [seed] });
  for (const step of [0, 40, 80]) {
    const { data } = (await batches.at(step, 20)).indices;
    const moved = Array.from(data as Int32Array).filter((i) => changed[i] !== labels[i]).length / data.length;
    // Of the labels of others some are the same.
    expect(moved).toBeGreaterThan(0.2);
    expect(moved).toBeLessThan(0.4);
  }
  const sorted = (all: Iterable<number>) => [...all].sort();
  expect(sorted(changed)).toEqual(sorted(labels));
  expect([...withWrong(labels, 0, seed)]).toEqual([...labels]);
});
