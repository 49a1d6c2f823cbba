/** A training run in a process of its own, for `resume.test.ts` to kill: `killed-run.ts <folder>`. */
import { join } from "node:path";
import { key, relu, setDefaults, tensor } from "../../src/array/index.ts";
import { dropout, linear, sequential } from "../../src/nn/index.ts";
import { adamW, crossEntropy, fit } from "../../src/train/index.ts";
import { numbers } from "../nn/reference.ts";

const dir = process.argv[2] as string;
setDefaults({ threads: 1 });

const net = sequential(linear({ inputs: 16, outputs: 64 }), relu, dropout(0.3), linear({ inputs: 64, outputs: 4 }));
const { step } = await fit({
  params: net.init(key(7)),
  data: {
    at: (first: number, count: number) => ({
      x: tensor(Float32Array.from(Array.from({ length: count }, (_, i) => numbers(128, first + i + 1)).flat()), {
        shape: [count, 8, 16],
      }),
      y: tensor(
        Int32Array.from({ length: count * 8 }, (_, i) => (first * 8 + i) % 4),
        { shape: [count, 8] },
      ),
    }),
  },
  loss: (params, { x, y }, context) => crossEntropy(net.apply(params, x, { training: true, key: context.key }), y),
  optimizer: adamW({ learningRate: 0.01 }),
  steps: 1600,
  seed: 3,
  stepsPerRun: 5,
  checkpoint: { dir, every: 10 },
  metricsFile: join(dir, "metrics.jsonl"),
  onProgress: (progress) => process.stdout.write(`${progress.step}\n`),
});
process.stdout.write(`done ${step}\n`);
