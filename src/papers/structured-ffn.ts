/** Paper 16: feed-forward layers of structured matrices, trained from the start, with and without dense guides. */
import { decoder, type FfnConfig } from "../models/index.ts";
import { ffn, structuredFfn } from "../nn/index.ts";
import { exactly, measured, pairedMeasurement, paper, type Scale, type StudyContext } from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageModel,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  testLosses,
} from "../train/index.ts";
import { ffnSpeeds } from "./ffn-times.ts";
import {
  changeByGuide,
  changeByMerging,
  type Form,
  forms,
  skippedShare,
  structuredConfig,
  structuresOf,
} from "./structured-identities.ts";
import { familyConfig, publishedCountsMet } from "./structured-sizes.ts";

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
/** The shared setting, narrower and with less text, since there are seven arms. Ranks are whole at this width. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  if (scale !== "small") return setting;
  return { ...setting, width: 48, budget: { ...setting.budget, batch: 16, steps: 240 } };
}

async function languageArms(context: StudyContext): Promise<(arm: string) => readonly number[]> {
  const setting = settingOf(context.scale);
  const { width, budget } = setting;
  const shape = { ...setting, context: budget.context };
  const model = (layer?: FfnConfig) => decoder(familyConfig(shape, layer)) as LanguageModel;
  const structured = Object.entries(structuresOf(width)).flatMap(([form, structure]) => {
    const layer = structuredConfig(structure, width);
    return [
      [form, model(layer)],
      [`${form}, guided`, model({ ...layer, guided: 0.5 } as FfnConfig)],
    ] as const;
  });
  const arms = { dense: model(), ...Object.fromEntries(structured) };
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    return (arm) => testLosses(compared, arm);
  } finally {
    text.close();
  }
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
    const speed = await ffnSpeeds(context, blocksOf);
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
          (width) => structuredConfig({ form: "lowRank", rank: width / 2 }, width),
          (width) => structuredConfig({ form: "lowRank", rank: width / 4 }, width),
        ) +
          publishedCountsMet(
            (width) => structuredConfig({ form: "blockShuffle", blocks: 2 }, width),
            (width) => structuredConfig({ form: "blockShuffle", blocks: 4 }, width),
          ),
      ),
      merge: exactly(await changeByMerging()),
      start: exactly(await changeByGuide()),
      skipped: measured(skipped),
      speed: speed({ slow: "dense", quick: "low rank", tokens: "most" }),
      speedLarge: speed({ slow: "dense", quick: "low rank, 63 %", tokens: "most" }),
      speedBlocks: speed({ slow: "dense", quick: "block-shuffle", tokens: "most" }),
      premerge: speed({ slow: "low rank", quick: "dense", tokens: "fewest" }),
      lowRank: pairedMeasurement(losses("low rank"), dense),
      guidedLowRank: guided("low rank"),
      guidedBlockShuffle: guided("block-shuffle"),
      guidedBlockDense: guided("block-dense"),
      gap: measured(dense.map((loss, seed) => 100 * ((meanOfForms[seed] as number) / loss - 1))),
    };
  },
});
