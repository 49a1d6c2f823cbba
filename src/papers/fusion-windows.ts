/** A deep thin model whose attention is dropped, and every window of its feed-forward layers fused or left out. */
import { compile, evaluate, mapTree, mul, type Tensor, tensor } from "../array/index.ts";
import { type CorpusTokens, type DecoderConfig, type DecoderParams, decoder } from "../models/index.ts";
import { blockDependency, windowDependency } from "../probe/index.ts";
import type { Scale, StudyContext } from "../report/index.ts";
import {
  blocksSideBySide,
  type ConfiguredDecoder,
  dropAttention,
  type FfnRun,
  ffnRuns,
  ffnsSideBySide,
  fuseFfnRun,
  heal,
  withoutFfns,
} from "../surgery/index.ts";
import {
  fitLanguageModel,
  languageSettings,
  type OnProgress,
  scoreLanguageModel,
  spreadWindows,
} from "../train/index.ts";

export interface FusionSizes {
  readonly depth: number;
  /** Attention is dropped from this block on. */
  readonly from: number;
  readonly rate: number;
  /** Steps of distillation: of the model without attention, and of fused ones; the rate of both. */
  readonly steps: number;
  readonly healing: number;
  /** Windows that score a choice, and tokens that show how blocks depend on each other. */
  readonly windows: number;
  readonly tokens: number;
  /** Lengths of runs. */
  readonly lengths: readonly number[];
  readonly timed: { readonly widths: readonly number[]; readonly lengths: readonly number[] };
  readonly calls: number;
}
/** By scale. */
export const fusionSizes: Readonly<Record<Scale, FusionSizes>> = {
  smoke: {
    ...{ depth: 4, from: 1, rate: 4e-3, steps: 2, healing: 4e-3, windows: 4, tokens: 32, lengths: [2, 3] },
    ...{ timed: { widths: [32], lengths: [2] }, calls: 3 },
  },
  small: {
    ...{ depth: 12, from: 6, rate: 6e-3, steps: 50, healing: 2e-3, windows: 64, tokens: 2048 },
    lengths: [2, 3, 4, 5, 6],
    ...{ timed: { widths: [256, 512, 1024], lengths: [2, 4, 6] }, calls: 15 },
  },
  full: {
    ...{ depth: 24, from: 12, rate: 1e-3, steps: 1000, healing: 3e-4, windows: 256, tokens: 32_768 },
    lengths: [2, 3, 4, 6, 8, 10, 12],
    ...{ timed: { widths: [256, 512, 1024, 2048, 4096], lengths: [2, 4, 8, 12] }, calls: 51 },
  },
};

/** One window of feed-forward layers, fused and left out; losses in nats per token on validation text. */
export interface FusedWindow {
  readonly first: number;
  readonly length: number;
  /** Whether the model's last layer is in it. */
  readonly last: boolean;
  readonly dependency: number;
  readonly fused: number;
  readonly removed: number;
}

/** What came of one seed. */
export interface FusionOutcome {
  readonly whole: number;
  /** After each attention sublayer that was dropped, and after healing. */
  readonly dropped: readonly { readonly block: number; readonly loss: number }[];
  readonly bare: number;
  readonly matrix: readonly (readonly number[])[];
  readonly windows: readonly FusedWindow[];
  /** Loss above the model without attention, of the longest run without the last layer: before, and after healing both. */
  readonly gap: {
    readonly fused: number;
    readonly removed: number;
    readonly fusedHealed: number;
    readonly removedHealed: number;
  };
  /** Difference of logits from the layers side by side, and of a run of one layer, over the largest. */
  readonly sum: number;
  readonly one: number;
  /** Order of the difference from the layers in a row in the size of what they add. */
  readonly order: number;
  /** Loss with whole blocks side by side, where they depend least on each other. */
  readonly blocks: readonly { readonly count: number; readonly first: number; readonly loss: number }[];
}

/** How often `tryWindows` tells what it does next. */
export function stagesOf(scale: Scale): number {
  const { depth, from, lengths } = fusionSizes[scale];
  // Feed-forward layers that follow each other, the one before the first attention that is dropped among them.
  const run = depth - from + 1;
  return 8 + lengths.reduce((total, length) => total + run - length + 1, 0);
}

/** Trains the model of a seed, drops attention, and tries every window; calls `next` before each stage. */
export async function tryWindows(
  context: Pick<StudyContext, "scale" | "signal">,
  text: CorpusTokens,
  seed: number,
  next: (stage: string) => OnProgress,
): Promise<FusionOutcome> {
  const { vocabulary, width, heads, budget } = languageSettings[context.scale];
  const { depth, from, rate, steps, healing, windows, tokens, lengths } = fusionSizes[context.scale];
  const { signal } = context;
  const { batch, context: window } = budget;
  const config: DecoderConfig = {
    ...{ vocabulary, context: window, width, norm: "rms" },
    blocks: Array.from({ length: depth }, () => [
      { mixer: { kind: "attention", heads } },
      { ffn: { kind: "gated", hidden: 2 * width } },
    ]),
  };
  const loss = async ({ config: c, params }: ConfiguredDecoder): Promise<number> =>
    (await scoreLanguageModel(decoder(c), params, text.validation, { context: window, windows, signal })).loss;
  const healed = (teacher: ConfiguredDecoder, student: ConfiguredDecoder, onProgress: OnProgress) =>
    heal(teacher, student, { text: text.train, steps, batch, rate: healing, seed, signal, onProgress });

  const model = decoder(config);
  const training = {
    steps: budget.steps,
    batch,
    context: window,
    rate,
    seed,
    signal,
    onProgress: next("training the model"),
  };
  const { params } = await fitLanguageModel({ model, data: text.train, ...training });
  signal.throwIfAborted();
  const whole: ConfiguredDecoder = { config: model.config, params };
  next("dropping attention");
  const {
    dropped,
    loss: wholeLoss,
    ...cut
  } = await dropAttention(whole, {
    ...{ count: depth - from, within: [from, depth - 1], text: text.validation, windows, signal },
  });
  const bare = await healed(whole, cut, next("healing"));
  next("dependence of blocks");
  const matrix = await blockDependency(decoder(bare.config), bare.params, text.validation, { tokens, signal });
  const all = ffnRuns(bare.config)[0] as FfnRun;
  const tried: FusedWindow[] = [];
  for (const length of lengths)
    for (let i = 0; i + length <= all.length; i++) {
      const run = all.slice(i, i + length);
      const first = run[0]?.block as number;
      next(`${length} layers from block ${first} on`);
      tried.push({
        ...{ first, length, last: i + length === all.length },
        dependency: windowDependency(matrix, first, length).sum,
        fused: await loss(await fuseFfnRun(bare, run)),
        removed: await loss(withoutFfns(bare, run)),
      });
    }
  const longest = all.slice(-1 - (lengths.at(-1) as number), -1);
  const [fused, removed] = [await fuseFfnRun(bare, longest), withoutFfns(bare, longest)];
  const healedLoss = async (student: ConfiguredDecoder, name: string): Promise<number> => {
    return loss(await healed(whole, student, next(`distilling ${name}`)));
  };
  // Each gets as many more steps as the model that it is compared with.
  const [bareHealed, fusedHealed, removedHealed] = [
    await healedLoss(bare, "the model without attention"),
    await healedLoss(fused, "the longest run fused"),
    await healedLoss(removed, "the longest run left out"),
  ];
  const bareLoss = await loss(bare);
  const blocks = [];
  next("whole blocks side by side");
  const dense = await blockDependency(model, params, text.validation, { tokens, signal });
  for (const count of [2, 3, 4].filter((n) => n < depth)) {
    const first = leastDependent(dense, count);
    blocks.push({ count, first, loss: await loss(blocksSideBySide(whole, first, count)) });
  }
  return {
    ...{ whole: wholeLoss, dropped: dropped.map(({ block, loss: after }) => ({ block, loss: after })), bare: bareLoss },
    ...{ matrix, windows: tried, blocks },
    gap: {
      fused: (await loss(fused)) - bareLoss,
      removed: (await loss(removed)) - bareLoss,
      fusedHealed: fusedHealed - bareHealed,
      removedHealed: removedHealed - bareHealed,
    },
    sum: await difference(ffnsSideBySide(bare, longest), fused, text),
    one: await difference(bare, await fuseFfnRun(bare, longest.slice(0, 1)), text),
    order: await orderOf(bare, longest, text),
  };
}

function leastDependent(matrix: readonly (readonly number[])[], count: number): number {
  const sums = Array.from(
    { length: matrix.length - count + 1 },
    (_, first) => windowDependency(matrix, first, count).sum,
  );
  return sums.indexOf(Math.min(...sums));
}

async function logitsOf({ config, params }: ConfiguredDecoder, { validation }: CorpusTokens): Promise<Float32Array> {
  const { tokens } = spreadWindows(validation, { context: config.context - 1, windows: 1 }).batch(0, 1);
  return (await compile(decoder(config).apply)(params, await evaluate(tokens))).data as Float32Array;
}

/** Largest difference of a logit on a window of text, over the largest. */
async function difference(a: ConfiguredDecoder, b: ConfiguredDecoder, text: CorpusTokens): Promise<number> {
  const [x, y] = [await logitsOf(a, text), await logitsOf(b, text)];
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - (y[i] as number))), 0) / largest;
}

/** The power of ε with which a fused run departs from its layers in a row, if what they add is multiplied by ε; float64. */
async function orderOf({ config, params }: ConfiguredDecoder, run: FfnRun, text: CorpusTokens): Promise<number> {
  const exact = mapTree(params, (x) => tensor(Float64Array.from(x.data as Float32Array), { shape: x.shape }));
  const added = new RegExp(`^blocks\\.(${run.map(({ block }) => block).join("|")})\\.ffn\\.layer\\.down\\.`);
  const departure = async (eps: number): Promise<number> => {
    const small = (await evaluate(
      mapTree(exact, (x: Tensor, path) => (added.test(path) ? mul(x, eps) : x)),
    )) as DecoderParams;
    return difference({ config, params: small }, await fuseFfnRun({ config, params: small }, run), text);
  };
  return Math.log10((await departure(1e-2)) / (await departure(1e-3)));
}
