/** Paper 75: causal Fourier transforms without parameters in place of half of the attention layers of a language model. */
import { type DecoderConfig, decoder, type MixerConfig, type Sublayer } from "../models/index.ts";
import { maskedFourierMixer, windowFourierMixer } from "../nn/index.ts";
import { exactly, pairedMeasurement, paper, type Scale, type StudyContext } from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageArm,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  testLosses,
} from "../train/index.ts";
import { attentionParameters, leak, type MixerOf, streamingError, transformError } from "./fourier-identities.ts";

/** The setting that studies share, with six blocks so that half of them can be exchanged. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  if (scale !== "small") return setting;
  // Deeper models and one arm more than others have: fewer steps and rates keep the time.
  return { ...setting, depth: 6, budget: { ...setting.budget, steps: 350, rates: [6e-3, 12e-3] } };
}

/** Positions that the windows of a setting span. */
const windowOf = ({ budget }: LanguageSetting): number => Math.max(2, budget.context / 4);

const names = {
  attention: "attention",
  masked: "half masked Fourier",
  window: "half window Fourier",
  average: "half moving average",
  none: "half of the attention left out",
  fourier: "masked Fourier only",
} as const;
type Arm = keyof typeof names;

/** Models with the same feed-forward blocks. They differ in what mixes positions in even and in odd blocks. */
function configsOf(setting: LanguageSetting): Readonly<Record<Arm, DecoderConfig>> {
  const { vocabulary, width, depth, heads, budget } = setting;
  const window = windowOf(setting);
  const attention: MixerConfig = { kind: "attention", heads, bias: false };
  const dense: Sublayer = { ffn: { kind: "dense", hidden: 4 * width, activation: "gelu" } };
  const model = (even: MixerConfig, odd: MixerConfig | undefined): DecoderConfig => ({
    vocabulary,
    context: budget.context,
    width,
    blocks: Array.from({ length: depth }, (_, b) => {
      const mixer = b % 2 === 0 ? even : odd;
      return mixer ? [{ mixer }, dense] : [dense];
    }),
  });
  return {
    attention: model(attention, attention),
    masked: model(attention, { kind: "maskedFourier" }),
    window: model(attention, { kind: "windowFourier", window }),
    average: model(attention, { kind: "movingAverage", window }),
    none: model(attention, undefined),
    fourier: model({ kind: "maskedFourier" }, { kind: "maskedFourier" }),
  };
}

async function trainArms(context: StudyContext, setting: LanguageSetting) {
  const configs = configsOf(setting);
  const arms = Object.fromEntries((Object.keys(names) as Arm[]).map((arm) => [names[arm], decoder(configs[arm])]));
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget: setting.budget });
    for (const figure of languageFigures(compared, setting.budget)) context.figure(figure);
    return {
      losses: (arm: Arm) => testLosses(compared, names[arm]),
      of: (arm: Arm) => compared[names[arm]] as LanguageArm,
    };
  } finally {
    text.close();
  }
}

export default paper({
  number: 75,
  slug: "fnet-ar",
  title: "FNetAR: Mixing Tokens with Autoregressive Fourier Transforms",
  year: 2021,
  source: "Lou, Park, Ramezanali, Tang; arXiv:2107.10932",
  abstract:
    "FNet mixes the tokens of an encoder by a Fourier transform, which has no parameters. Here the transform is made causal, so that a language model can use it: each position is mixed from earlier ones only. In a Transformer-XL, half of the attention layers give way to it, at almost the same perplexity.",
  claims: {
    transform: {
      what: "difference of the mixer from a fast Fourier transform over both axes",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition of FNet",
    },
    leak: {
      what: "change of outputs that stand before a changed input, both causal mixers",
      figure: 0,
      unit: "",
      direction: "equals",
      where: "definition: autoregressive",
    },
    streaming: {
      what: "difference of outputs formed position by position from those of the whole sequence, both causal mixers",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: autoregressive",
    },
    paperLayer: {
      what: "parameters that an attention layer of the paper's width has, 410, without those of relative positions",
      figure: 672_400,
      unit: "",
      direction: "equals",
      where: "definition: 4·410²",
    },
    saved: {
      what: "parameters saved for each attention layer that is replaced, over the width squared",
      figure: 4,
      unit: "",
      direction: "equals",
      where: "definition: the mixer has none",
    },
    masked: {
      what: "test loss with half masked Fourier mixers less that of attention alone",
      figure: 0.064,
      unit: "nats",
      direction: "atMost",
      where: "abstract: perplexity 25.8 against 24.2",
    },
    window: {
      what: "test loss with half window Fourier mixers less that of attention alone",
      figure: 0.064,
      unit: "nats",
      direction: "atMost",
      where: "abstract: perplexity 25.8 against 24.2",
    },
    maskedAdds: {
      what: "test loss with half masked Fourier mixers less that with nothing in their place",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: do these layers add anything",
    },
    windowAdds: {
      what: "test loss with half window Fourier mixers less that with nothing in their place",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: do these layers add anything",
    },
    maskedAverage: {
      what: "test loss with half masked Fourier mixers less that with moving averages",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: would any causal mixing do",
    },
    windowAverage: {
      what: "test loss with half window Fourier mixers less that with moving averages",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: would any causal mixing do",
    },
    only: {
      what: "test loss with masked Fourier mixers only less that of attention alone",
      figure: 0.15,
      unit: "nats",
      direction: "atLeast",
      where: "the paper keeps half of the attention; 0.15 is our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    const setting = settingOf(context.scale);
    const window = windowOf(setting);
    const causal = [
      ({ width, context }) => maskedFourierMixer({ width, positions: context }),
      ({ width }) => windowFourierMixer({ width, window: 8 }),
    ] satisfies MixerOf[];
    const identities = {
      transform: await transformError(),
      leak: Math.max(...(await Promise.all(causal.map(leak)))),
      streaming: Math.max(...(await Promise.all(causal.map(streamingError)))),
    };
    const { losses, of } = await trainArms(context, setting);
    const replaced = Math.floor(setting.depth / 2);
    context.note(
      `The abstract does not say which frequencies the causal transform keeps, so there are two readings: a transform over all earlier positions whose position t gets frequency t, and a transform over the last ${window} positions whose channel c gets frequency c mod ${window}. Moving averages span ${window} positions too. Models have pre-norm blocks and rotary attention instead of Transformer-XL's memory.`,
    );
    context.note(
      "Where the mixer is left out, so is its norm, while the feed-forward blocks stay: what that model lacks is the mixing alone.",
    );
    const below = (arm: Arm, other: Arm) => pairedMeasurement(losses(arm), losses(other));
    return {
      transform: exactly(identities.transform),
      leak: exactly(identities.leak),
      streaming: exactly(identities.streaming),
      paperLayer: exactly(attentionParameters()),
      saved: exactly((of("attention").parameters - of("masked").parameters) / (replaced * setting.width ** 2)),
      masked: below("masked", "attention"),
      window: below("window", "attention"),
      maskedAdds: below("masked", "none"),
      windowAdds: below("window", "none"),
      maskedAverage: below("masked", "average"),
      windowAverage: below("window", "average"),
      only: below("fourier", "attention"),
    };
  },
});
