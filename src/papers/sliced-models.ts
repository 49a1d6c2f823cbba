/** The embedded model with its stream cut in several ways, by several shares. */
import { compile, evaluate } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, type TokenFile, tokensWithin } from "../data/index.ts";
import {
  corpusTokens,
  type DecoderConfig,
  decoder,
  EMBEDDED_MODEL,
  loadPretrained,
  modelFolder,
} from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import type { Scale, StudyContext } from "../report/index.ts";
import {
  type ConfiguredDecoder,
  type RotationKind,
  rotations,
  type SlicedPlace,
  sliceStream,
} from "../surgery/index.ts";
import {
  inputsAndTargets,
  type LanguageScore,
  pieceProgress,
  scoreLanguageModel,
  spreadWindows,
} from "../train/index.ts";
import type { TimedShape } from "./sliced-times.ts";

/** What each way to cut is called. */
export const ways = {
  pca: "principal components",
  random: "a random basis",
  none: "axes with the most energy",
} as const;

export interface SliceSizes {
  /** Shares of the dimensions that are cut. */
  readonly shares: readonly number[];
  /** Tokens that calibrate, windows of validation text that score. */
  readonly tokens: number;
  readonly windows: number;
  readonly timed: readonly TimedShape[];
  readonly calls: number;
}
const large = { width: 1024, hidden: 2816, depth: 4 };
/** By scale. */
export const sliceSizes: Readonly<Record<Scale, SliceSizes>> = {
  smoke: {
    ...{ shares: [0.3], tokens: 256, windows: 1, calls: 2 },
    timed: [{ width: 64, hidden: 96, depth: 1, tokens: 1 }],
  },
  small: {
    shares: [0.1, 0.2, 0.3, 0.4, 0.6],
    ...{ tokens: 4096, windows: 16, calls: 3 },
    timed: [
      { ...large, tokens: 1 },
      { ...large, tokens: 64 },
    ],
  },
  full: {
    shares: [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8],
    ...{ tokens: 65_536, windows: 256, calls: 21 },
    timed: [
      { ...large, tokens: 1 },
      { ...large, tokens: 256 },
      { width: 2048, hidden: 5632, depth: 4, tokens: 1 },
    ],
  },
};

/** A model whose stream was cut. */
export interface SliceOutcome {
  /** Share that was cut, in whole dimensions. */
  readonly share: number;
  readonly score: LanguageScore;
  readonly parameters: number;
  /** Those of the formula less those that there are. */
  readonly uncounted: number;
  readonly places: readonly SlicedPlace[];
}

/** What came of all of them. */
export interface SliceResults {
  readonly whole: LanguageScore;
  /** Largest difference of a logit without a cut, over the largest logit. */
  readonly difference: number;
  /** By way, share and seed. */
  readonly cut: { readonly [R in RotationKind]: readonly (readonly SliceOutcome[])[] };
}

/** Parts of the training text, one for each seed in turn, that calibrate. */
const PARTS = 8;
function calibrationText(train: TokenFile, seed: number): TokenFile {
  const length = Math.floor(train.length / PARTS);
  return tokensWithin(train, (seed % PARTS) * length, length);
}

/**
 * Parameters of a model of the embedded kind with a stream of `kept` dimensions: matrices on the stream have that share of
 * their numbers, tables and head too, and each change of basis adds a square.
 */
function parametersByFormula(config: Required<DecoderConfig>, kept: number, changes: number): number {
  const { vocabulary, context, width, blocks } = config;
  const hidden = blocks.reduce(
    (total, block) =>
      total + block.reduce((sum, each) => sum + ("ffn" in each && each.ffn.kind === "dense" ? each.ffn.hidden : 0), 0),
    0,
  );
  const depth = blocks.length;
  const matrices = kept * (2 * vocabulary + context + 4 * depth * width + 2 * hidden);
  const biases = depth * (3 * width + 2 * kept) + hidden + vocabulary;
  return matrices + biases + (2 * depth + 1) * kept + changes * kept ** 2;
}

/** Cuts and scores the embedded model. */
export async function sliceAll(context: StudyContext): Promise<SliceResults> {
  const { shares, tokens, windows } = sliceSizes[context.scale];
  const { signal, seeds } = context;
  const { model, params, tokenizer } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
  if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
  const source: ConfiguredDecoder = { config: model.config, params };
  const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
  const score = ({ config, params: weights }: ConfiguredDecoder) =>
    scoreLanguageModel(decoder(config), weights, text.validation, {
      ...{ context: model.config.context, windows, batch: 8, signal },
    });
  const total = 2 + rotations.length * shares.length * seeds.length;
  const next = pieceProgress(context, { total, unit: "models" });
  try {
    next("the whole model");
    const whole = await context.remember("whole", () => score(source));
    next("a turn without a cut");
    const difference = await context.remember("difference", () => turnedDifference(source, text, signal));
    const cut: Partial<Record<RotationKind, SliceOutcome[][]>> = {};
    for (const rotation of rotations) {
      cut[rotation] = [];
      for (const share of shares)
        cut[rotation].push(
          await context.overSeeds((seed) => {
            next(`${share} cut, ${ways[rotation]}`);
            return context.remember(`${rotation}, ${share}, seed ${seed}`, async () => {
              const calibration = calibrationText(text.train, seed);
              const made = await sliceStream(source, { share, rotation, tokens, text: calibration, seed, signal });
              const parameters = parameterCount(made.params);
              const changes = rotation === "pca" ? 2 * model.config.blocks.length : 0;
              return {
                ...{ share: 1 - made.kept / made.width, score: await score(made), places: made.places, parameters },
                uncounted: parametersByFormula(model.config, made.kept, changes) - parameters,
              };
            });
          }),
        );
    }
    return { whole, difference, cut: cut as SliceResults["cut"] };
  } finally {
    text.close();
  }
}

/** The largest difference of a logit after turning to principal components at each place, over the largest logit. */
async function turnedDifference(
  source: ConfiguredDecoder,
  text: { readonly train: TokenFile; readonly validation: TokenFile },
  signal: AbortSignal,
): Promise<number> {
  const turned = await sliceStream(source, { share: 0, text: text.train, tokens: 512, signal });
  const { tokens } = spreadWindows(text.validation, { context: source.config.context, windows: 1 }).batch(0, 1);
  const input = await evaluate(inputsAndTargets(tokens)[0]);
  const [a, b] = await Promise.all(
    [source, turned].map(
      async ({ config, params }) => (await compile(decoder(config).apply)(params, input)).data as Float32Array,
    ),
  );
  const largest = (a as Float32Array).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (a as Float32Array).reduce((most, v, i) => Math.max(most, Math.abs(v - (b?.[i] as number))), 0) / largest;
}
