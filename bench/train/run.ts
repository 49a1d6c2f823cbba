/** `bench train`: the training of a recipe beside the same model in eager PyTorch. */
import { fileURLToPath } from "node:url";
import { key, setDefaults } from "../../src/array/index.ts";
import { loadCorpus } from "../../src/data/index.ts";
import { corpusTokens, decoder } from "../../src/models/index.ts";
import { parameterCount } from "../../src/nn/index.ts";
import { fitLanguageModel, readRecipe } from "../../src/train/index.ts";
import { findPeers } from "../engine/peers.ts";
import { Peer } from "../peer.ts";
import { pairedRatio, type Summary, summarize } from "../statistics.ts";

export interface TrainBenchOptions {
  readonly config: string;
  readonly rounds: number;
  /** Steps that are timed in a round, after one that is not. */
  readonly steps: number;
  readonly threads: number;
  readonly python?: string;
  readonly log: (line: string) => void;
}

export interface TrainBenchReport {
  readonly config: string;
  readonly parameters: number;
  /** Tokens per second of each system. */
  readonly fourward: Summary;
  /** By its way of looping over tensors in the optimizer. */
  readonly torch: { readonly [way: string]: Summary };
  /** Fourward's rate over that of the faster of PyTorch's ways, round by round. */
  readonly ratio: Summary | null;
  readonly notes: readonly string[];
}

/** What the recipe's model is to PyTorch; one sentence if it is none that its script has. */
async function jobOf(path: string) {
  const recipe = await readRecipe(path);
  const { context, width, blocks, dropout = 0 } = recipe.model;
  const [mixer, feedForward] = blocks[0] ?? [];
  if (!mixer || !("mixer" in mixer) || !feedForward || !("ffn" in feedForward) || feedForward.ffn.kind !== "dense")
    throw new Error(`${path}: the comparison has models of attention and dense feed-forward layers only`);
  if (mixer.mixer.kind !== "attention" || recipe.model.positions !== "learned" || feedForward.ffn.activation !== "relu")
    throw new Error(`${path}: the comparison has learned positions and ReLU only`);
  const { heads } = mixer.mixer;
  const { hidden } = feedForward.ffn;
  return {
    recipe,
    job: { context, width, heads, hidden, dropout, depth: blocks.length, batch: recipe.training.batch },
  };
}

/** Times both in turn. Both take gradients with dropout, clip them and apply AdamW; Fourward reads the real text. */
export async function runTrain({
  config,
  rounds,
  steps,
  threads,
  python,
  log,
}: TrainBenchOptions): Promise<TrainBenchReport> {
  setDefaults({ threads });
  const { recipe, job } = await jobOf(config);
  const corpus = await loadCorpus(recipe.corpus ?? "books-and-speeches");
  const text = await corpusTokens(
    corpus,
    typeof recipe.tokenizer === "string" ? { tokenizer: recipe.tokenizer } : recipe.tokenizer,
  );
  const vocabulary = text.tokenizer.vocabularySize;
  const model = decoder({ vocabulary, ...recipe.model } as Parameters<typeof decoder>[0]);
  const tokens = job.batch * job.context;
  const notes: string[] = [];
  const [found] = findPeers(["torch"], threads, python);
  const peers = new Map<string, Peer>();
  if (found && "command" in found) {
    for (const foreach of [false, true]) {
      const peer = new Peer({ ...found.command, args: [fileURLToPath(new URL("torch_train.py", import.meta.url))] });
      const { parameters, version } = await peer.ask({ ...job, vocabulary, foreach }, 120_000);
      if (parameters !== parameterCount(model.init(key(0))))
        throw new Error(`PyTorch's model has ${parameters} parameters, ours ${parameterCount(model.init(key(0)))}`);
      peers.set(`torch ${version}, foreach ${foreach}`, peer);
    }
  } else notes.push(found?.missing ?? "PyTorch was not found");
  const rates = new Map<string, number[]>([
    ["fourward", []],
    ...[...peers.keys()].map((name) => [name, [] as number[]] as const),
  ]);
  const timings: { readonly [name: string]: () => Promise<number> } = {
    fourward: async () => {
      let first = 0;
      let last = 0;
      await fitLanguageModel({
        batch: job.batch,
        rate: recipe.training.rate,
        model,
        context: job.context,
        data: text.train,
        steps: steps + 1,
        stepsPerRun: 1,
        onProgress: ({ step }) => {
          if (step === 1) first = performance.now();
          last = performance.now();
        },
      });
      return last - first;
    },
    ...Object.fromEntries(
      [...peers].map(([name, peer]) => [
        name,
        async () => {
          await peer.ask({ steps: 1 }, 120_000);
          return (await peer.ask({ steps }, 600_000)).ms as number;
        },
      ]),
    ),
  };
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [name, time] of Object.entries(timings)) {
        const rate = (1000 * steps * tokens) / (await time());
        rates.get(name)?.push(rate);
        log(`round ${round + 1} of ${rounds}, ${name}: ${Math.round(rate)} tokens/s`);
      }
    }
  } finally {
    for (const peer of peers.values()) peer.close();
    text.close();
  }
  const ours = rates.get("fourward") as number[];
  const others = [...rates].filter(([name]) => name !== "fourward");
  const best = ours.map((_, round) => Math.max(...others.map(([, list]) => list[round] as number)));
  return {
    config,
    parameters: parameterCount(model.init(key(0))),
    fourward: summarize(ours),
    torch: Object.fromEntries(others.map(([name, list]) => [name, summarize(list)])),
    ratio: others.length === 0 ? null : pairedRatio(ours, best),
    notes,
  };
}

/** The report in a few lines. */
export function trainText({ config, parameters, fourward, torch, ratio, notes }: TrainBenchReport): string {
  const line = (name: string, { median, low, high }: Summary): string =>
    `${name.padEnd(28)} ${Math.round(median)} tokens/s (${Math.round(low)} to ${Math.round(high)})`;
  return [
    `${config}: ${parameters.toLocaleString("en")} parameters`,
    line("fourward", fourward),
    ...Object.entries(torch).map(([name, summary]) => line(name, summary)),
    ...(ratio
      ? [
          `ratio to the faster PyTorch: ${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`,
        ]
      : []),
    ...notes,
    "",
  ].join("\n");
}
