/** Paper 16: feed-forward layers of structured matrices, trained from the start, with and without dense guides. */
import {
  add,
  cast,
  compile,
  equal,
  evaluate,
  fold,
  item,
  key,
  mul,
  normal,
  ones,
  scan,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "../array/index.ts";
import { decoder, type FfnConfig } from "../models/index.ts";
import { ffn, type Structure, selfGuided, structuredFfn, structuredLinear } from "../nn/index.ts";
import { exactly, measured, pairedMeasurement, paper, type Scale, type StudyContext } from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  testLosses,
} from "../train/index.ts";
import { type FfnTimes, ffnTimes, ffnTimesTable } from "./ffn-times.ts";
import { familyConfig, publishedCountsMet } from "./structured-sizes.ts";

/** The forms with 5/16 of the weights of dense matrices, as near as whole blocks allow. */
const structuresOf = (width: number) =>
  ({
    "low rank": { form: "lowRank", rank: width / 4 },
    "block-shuffle": { form: "blockShuffle", blocks: 4 },
    "block-dense": { form: "blockDense", blocks: 2, rank: 2 * Math.round(width / 6) },
  }) as const satisfies { readonly [form: string]: Structure };
type Form = keyof ReturnType<typeof structuresOf>;
const forms = Object.keys(structuresOf(1)) as Form[];

const configOf = ({ form, ...options }: Structure, width: number): FfnConfig =>
  ({ kind: form, hidden: 4 * width, ...options }) as FfnConfig;

interface Timing {
  readonly widths: readonly number[];
  readonly tokens: readonly number[];
  readonly rounds: number;
  readonly work: number;
}
const timings: Readonly<Record<Scale, Timing>> = {
  smoke: { widths: [32], tokens: [1, 16], rounds: 2, work: 32 },
  small: { widths: [1024, 2048], tokens: [1, 16, 128, 1024], rounds: 5, work: 256 },
  full: { widths: [1024, 1536, 2048, 4096], tokens: [1, 16, 128, 1024, 2048], rounds: 7, work: 2048 },
};

/** Blocks of each form; of low rank also with 5/8 of the weights, and each form as the dense block that it merges to. */
const blocksOf = (width: number) => {
  const hidden = 4 * width;
  return {
    dense: ffn({ width, hidden }),
    "low rank, 63 %": structuredFfn({ width, hidden, form: "lowRank", rank: width / 2 }),
    ...(Object.fromEntries(
      Object.entries(structuresOf(width)).map(([form, structure]) => [
        form,
        structuredFfn({ width, hidden, ...structure }),
      ]),
    ) as { readonly [F in Form]: ReturnType<typeof structuredFfn> }),
  };
};
type Block = keyof ReturnType<typeof blocksOf>;

/** Largest relative change of the outputs of blocks when their factors are merged, over forms and shapes. */
async function changeByMerging(): Promise<number> {
  const changes: number[] = [];
  for (const [width, hidden] of [
    [48, 192],
    [96, 24],
  ] as const) {
    const dense = ffn({ width, hidden });
    for (const structure of Object.values(structuresOf(Math.min(width, hidden)))) {
      const layer = structuredFfn({ width, hidden, ...structure });
      const params = layer.init(key(1));
      const x = normal(key(2), [64, width]);
      const [y, merged] = await evaluate([layer.apply(params, x), dense.apply(layer.merge(params), x)] as const);
      changes.push(largestDifference(y, merged) / largest(y));
    }
  }
  return Math.max(...changes);
}

const largest = (x: Tensor): number => (x.data as Float32Array).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
const largestDifference = (x: Tensor, y: Tensor): number =>
  largest(tensor((x.data as Float32Array).map((v, i) => v - Number(y.data[i]))));

/** Largest relative change of the output of a new guided block with the weight of its guides. */
async function changeByGuide(): Promise<number> {
  const changes: number[] = [];
  const x = await evaluate(normal(key(3), [16, 48]));
  for (const structure of Object.values(structuresOf(48))) {
    const layer = structuredFfn({ width: 48, hidden: 192, ...structure, guided: { skip: false } });
    const params = await evaluate(layer.init(key(4)));
    const run = compile((progress: Tensor) => layer.apply(params, x, { training: true, key: key(0), progress }));
    const end = await run(tensor(1));
    for (const progress of [0, 0.1, 0.25, 0.4])
      changes.push(largestDifference(await run(tensor(progress)), end) / largest(end));
  }
  return Math.max(...changes);
}

/** Share of 4096 steps over a whole cosine in which a layer leaves its guide out: there it gives what its factors give. */
async function skippedShare(seed: number): Promise<number> {
  const steps = 4096;
  const layer = selfGuided(structuredLinear({ inputs: 1, outputs: 1, bias: false, form: "lowRank", rank: 1 }), {
    until: 1,
  });
  const params = { factors: { inner: zeros([1, 1]), weight: zeros([1, 1]) }, guide: { weight: ones([1, 1]) } };
  const step = (skipped: Tensor, progress: Tensor): [Tensor, object] => {
    const mode = { training: true, key: fold(key(seed), cast(mul(progress, steps), "int32")), progress };
    return [add(skipped, cast(equal(sum(layer.apply(params, ones([1, 1]), mode)), 0), "float32")), {}];
  };
  const run = compile((at: Tensor) => scan(step, zeros([]), at)[0]);
  return item(await run(tensor(Float32Array.from({ length: steps }, (_, i) => (i + 0.5) / steps)))) / steps;
}

/** The shared setting, narrower and with less text, since there are seven arms. Ranks are whole at this width. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  if (scale !== "small") return setting;
  return { ...setting, width: 48, budget: { ...setting.budget, batch: 16, steps: 300 } };
}

async function languageArms(context: StudyContext): Promise<(arm: string) => readonly number[]> {
  const setting = settingOf(context.scale);
  const { width, budget } = setting;
  const shape = { ...setting, context: budget.context };
  const arms = {
    dense: decoder(familyConfig(shape)),
    ...Object.fromEntries(
      Object.entries(structuresOf(width)).flatMap(([form, structure]) => [
        [form, decoder(familyConfig(shape, configOf(structure, width)))],
        [`${form}, guided`, decoder(familyConfig(shape, { ...configOf(structure, width), guided: 0.5 } as FfnConfig))],
      ]),
    ),
  };
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    return (arm) => testLosses(compared, arm);
  } finally {
    text.close();
  }
}

async function timeBlocks(context: StudyContext) {
  const { widths, ...rest } = timings[context.scale];
  const all: FfnTimes<Block>[number][] = [];
  for (const width of widths) all.push(...(await ffnTimes(context, { width, layers: blocksOf(width), ...rest })));
  context.figure(ffnTimesTable(all, "dense"));
  const { tokens } = rest;
  /** How many times as quick as `slow` the block `quick` is at the largest width, for this place among the tokens. */
  return (slow: Block, quick: Block, place: number) => {
    const found = all.find((one) => one.width === widths.at(-1) && one.tokens === tokens.at(place));
    const { times } = found as FfnTimes<Block>[number];
    return measured(times[slow].map((ms, i) => ms / (times[quick][i] as number)));
  };
}

export default paper({
  number: 16,
  slug: "structured-ffn",
  title: "Building on Efficient Foundations: Effectively Training LLMs with Structured Feedforward Layers",
  year: 2024,
  source: "Wei, Moalla, Pascanu, Gulcehre; arXiv:2406.16450",
  abstract:
    "Replaces the two matrices of feed-forward layers by products of smaller or sparser ones from the start of training: of low rank, of two block-diagonal factors with a shuffle, or of a block-diagonal and a dense one. They are harder to train; a dense matrix beside them that fades in the first half of training helps. Forms with 32 % of the weights are 2.5 times as fast, and cost little quality.",
  claims: {
    counts: {
      what: "published numbers of parameters, at four sizes, that models of low rank and of block-shuffle have",
      figure: 24,
      unit: "",
      direction: "equals",
      where: "table of model sizes",
    },
    merge: {
      what: "largest relative change of outputs when factors are merged to one matrix",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "pre-merging: there is no nonlinearity between factors",
    },
    start: {
      what: "largest relative change of a new block's outputs with the weight of its guides",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "self-guided training: guides start as the products of the factors",
    },
    skipped: {
      what: "share of steps without the dense product while guides fade",
      figure: 0.5,
      unit: "",
      direction: "equals",
      tolerance: 0.03,
      where: "self-guided training: half of the cost of the guides",
    },
    speed: {
      what: "time of a dense block over that of low rank with 32 % of the weights, most tokens and width timed",
      figure: 2.5,
      unit: "x",
      direction: "atLeast",
      where: "abstract and figures: 2.5 times at 32 %, from width 1536",
    },
    speedLarge: {
      what: "time of a dense block over that of low rank with 63 % of the weights, most tokens and width timed",
      figure: 1.4,
      unit: "x",
      direction: "atLeast",
      where: "figures: 1.4 times at 63 %, from width 1536",
    },
    speedBlocks: {
      what: "time of a dense block over that of block-shuffle with 32 % of the weights, most tokens and width timed",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "our question: whether shuffles cost more than they save",
    },
    premerge: {
      what: "time of factors over that of the merged matrix for one token",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "pre-merging: one matrix is quicker for few tokens on a GPU",
    },
    lowRank: {
      what: "test loss with low rank less that with dense layers, without guides",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "structured layers are harder to train",
    },
    guidedLowRank: {
      what: "test loss with low rank and guides less that without guides",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "self-guided training helps",
    },
    guidedBlockShuffle: {
      what: "test loss with block-shuffle and guides less that without guides",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "self-guided training helps",
    },
    guidedBlockDense: {
      what: "test loss with block-dense and guides less that without guides",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "self-guided training helps",
    },
    gap: {
      what: "test loss of structured layers with guides less that of dense ones, over the dense one, mean of the forms",
      figure: 2,
      unit: "%",
      direction: "atMost",
      where: "our bound; 0.4 of perplexity at 1.3 billion parameters in its source",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  async run(context) {
    const losses = await languageArms(context);
    const ratio = await timeBlocks(context);
    const guided = (form: Form) => pairedMeasurement(losses(`${form}, guided`), losses(form));
    const dense = losses("dense");
    const meanOfForms = dense.map(
      (_, seed) => forms.reduce((total, form) => total + (losses(`${form}, guided`)[seed] as number), 0) / forms.length,
    );
    context.note(
      "Each arm has its own learning rate from the same search; the source uses the dense models' rate for all. The first feed-forward layer is dense in every arm, and guides act in the first half of training.",
    );
    context.note(
      "Training operations of guided models are those of steps with their guides, which half of the steps in the first half of training have, on average.",
    );
    const skipped = await context.overSeeds((seed) =>
      context.remember(`skipped, seed ${seed}`, () => skippedShare(seed)),
    );
    return {
      counts: exactly(
        publishedCountsMet(
          (width) => configOf({ form: "lowRank", rank: width / 2 }, width),
          (width) => configOf({ form: "lowRank", rank: width / 4 }, width),
        ) +
          publishedCountsMet(
            (width) => configOf({ form: "blockShuffle", blocks: 2 }, width),
            (width) => configOf({ form: "blockShuffle", blocks: 4 }, width),
          ),
      ),
      merge: exactly(await changeByMerging()),
      start: exactly(await changeByGuide()),
      skipped: measured(skipped),
      speed: ratio("dense", "low rank", -1),
      speedLarge: ratio("dense", "low rank, 63 %", -1),
      speedBlocks: ratio("dense", "block-shuffle", -1),
      premerge: ratio("low rank", "dense", 0),
      lowRank: pairedMeasurement(losses("low rank"), dense),
      guidedLowRank: guided("low rank"),
      guidedBlockShuffle: guided("block-shuffle"),
      guidedBlockDense: guided("block-dense"),
      gap: measured(dense.map((loss, seed) => 100 * ((meanOfForms[seed] as number) / loss - 1))),
    };
  },
});
