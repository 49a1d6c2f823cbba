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

/** The setting that studies share, with rates for norms after sublayers. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  if (scale !== "small") return setting;
  // Three arms more than others have: fewer steps and rates keep the time.
  return { ...setting, budget: { ...setting.budget, steps: 400, rates: [3e-3, 6e-3] } };
}

/**
 * Size of what a mixer without parameters adds to the stream. Attention learns how much it adds, but a transform that keeps
 * variance adds as much as there was: so the mixers are tried at that size and at a tenth of it.
 */
const SMALL = 0.1;

/** Positions that the windows of a setting span. */
const windowOf = ({ budget }: LanguageSetting): number => Math.max(2, budget.context / 4);

const names = {
  attention: "attention",
  masked: "half masked Fourier",
  window: "half window Fourier",
  smallMasked: "half masked Fourier, a tenth",
  smallWindow: "half window Fourier, a tenth",
  average: "half moving average, a tenth",
  none: "half of the attention left out",
  fourier: "masked Fourier only, a tenth",
} as const;
type Arm = keyof typeof names;

/** Models with the same feed-forward blocks. They differ in what mixes positions in even and in odd blocks. */
function configsOf(setting: LanguageSetting): Readonly<Record<Arm, DecoderConfig>> {
  const { vocabulary, width, depth, heads, budget } = setting;
  const window = windowOf(setting);
  const attention: Sublayer = { mixer: { kind: "attention", heads, bias: false } };
  const dense: Sublayer = { ffn: { kind: "dense", hidden: 4 * width, activation: "gelu" } };
  const small = (mixer: MixerConfig): Sublayer => ({ mixer, scale: SMALL });
  const model = (even: Sublayer, odd: Sublayer | undefined): DecoderConfig => ({
    vocabulary,
    context: budget.context,
    width,
    // As in FNet and Transformer-XL.
    placement: "post",
    blocks: Array.from({ length: depth }, (_, b) => {
      const mixer = b % 2 === 0 ? even : odd;
      return mixer ? [mixer, dense] : [dense];
    }),
  });
  const masked: MixerConfig = { kind: "maskedFourier" };
  const waves: MixerConfig = { kind: "windowFourier", window };
  return {
    attention: model(attention, attention),
    masked: model(attention, { mixer: masked }),
    window: model(attention, { mixer: waves }),
    smallMasked: model(attention, small(masked)),
    smallWindow: model(attention, small(waves)),
    average: model(attention, small({ kind: "movingAverage", window })),
    none: model(attention, undefined),
    fourier: model(small(masked), small(masked)),
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
    smallMasked: {
      what: "test loss with half masked Fourier mixers of a tenth the size less that of attention alone",
      figure: 0.064,
      unit: "nats",
      direction: "atMost",
      where: "abstract, as above; the size is ours",
    },
    smallWindow: {
      what: "test loss with half window Fourier mixers of a tenth the size less that of attention alone",
      figure: 0.064,
      unit: "nats",
      direction: "atMost",
      where: "abstract, as above; the size is ours",
    },
    maskedAdds: {
      what: "test loss with half masked Fourier mixers, a tenth the size, less that with nothing in their place",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: do these layers add anything",
    },
    windowAdds: {
      what: "test loss with half window Fourier mixers, a tenth the size, less that with nothing in their place",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: do these layers add anything",
    },
    maskedAverage: {
      what: "test loss with half masked Fourier mixers less that with moving averages, both a tenth the size",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: would any causal mixing do",
    },
    windowAverage: {
      what: "test loss with half window Fourier mixers less that with moving averages, both a tenth the size",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: would any causal mixing do",
    },
    only: {
      what: "test loss with masked Fourier mixers only, a tenth the size, less that of attention alone",
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
      `The abstract does not say which frequencies the causal transform keeps, so there are two readings: a transform over all earlier positions whose position t gets frequency t, and a transform over the last ${window} positions whose channel c gets frequency c mod ${window}. Moving averages span ${window} positions too. Attention is rotary, over one window of text, instead of Transformer-XL's with a memory.`,
    );
    context.note(
      "Both readings are scaled to keep variance, which the abstract does not mention either. A mixer of that size adds as much to the stream as there was, and can learn nothing to make up for it, hence also a tenth of the size; 0.1 was set after single trials of 1, 0.3 and 0.1. Where the mixer is left out, so is its norm, while the feed-forward blocks stay.",
    );
    context.note(
      "Trainings as short as these are no test of how models compare in the long run: whether half of the attention is missed at all is seen from the model that has nothing in its place.",
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
      smallMasked: below("smallMasked", "attention"),
      smallWindow: below("smallWindow", "attention"),
      maskedAdds: below("smallMasked", "none"),
      windowAdds: below("smallWindow", "none"),
      maskedAverage: below("smallMasked", "average"),
      windowAverage: below("smallWindow", "average"),
      only: below("fourier", "attention"),
    };
  },
});
