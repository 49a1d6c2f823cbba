/** Paper 2: feed-forward parts that narrow instead of widen, stacked, at equal numbers of parameters. */
import { compile, evaluate, key, normal, zerosLike } from "../array/index.ts";
import { available } from "../data/index.ts";
import { type DecoderConfig, decoder, type FfnConfig } from "../models/index.ts";
import { type HourglassParams, hourglassFfn, parameterCount, residual } from "../nn/index.ts";
import { exactly, pairedMeasurement, paper, type Scale, SkippedError, type StudyContext } from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  type Match,
  matchBudget,
  testLosses,
} from "../train/index.ts";
import { denoise, type ImageArm, type ImageOutcome } from "./hourglass-images.ts";

type Shape = Pick<LanguageSetting, "vocabulary" | "depth" | "heads"> & { readonly context: number };

const shapeOf = (setting: LanguageSetting): Shape => ({ ...setting, context: setting.budget.context });

const configOf = ({ vocabulary, depth, heads, context }: Shape, width: number, ffn: FfnConfig): DecoderConfig => ({
  vocabulary,
  context,
  width,
  norm: "rms",
  blocks: Array.from({ length: depth }, () => [{ mixer: { kind: "attention", heads, bias: false } }, { ffn }]),
});

/** Parameters without the table of embeddings. */
const bodyOf = (config: DecoderConfig): number =>
  parameterCount(decoder(config).init(key(0))) - config.vocabulary * config.width;

const conventional = (shape: Shape, width: number): DecoderConfig =>
  configOf(shape, width, { kind: "gated", hidden: Math.round((8 * width) / 3) });

const hourglass = (shape: Shape, width: number, depth: number, hidden = width / 2): DecoderConfig =>
  configOf(shape, width, { kind: "hourglass", hidden, depth });

/** Hourglass models with as many parameters as the conventional one: a wider stream, narrow layers of about half of it. */
function matched(
  shape: Shape,
  target: number,
  depth: number,
): { readonly config: DecoderConfig; readonly match: Match } {
  const { value: width } = matchBudget({
    target,
    count: (wide) => bodyOf(hourglass(shape, wide, depth)),
    // Rotations need heads of even width.
    step: 2 * shape.heads,
    within: 0.2,
  });
  // Heads cut the width into coarse steps; the narrow layers make up for what is missing.
  const match = matchBudget({
    target,
    count: (hidden) => bodyOf(hourglass(shape, width, depth, hidden)),
    name: "number of hidden units",
  });
  return { config: hourglass(shape, width, depth, match.value), match };
}

/** The models that are compared. */
function configsOf(setting: LanguageSetting) {
  const { width } = setting;
  const shape = shapeOf(setting);
  const target = bodyOf(conventional(shape, width));
  return {
    conventional: conventional(shape, width),
    "2 networks, same size": matched(shape, target, 2).config,
    "4 networks, same size": matched(shape, target, 4).config,
    "1 network": hourglass(shape, width, 1),
    "2 networks": hourglass(shape, width, 2),
    "4 networks": hourglass(shape, width, 4),
    "thin conventional": configOf(shape, width, { kind: "gated", hidden: width }),
  };
}
type Arm = keyof ReturnType<typeof configsOf>;

/** A model of the paper's kind of size: 12 blocks of width 768. Counts of it cost nothing. */
const reference: Shape = { vocabulary: 1, depth: 12, heads: 12, context: 1 };
const PUBLISHED_WIDTH = 768;

/** Weights that 3 gated networks of half the width save against a gated layer of 2048, in 12 blocks of width 768. */
function savedWeights(): number {
  const [wide, narrow] = [
    configOf(reference, PUBLISHED_WIDTH, { kind: "gated", hidden: 2048 }),
    hourglass(reference, PUBLISHED_WIDTH, 3),
  ];
  // Each network has a norm of its own where the conventional layer has one.
  const norms = 12 * (3 - 1) * PUBLISHED_WIDTH;
  return bodyOf(wide) - (bodyOf(narrow) - norms);
}

/** Largest distance in % from the conventional number of parameters that the solver leaves, for 1, 2, 4 and 8 networks. */
function largestMiss(): number {
  const target = bodyOf(conventional(reference, PUBLISHED_WIDTH));
  return Math.max(...[1, 2, 4, 8].map((depth) => 100 * Math.abs(matched(reference, target, depth).match.miss)));
}

/** Largest difference between input and output of a stack whose weights towards the stream are zero. */
async function changeWhileZero(): Promise<number> {
  const layer = hourglassFfn({ width: 64, hidden: 32, depth: 4 });
  const params = await evaluate(layer.init(key(0)));
  const silent: HourglassParams = params.map(({ ffn, ...own }) => ({
    ...own,
    ffn: { ...ffn, down: { weight: zerosLike(ffn.down.weight) } },
  }));
  const x = await evaluate(normal(key(1), [8, 64]));
  const y = await compile(residual(layer).apply)(await evaluate(silent), x);
  return Math.max(...Array.from(y.data as Float32Array, (value, i) => Math.abs(value - Number(x.data[i]))));
}

async function languageArms(context: StudyContext, setting: LanguageSetting, configs: Record<Arm, DecoderConfig>) {
  const arms = Object.fromEntries(Object.entries(configs).map(([name, config]) => [name, decoder(config)]));
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget: setting.budget });
    for (const figure of languageFigures(compared, setting.budget)) context.figure(figure);
    return (arm: Arm) => testLosses(compared, arm);
  } finally {
    text.close();
  }
}

function drawImages({ figure }: StudyContext, arms: Awaited<ReturnType<typeof denoise>>): void {
  figure({
    kind: "table",
    title: "Digits with noise",
    caption:
      "Peak signal-to-noise ratio of what the networks make of test images of MNIST at half resolution with noise of 0.5. The stream of the hourglass is wider than the images.",
    columns: ["network", "seeds: dB", "trained weights", "learning rate"],
    rows: Object.entries(arms).map(([name, { outcomes, rate }]) => [
      name,
      outcomes.map(({ psnr }) => psnr.toFixed(2)).join(", "),
      outcomes[0]?.parameters ?? 0,
      rate,
    ]),
  });
}

/** The shared setting, with less text for the time that seven arms take. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  // Small batches and few steps want high rates: the best of short trials lay between 8e-3 and 16e-3.
  const rates = [6e-3, 12e-3, 24e-3];
  return scale === "small" ? { ...setting, budget: { ...setting.budget, batch: 16, steps: 300, rates } } : setting;
}

export default paper({
  number: 2,
  slug: "hourglass-ffn",
  title: "Revisiting the Shape Convention of Transformer Language Models",
  year: 2026,
  source: "arXiv:2602.06471; the shape itself: arXiv:2510.01796",
  abstract:
    "Feed-forward parts of transformers are wide within and narrow at their ends. Turned around, they are narrow within, each with a residual sum at the width of the stream, and several stand in a row. They cost fewer parameters, which pay for a wider stream and more attention. Models of up to 400 million parameters get better by it, and those of a billion stay level.",
  claims: {
    saving: {
      what: "weights saved by 3 gated networks of 384 against a gated layer of 2048, 12 blocks of width 768",
      figure: 24_772_608,
      unit: "",
      direction: "equals",
      where: "definition of the layers",
    },
    budget: {
      what: "largest distance of matched models from their budget, 1 to 8 networks, 12 blocks of about width 768",
      figure: 1,
      unit: "%",
      direction: "atMost",
      where: "our bound",
    },
    identity: {
      what: "largest change by a stack whose weights towards the stream are zero",
      figure: 0,
      unit: "",
      direction: "equals",
      where: "residual sums",
    },
    two: {
      what: "test loss with 2 networks in a wider model less that of the conventional one, same size",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "abstract: outperforms up to 400M",
    },
    four: {
      what: "test loss with 4 networks in a wider model less that of the conventional one, same size",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "abstract: outperforms up to 400M",
    },
    stacking: {
      what: "change of test loss by twice as many networks at one width, the step from 1 to 4 where it rises most",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "more networks give steady gains",
    },
    shape: {
      what: "test loss with 2 networks less that of a conventional model with as few weights at the same width",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our control: is it the shape or only the size",
    },
    images: {
      what: "signal-to-noise ratio of digits by the hourglass less that by networks wide within, same size",
      figure: 0,
      unit: "dB",
      direction: "atLeast",
      where: "arXiv:2510.01796: better at equal size",
    },
    fixed: {
      what: "signal-to-noise ratio of digits with a fixed random input map less that with a trained one",
      figure: -1,
      unit: "dB",
      direction: "atLeast",
      where: "arXiv:2510.01796: the map may stay random; 1 dB is our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  async run(context) {
    for (const split of ["train", "test"] as const) {
      const found = available("mnist", split);
      if (!found.ok && context.scale !== "full") throw new SkippedError(found.reason);
    }
    const setting = settingOf(context.scale);
    const configs = configsOf(setting);
    const losses = await languageArms(context, setting, configs);
    const images = await denoise(context);
    drawImages(context, images);
    const sizes = ([2, 4] as const).map((depth) => {
      const { config, match } = matched(shapeOf(setting), bodyOf(configs.conventional), depth);
      return `${depth} networks of ${match.value} at width ${config.width}, ${(100 * match.miss).toFixed(1)} % from the budget`;
    });
    context.note(
      `The conventional model has width ${setting.width} and ${Math.round((8 * setting.width) / 3)} gated units; of the same size are ${sizes.join(" and ")}. Narrow layers stand one after the other, so the same number of operations takes more time; the table has the speeds.`,
    );
    const difference = (a: Arm, b: Arm) => pairedMeasurement(losses(a), losses(b));
    const psnr = (arm: ImageArm) => (images[arm].outcomes as readonly ImageOutcome[]).map((outcome) => outcome.psnr);
    const steps = [difference("2 networks", "1 network"), difference("4 networks", "2 networks")] as const;
    return {
      saving: exactly(savedWeights()),
      budget: exactly(largestMiss()),
      identity: exactly(await changeWhileZero()),
      two: difference("2 networks, same size", "conventional"),
      four: difference("4 networks, same size", "conventional"),
      stacking: steps[0].mean > steps[1].mean ? steps[0] : steps[1],
      shape: difference("2 networks", "thin conventional"),
      images: pairedMeasurement(psnr("hourglass"), psnr("wide within")),
      fixed: pairedMeasurement(psnr("hourglass, fixed input"), psnr("hourglass")),
    };
  },
});
