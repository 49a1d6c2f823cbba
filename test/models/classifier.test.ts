import { describe, expect, it } from "vitest";
import { evaluate, key, normal, type Tensor } from "../../src/array/index.ts";
import { classifierKinds, imageClassifier } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";

const numbers = (x: Tensor): number[] => Array.from(x.data as Float32Array);
const options = { image: 28, classes: 10, width: 32, depth: 3 } as const;

describe("imageClassifier", () => {
  it("has the parameters of its layers", () => {
    const count = (kind: (typeof classifierKinds)[number]) =>
      parameterCount(imageClassifier({ kind, ...options }).init(key(0)));
    const mlp = 784 * 32 + 32 + 2 * (32 * 32 + 32) + 32 * 10 + 10;
    expect(count("mlp")).toBe(mlp);
    expect(count("normed mlp")).toBe(mlp + 3 * 2 * 32);
    expect(count("residual mlp")).toBe(mlp + 2 * 2 * 32);
    // 2 and 4 channels, then 4·7·7 features.
    expect(count("convolutional")).toBe(25 * 2 + 2 + 9 * 2 * 4 + 4 + 196 * 32 + 32 + 330);
  });

  it("reads its classes from the last features", async () => {
    const x = await evaluate(normal(key(1), [5, 784]));
    for (const kind of classifierKinds) {
      const model = imageClassifier({ kind, ...options, dropout: 0.5 });
      const params = await evaluate(model.init(key(2)));
      const { first, last } = await evaluate(model.representations(params, x));
      expect(last.shape).toEqual([5, 32]);
      expect(first.shape).toEqual([5, kind === "convolutional" ? 2 * 7 * 7 : 32]);
      const [logits, read] = [await evaluate(model.apply(params, x)), await evaluate(model.classify(params, last))];
      numbers(logits).forEach((v, i) => {
        expect(v).toBeCloseTo(numbers(read)[i] as number, 5);
      });
      const dropped = await evaluate(model.apply(params, x, { training: true, key: key(3) }));
      expect(numbers(dropped)).not.toEqual(numbers(logits));
    }
  });

  it("names a depth that its kind cannot have", () => {
    expect(() => imageClassifier({ ...options, kind: "convolutional", depth: 2 })).toThrow(
      "depth of convolutional must be a whole number of at least 3, got 2",
    );
    expect(() => imageClassifier({ ...options, kind: "mlp", depth: 1.5 })).toThrow("at least 2, got 1.5");
  });
});
