/** A language model of long convolutions, and what it loses when its filters get fewer taps or frequencies untrained. */
import { compile, evaluate, sub, type Tensor, type Tree, tensor } from "../array/index.ts";
import { type Decoder, type DecoderConfig, decoder, type MixerConfig } from "../models/index.ts";
import { average, type Scale, type StudyContext, withStd } from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageArm,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  scoreLanguageModel,
} from "../train/index.ts";

/** Bytes as tokens, and the token that ends a text. */
const VOCABULARY = 257;

interface FilterSetting {
  readonly width: number;
  readonly depth: number;
  readonly budget: LanguageSetting["budget"];
  /** Windows of test text on which shortened filters are scored. */
  readonly windows: number;
}

const settings: Readonly<Record<Scale, FilterSetting>> = {
  smoke: {
    ...{ width: 8, depth: 1, windows: 2 },
    budget: { steps: 3, batch: 2, context: 32, rates: [4e-3], validation: 2, test: 2 },
  },
  small: {
    ...{ width: 64, depth: 2, windows: 96 },
    budget: { steps: 800, batch: 8, context: 256, rates: [3e-3, 6e-3, 12e-3], validation: 64, test: 96 },
  },
  full: {
    ...{ width: 512, depth: 8, windows: 512 },
    budget: { steps: 20_000, batch: 16, context: 8192, rates: [5e-4, 1e-3, 2e-3], validation: 64, test: 512 },
  },
};

/** Shares of the taps and of the frequencies that remain; of the taps always the first. */
export const tapShares = [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 0] as const;
export const keptShares = [0.75, 0.5, 0.25, 0.1, 0.05] as const;

/** How filters are shortened: fewer taps; fewer frequencies of the filters; fewer of the convolution, as in the paper. */
export type Shortening = "taps" | "filter frequencies" | "convolution frequencies";

/** Losses of one trained model with shortened filters less its own, in nats, in the order of the shares. */
export interface ShortenedLosses {
  readonly taps: readonly number[];
  readonly "filter frequencies": readonly number[];
  readonly "convolution frequencies": readonly number[];
  /** Largest change of a logit before the text changes, half of the convolution's frequencies kept. */
  readonly leak: number;
}

function modelOf({ width, depth, budget }: FilterSetting, options: Partial<MixerConfig> = {}): Decoder {
  const mixer = { kind: "longConvolution", ...options } as MixerConfig;
  const config: DecoderConfig = {
    ...{ vocabulary: VOCABULARY, context: budget.context, width },
    blocks: Array.from({ length: depth }, () => [
      { mixer },
      { ffn: { kind: "dense", hidden: 4 * width, activation: "gelu" } },
    ]),
  };
  return decoder(config);
}

const optionsOf = (how: Shortening, share: number, positions: number): Partial<MixerConfig> =>
  (how === "taps"
    ? { taps: Math.max(1, Math.round(share * positions)) }
    : { keep: share, leaky: how === "convolution frequencies" }) as Partial<MixerConfig>;

/** How much logits of the first half of a sequence change when all tokens of the second half do. */
async function leakOf(setting: FilterSetting, params: Tree, seed: number): Promise<number> {
  const { context } = setting.budget;
  const model = modelOf(setting, optionsOf("convolution frequencies", 0.5, context));
  const tokens = (shift: number): Tensor =>
    tensor(
      Int32Array.from({ length: context }, (_, t) => (37 * t + seed + (t >= context / 2 ? shift : 0)) % 256),
      { shape: [1, context] },
    );
  const change = compile((weights: Tree, a: Tensor, b: Tensor) =>
    sub(model.apply(weights as never, a), model.apply(weights as never, b)),
  );
  const { data } = await change(params, await evaluate(tokens(0)), await evaluate(tokens(11)));
  return (data as Float32Array)
    .subarray(0, (context / 2) * VOCABULARY)
    .reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

/** Trains the model with every seed and scores it with shortened filters; draws what came of it. */
export async function shortenFilters(context: StudyContext): Promise<readonly ShortenedLosses[]> {
  const setting = settings[context.scale];
  const { budget, windows } = setting;
  const text = await languageText({ ...languageSettings[context.scale], vocabulary: VOCABULARY });
  try {
    const examine = async (_: string, params: Tree, seed: number): Promise<ShortenedLosses> => {
      const loss = async (options: Partial<MixerConfig>): Promise<number> => {
        const score = { context: budget.context, windows, signal: context.signal };
        return (await scoreLanguageModel(modelOf(setting, options), params as never, text.test, score)).loss;
      };
      const whole = await loss({});
      const each = async (how: Shortening, shares: readonly number[]): Promise<number[]> => {
        const losses: number[] = [];
        for (const share of shares) losses.push((await loss(optionsOf(how, share, budget.context))) - whole);
        return losses;
      };
      return {
        taps: await each("taps", tapShares),
        "filter frequencies": await each("filter frequencies", keptShares),
        "convolution frequencies": await each("convolution frequencies", keptShares),
        leak: await leakOf(setting, params, seed),
      };
    };
    const arms = { "long convolutions": modelOf(setting) };
    const compared = await compareLanguageModels(context, { arms, text, budget, examine });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    const found = (compared["long convolutions"] as LanguageArm<ShortenedLosses>).outcomes.map(
      ({ examined }) => examined,
    );
    draw(context, found);
    return found;
  } finally {
    text.close();
  }
}

function draw({ figure }: StudyContext, found: readonly ShortenedLosses[]): void {
  const line = (name: Shortening, shares: readonly number[]) => ({
    name,
    points: shares.map((share, i) =>
      withStd(
        share,
        found.map((one) => one[name][i] as number),
      ),
    ),
  });
  figure({
    kind: "lines",
    title: "Filters shortened after training",
    caption: "Test loss less that with whole filters; bars are one standard deviation over seeds.",
    x: { label: "share of taps or frequencies that remains" },
    y: { label: "nats per byte" },
    series: [
      line("taps", tapShares),
      line("filter frequencies", keptShares),
      line("convolution frequencies", keptShares),
    ],
  });
  figure({
    kind: "table",
    title: "Filters shortened after training",
    columns: ["what", "share that remains", "change of test loss, nats per byte"],
    rows: (
      [
        ["taps", tapShares],
        ["filter frequencies", keptShares],
        ["convolution frequencies", keptShares],
      ] as const
    ).flatMap(([how, shares]) =>
      shares.map((share, i) => [
        how,
        share === 0 ? "one tap" : share,
        average(found.map((one) => one[how][i] as number)).toFixed(4),
      ]),
    ),
  });
}

/** Changes of the loss for a share that remains, one for each seed. */
export const shortenedBy = (found: readonly ShortenedLosses[], how: Shortening, share: number): readonly number[] => {
  const shares: readonly number[] = how === "taps" ? tapShares : keptShares;
  return found.map((one) => one[how][shares.indexOf(share)] as number);
};
