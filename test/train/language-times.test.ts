import { expect, it } from "vitest";
import { decoder } from "../../src/models/index.ts";
import { gradientTimes } from "../../src/train/index.ts";

it("times each model as often as asked for", async () => {
  const model = (width: number) =>
    decoder({ vocabulary: 9, context: 8, width, blocks: [[{ ffn: { kind: "dense", hidden: 2 * width } }]] });
  const times = await gradientTimes(
    { small: model(8), large: model(256) },
    { batch: 16, context: 8, vocabulary: 9, calls: 3, rounds: 4 },
  );
  expect(Object.keys(times)).toEqual(["small", "large"]);
  for (const list of Object.values(times)) {
    expect(list).toHaveLength(4);
    for (const ms of list) expect(ms).toBeGreaterThan(0);
  }
});
