/** Paper 55: feed-forward blocks of none to three layers, and fewer transformer blocks with deeper ones. */
import { compile, evaluate, key, type Tensor, tensor } from "../array/index.ts";
import { type DecoderConfig, decoder, type Sublayer } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import { exactly, pairedMeasurement, paper, type Scale, type StudyContext, speedMeasurement } from "../report/index.ts";
import { deepenFfns } from "../surgery/index.ts";
import {
  compareLanguageModels,
  gradientTimes,
  type LanguageArm,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
  matchBudget,
} from "../train/index.ts";

/** Blocks of the models with two layers, and of those with three, which then have slightly fewer parameters. */
const depths: Readonly<Record<Scale, { readonly two: number; readonly three: number }>> = {
  smoke: { two: 3, three: 1 },
  small: { two: 7, three: 3 },
  full: { two: 24, three: 10 },
};

/** A feed-forward sublayer of so many layers at `hidden = 4·width`, GELU after all but the last; none for 0. */
const ffnOf = (layers: number, width: number): readonly Sublayer[] => {
  const hidden = 4 * width;
  if (layers === 0) return [];
  if (layers === 1) return [{ ffn: { kind: "oneLayer" } }];
  return [{ ffn: { kind: "deep", layers, hidden } }];
};

const configOf = (
  { vocabulary, heads, budget }: LanguageSetting,
  { width, blocks, layers }: { readonly width: number; readonly blocks: number; readonly layers: number },
): DecoderConfig => ({
  vocabulary,
  context: budget.context,
  width,
  blocks: Array.from({ length: blocks }, () => [
    { mixer: { kind: "attention", heads } } as const,
    ...ffnOf(layers, width),
  ]),
});

const parametersOf = (config: DecoderConfig): number => parameterCount(decoder(config).init(key(0)));
/** Without the table of embeddings. */
const bodyOf = (config: DecoderConfig): number => parametersOf(config) - config.vocabulary * config.width;

/** The models that are compared. */
function configsOf(setting: LanguageSetting, scale: Scale) {
  const { width, heads } = setting;
  const { two, three } = depths[scale];
  const standard = configOf(setting, { width, blocks: two, layers: 2 });
  const attentionOnly = (wide: number) => configOf(setting, { width: wide, blocks: two, layers: 0 });
  const { value } = matchBudget({
    target: bodyOf(standard),
    count: (wide) => bodyOf(attentionOnly(wide)),
    // Rotations need heads of even width.
    step: 2 * heads,
    within: 0.2,
  });
  return {
    "two layers": standard,
    "three layers, fewer blocks": configOf(setting, { width, blocks: three, layers: 3 }),
    "one layer": configOf(setting, { width, blocks: two, layers: 1 }),
    "no feed-forward": configOf(setting, { width, blocks: two, layers: 0 }),
    "no feed-forward, wider": attentionOnly(value),
  };
}
type Arm = keyof ReturnType<typeof configsOf>;

/** How many of the five models have as many parameters as the formulas give. */
function formulasMet(setting: LanguageSetting, configs: Readonly<Record<Arm, DecoderConfig>>): number {
  // Weights of a block over the squared width, and biases and norms over the width, by layers of the feed-forward part.
  const formulas = [
    [4, 6],
    [5, 9],
    [12, 13],
    [28, 17],
  ] as const;
  const layers: Readonly<Record<Arm, number>> = {
    "two layers": 2,
    "three layers, fewer blocks": 3,
    "one layer": 1,
    "no feed-forward": 0,
    "no feed-forward, wider": 0,
  };
  return (Object.keys(configs) as Arm[]).filter((name) => {
    const { width, blocks } = configs[name];
    const [squares, lines] = formulas[layers[name]] as readonly [number, number];
    const block = squares * width ** 2 + lines * width;
    return parametersOf(configs[name]) === setting.vocabulary * width + blocks.length * block + 2 * width;
  }).length;
}

/** Largest change of the logits of a ReLU model when its feed-forward blocks get an identity layer each. */
async function changeByDeepening(setting: LanguageSetting): Promise<number> {
  const { vocabulary, width, heads, depth, budget } = setting;
  const config: DecoderConfig = {
    vocabulary,
    context: budget.context,
    width,
    blocks: Array.from({ length: depth }, () => [
      { mixer: { kind: "attention", heads } },
      { ffn: { kind: "dense", hidden: 4 * width, activation: "relu" } },
    ]),
  };
  const params = await evaluate(decoder(config).init(key(0)));
  const deep = deepenFfns({ config, params });
  const tokens = tensor(
    Int32Array.from({ length: budget.context }, (_, i) => (i * i) % vocabulary),
    { shape: [1, budget.context] },
  );
  const logits = async ({ config, params }: typeof deep): Promise<Tensor> =>
    compile(decoder(config).apply)(await evaluate(params), tokens);
  const [before, after] = [await logits({ config, params }), await logits(deep)];
  return Math.max(...Array.from(before.data as Float32Array, (value, i) => Math.abs(value - Number(after.data[i]))));
}

async function languageArms(context: StudyContext, setting: LanguageSetting) {
  const configs = configsOf(setting, context.scale);
  const arms = Object.fromEntries(Object.entries(configs).map(([name, config]) => [name, decoder(config)]));
  const { budget, vocabulary } = setting;
  const text = await languageText(setting);
  try {
    const compared = await compareLanguageModels(context, { arms, text, budget });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    const calls = context.scale === "smoke" ? 3 : 11;
    const times = await context.remember("times", () =>
      gradientTimes(arms, { ...budget, vocabulary, calls, signal: context.signal }),
    );
    return {
      losses: (arm: Arm, of: "train" | "test") => (compared[arm] as LanguageArm).outcomes.map((outcome) => outcome[of]),
      times: times as { readonly [A in Arm]: readonly number[] },
    };
  } finally {
    text.close();
  }
}

/** The shared setting, with narrower models, since they have more blocks, and smaller batches. */
function settingOf(scale: Scale): LanguageSetting {
  const setting = languageSettings[scale];
  // Small batches and few steps want high rates: the best of short trials lay between 8e-3 and 16e-3.
  const rates = [6e-3, 12e-3, 24e-3];
  if (scale !== "small") return setting;
  return { ...setting, width: 48, budget: { ...setting.budget, batch: 16, steps: 240, rates } };
}

export default paper({
  number: 55,
  slug: "three-layer-ffn",
  title: "Attention Is Not All You Need: The Importance of Feedforward Networks in Transformer Models",
  year: 2025,
  source: "Gerber; arXiv:2505.06633",
  abstract:
    "How much of a transformer is its feed-forward part? Decoders with feed-forward layers of none, one, two and three linear maps are trained alike. Without them models do clearly worse, and with three maps in fewer blocks they reach a lower training loss than the usual ones, with fewer parameters in less time.",
  claims: {
    counts: {
      what: "models whose parameters are counted as the formulas for 0 to 3 layers say",
      figure: 5,
      unit: "",
      direction: "equals",
      where: "definition of the models",
    },
    surgery: {
      what: "largest change of the logits of a ReLU model by an identity layer in each feed-forward block",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-6,
      where: "relu(relu(x)) = relu(x)",
    },
    fewer: {
      what: "parameters with three layers in fewer blocks over those with two layers, embeddings left out",
      figure: 1,
      unit: "x",
      direction: "atMost",
      where: "abstract: fewer parameters; our choice of blocks",
    },
    train: {
      what: "training loss with three layers in fewer blocks less that with two",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "abstract: lower training loss",
    },
    test: {
      what: "test loss with three layers in fewer blocks less that with two",
      figure: 0,
      unit: "nats",
      direction: "atMost",
      where: "our question: the same on text that was not seen",
    },
    faster: {
      what: "time of a training step with two layers over that with three in fewer blocks",
      figure: 1,
      unit: "x",
      direction: "atLeast",
      where: "abstract: less time",
    },
    one: {
      what: "test loss with one layer less that with two, same blocks",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "title: the importance of feed-forward networks",
    },
    none: {
      what: "test loss without feed-forward layers less that with one layer, same blocks",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "title: the importance of feed-forward networks",
    },
    attention: {
      what: "test loss without feed-forward layers, as many parameters, less that with two layers",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "our control: the parameters spent on wider attention",
    },
  },
  seeds: { smoke: 1, small: 3, full: 3 },
  async run(context) {
    const setting = settingOf(context.scale);
    const configs = configsOf(setting, context.scale);
    const { losses, times } = await languageArms(context, setting);
    const three = "three layers, fewer blocks";
    const difference = (a: Arm, b: Arm, of: "train" | "test" = "test") =>
      pairedMeasurement(losses(a, of), losses(b, of));
    const wide = configs["no feed-forward, wider"].width;
    context.note(
      `${configs["two layers"].blocks.length} blocks with two layers stand against ${configs[three].blocks.length} with three, at width ${setting.width}; attention alone has width ${wide} for the same number of parameters. All arms see the same tokens, which is not the same number of operations: the table has both.`,
    );
    context.note(
      "Weights are drawn with variance 1/inputs in every arm and each arm has its own learning rate; a three-layer block has no residual sum within, and other ways of drawing weights may serve it better.",
    );
    return {
      counts: exactly(formulasMet(setting, configs)),
      surgery: exactly(await changeByDeepening(setting)),
      fewer: exactly(bodyOf(configs[three]) / bodyOf(configs["two layers"])),
      train: difference(three, "two layers", "train"),
      test: difference(three, "two layers"),
      faster: speedMeasurement(times["two layers"], times[three]),
      one: difference("one layer", "two layers"),
      none: difference("no feed-forward", "one layer"),
      attention: difference("no feed-forward, wider", "two layers"),
    };
  },
});
