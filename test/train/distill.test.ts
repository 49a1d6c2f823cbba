import { expect, it } from "vitest";
import { compile, evaluate, key, mapTree, normal, tensor } from "../../src/array/index.ts";
import { decoder } from "../../src/models/index.ts";
import { distillLanguageModel, klDivergence } from "../../src/train/index.ts";
import { tokenFile } from "../temporary.ts";

const data = await tokenFile(
  20,
  Array.from({ length: 3000 }, (_, i) => (i * i + (i >> 3)) % 20),
);

it("teaches a student what a teacher predicts, and leaves the teacher as it is", async () => {
  const model = (hidden: number) =>
    decoder({ vocabulary: 20, context: 8, width: 12, blocks: [[{ ffn: { kind: "dense", hidden } }]] });
  const [large, small] = [model(48), model(12)];
  const teacher = await evaluate(mapTree(large.init(key(0)), (x, p) => normal(key(p.length), x.shape, { std: 0.5 })));
  const before = Array.from(teacher.embedding.weight.data, Number);
  const options = {
    teacher: { model: large, params: teacher },
    student: { model: small, params: small.init(key(1)) },
    data,
    ...{ steps: 150, batch: 8, context: 8, rate: 2e-2, weightDecay: 0 },
  };
  const { params, history } = await distillLanguageModel(options);
  const tokens = tensor(
    Int32Array.from({ length: 16 }, (_, i) => (7 * i) % 20),
    { shape: [2, 8] },
  );
  const apart = compile((p: typeof teacher, q: typeof params) =>
    klDivergence(large.apply(p, tokens), small.apply(q, tokens)),
  );
  const start = Number((await apart(teacher, await evaluate(options.student.params))).data[0]);
  expect(history.loss[0]).toBeGreaterThan(0);
  expect(Number((await apart(teacher, params)).data[0])).toBeLessThan(start / 3);
  expect(Array.from(teacher.embedding.weight.data, Number)).toEqual(before);
});
