/** Paper 5: how many dimensions of a feed-forward layer its activations fill, and how that grows with its width. */
import { evaluate, key, normal } from "../array/index.ts";
import { type Decoder, decoder, type FfnConfig } from "../models/index.ts";
import {
  type ActivationSpectrum,
  activationSpectra,
  decayOf,
  effectiveDimension,
  hiddenUnits,
  participationRatio,
  rowCovariance,
  type SpectralScores,
} from "../probe/index.ts";
import {
  average,
  bootstrapInterval,
  exactly,
  fitPowerLaw,
  measured,
  type PowerLaw,
  paper,
  type Scale,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import {
  compareLanguageModels,
  type LanguageArm,
  type LanguageComparison,
  type LanguageSetting,
  languageFigures,
  languageSettings,
  languageText,
} from "../train/index.ts";

/** Feed-forward layers whose width grows. */
const kinds = {
  GELU: (hidden: number): FfnConfig => ({ kind: "dense", hidden, activation: "gelu" }),
  SwiGLU: (hidden: number): FfnConfig => ({ kind: "gated", hidden }),
};
type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

interface Sizes {
  readonly depth: number;
  /** Hidden units over the width of the model. */
  readonly widths: Readonly<Record<Kind, readonly number[]>>;
  readonly steps: number;
  /** Test tokens that the spectra are of, at least ten times the hidden units. */
  readonly tokens: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { depth: 2, widths: { GELU: [1, 2, 8], SwiGLU: [1, 4] }, steps: 4, tokens: 1280 },
  small: { depth: 2, widths: { GELU: [0.5, 1, 2, 4, 8, 16], SwiGLU: [0.5, 2, 8] }, steps: 300, tokens: 10_240 },
  full: {
    depth: 8,
    widths: { GELU: [0.5, 1, 2, 4, 8, 16], SwiGLU: [0.5, 1, 2, 4, 8, 16] },
    steps: 20_000,
    tokens: 82_000,
  },
};

const nameOf = (kind: Kind, hidden: number): string => `${kind}, ${hidden} units`;

/** A model of the setting with this feed-forward layer. */
const modelOf = ({ vocabulary, width, heads, budget }: LanguageSetting, depth: number, ffn: FfnConfig): Decoder =>
  decoder({
    vocabulary,
    context: budget.context,
    width,
    blocks: Array.from({ length: depth }, () => [{ mixer: { kind: "attention", heads } }, { ffn }]),
  });

/** Spectra of the hidden units of each layer. */
type Layers = readonly Pick<ActivationSpectrum, "scores" | "rawHardRank" | "eigenvalues">[];
/** Of a trained model, and of the same one before training. */
interface Examined {
  readonly trained: Layers;
  readonly initial: Layers;
}

async function measureModels(context: StudyContext): Promise<LanguageComparison<Examined>> {
  const setting = languageSettings[context.scale];
  const { depth, widths, steps, tokens } = sizes[context.scale];
  const models = Object.fromEntries(
    kindNames.flatMap((kind) =>
      widths[kind].map((factor) => {
        const hidden = factor * setting.width;
        return [nameOf(kind, hidden), modelOf(setting, depth, kinds[kind](hidden))] as const;
      }),
    ),
  );
  const budget = { ...setting.budget, steps };
  const text = await languageText(setting);
  try {
    const spectraOf = async (model: Decoder, params: Parameters<Decoder["apply"]>[0]): Promise<Layers> => {
      const options = { tokens, batch: 64, signal: context.signal };
      const spectra = await activationSpectra(model, params, text.test, hiddenUnits(model), options);
      return spectra.map(({ scores, rawHardRank, eigenvalues }) => ({ scores, rawHardRank, eigenvalues }));
    };
    const compared = await compareLanguageModels<Examined>(context, {
      arms: models,
      text,
      budget,
      examine: async (name, params, seed) => {
        const model = models[name] as Decoder;
        const initial = await evaluate(model.init(key(seed)));
        return { trained: await spectraOf(model, params as typeof initial), initial: await spectraOf(model, initial) };
      },
    });
    for (const figure of languageFigures(compared, budget)) context.figure(figure);
    return compared;
  } finally {
    text.close();
  }
}

/** A rank of one layer of one seed over the widths. */
type Curve = readonly { readonly x: number; readonly y: number }[];
type Rank = "hardRank" | "softRank";

/** The curves of a kind: one for each layer and seed. */
function curvesOf(
  compared: LanguageComparison<Examined>,
  kind: Kind,
  fn: (examined: Examined) => Layers,
  rank: (scores: SpectralScores) => number,
): readonly (readonly Curve[])[] {
  const arms = Object.entries(compared).filter(([name]) => name.startsWith(kind));
  const [[, { outcomes }]] = arms as [[string, LanguageArm<Examined>]];
  return outcomes.map((first, seed) =>
    fn(first.examined).map((_, layer) =>
      arms.map(([, arm]) => {
        const { scores } = fn((arm.outcomes[seed] as (typeof outcomes)[number]).examined)[layer] as Layers[number];
        return { x: scores.width, y: rank(scores) };
      }),
    ),
  );
}

/** The power law of the mean over layers. */
function lawOf(curves: readonly Curve[]): PowerLaw {
  const [first] = curves as readonly [Curve];
  return fitPowerLaw(
    first.map(({ x }, i) => ({ x, y: average(curves.map((curve) => (curve[i] as Curve[number]).y)) })),
  );
}

const stages = {
  trained: ({ trained }: Examined) => trained,
  "before training": ({ initial }: Examined) => initial,
};
type Stage = keyof typeof stages;

/** Laws of a rank, one for each seed. */
const lawsOf = (compared: LanguageComparison<Examined>, kind: Kind, rank: Rank, stage: Stage = "trained") =>
  curvesOf(compared, kind, stages[stage], (scores) => scores[rank]).map(lawOf);

function draw({ figure }: StudyContext, compared: LanguageComparison<Examined>): void {
  const rows: (string | number)[][] = [];
  for (const kind of kindNames) {
    const series = (Object.keys(stages) as Stage[]).flatMap((stage) =>
      (["softRank", "hardRank"] as const).map((rank) => {
        const bySeed = curvesOf(compared, kind, stages[stage], (scores) => scores[rank]);
        const laws = bySeed.map(lawOf);
        const exponent = measured(laws.map((law) => law.exponent));
        const [low, high] = bootstrapInterval(bySeed.flat(), (curves) => lawOf(curves).exponent);
        const name = `${rank === "softRank" ? "soft" : "hard"} rank, ${stage}`;
        rows.push([
          `${kind}, ${name}`,
          `${exponent.mean.toFixed(3)} ± ${exponent.std.toFixed(3)}`,
          `${low.toFixed(3)} to ${high.toFixed(3)}`,
          average(laws.map((law) => law.rSquared)).toFixed(3),
          average(bySeed.flat().map((curve) => fitPowerLaw(curve).rSquared)).toFixed(3),
        ]);
        const [first] = bySeed.flat() as [Curve];
        return {
          name,
          points: first.map(({ x }, i) =>
            withStd(
              x,
              bySeed.flat().map((curve) => (curve[i] as Curve[number]).y),
            ),
          ),
        };
      }),
    );
    figure({
      kind: "lines",
      title: `${kind}: ranks of the hidden units against their number`,
      caption: "Means over layers and seeds with their standard deviations.",
      x: { label: "hidden units", log: true },
      y: { label: "rank", log: true },
      series,
    });
  }
  figure({
    kind: "table",
    title: "Power laws of ranks against the number of hidden units",
    caption:
      "Exponents with standard deviations over seeds, of means over layers; the interval is by bootstrap over layers and seeds. R² of the means, and the mean of those of single layers.",
    columns: ["rank", "exponent", "interval", "R²", "R², single layers"],
    rows,
  });
  drawScores(figure, compared);
  drawSpectra(figure, compared);
}

function drawScores(figure: StudyContext["figure"], compared: LanguageComparison<Examined>): void {
  figure({
    kind: "table",
    title: "Scores of trained models",
    caption: "Means over layers and seeds. The last column is of activations from which the mean was not taken.",
    columns: [
      "model",
      "test loss",
      "hard rank",
      "soft rank",
      "hard utilization",
      "soft utilization",
      "concentration",
      "utilization index",
      "hard rank, raw",
    ],
    rows: Object.entries(compared).map(([name, { outcomes }]) => {
      const layers = outcomes.flatMap(({ examined }) => examined.trained);
      const mean = (fn: (layer: Layers[number]) => number) => Number(average(layers.map(fn)).toPrecision(3));
      return [
        name,
        Number(average(outcomes.map(({ test }) => test)).toFixed(3)),
        mean(({ scores }) => scores.hardRank),
        mean(({ scores }) => scores.softRank),
        mean(({ scores }) => scores.hardUtilization),
        mean(({ scores }) => scores.softUtilization),
        mean(({ scores }) => scores.concentration),
        mean(({ scores }) => scores.utilizationIndex),
        mean(({ rawHardRank }) => rawHardRank),
      ];
    }),
  });
}

/** Spectra of one layer of the first seed. */
function drawSpectra(figure: StudyContext["figure"], compared: LanguageComparison<Examined>): void {
  const arms = Object.entries(compared).filter(([name]) => name.startsWith("GELU"));
  figure({
    kind: "lines",
    title: "GELU: shares of variance by component",
    caption: "The layer half way up of the first seed, trained.",
    x: { label: "component", log: true },
    y: { label: "% of the variance", log: true },
    series: arms.map(([name, { outcomes }]) => {
      const { trained } = (outcomes[0] as (typeof outcomes)[number]).examined;
      const { eigenvalues } = trained[Math.floor(trained.length / 2)] as Layers[number];
      return { name, points: decayOf(eigenvalues) };
    }),
  });
}

/** Hard rank of as many normal rows as features, over half their number. */
async function whiteRank(width: number): Promise<number> {
  const rows = await evaluate(normal(key(5), [width, width]));
  return effectiveDimension(await rowCovariance(rows)) / (width / 2);
}

export default paper({
  number: 5,
  slug: "spectral-scaling",
  title: "Spectral Scaling Laws in Language Models: How Effectively Do Feed-Forward Networks Use Their Latent Space?",
  year: 2025,
  source: "EMNLP 2025; arXiv:2510.00537",
  abstract:
    "The covariance of a feed-forward layer's hidden activations has a few large eigenvalues and many small ones. The exponential of their entropy, the soft rank, grows with the width of the layer as an almost perfect power law; the participation ratio, the hard rank, grows more slowly and with more scatter. So a wider layer adds directions of low energy faster than it adds dominant ones, and uses a smaller share of itself.",
  claims: {
    harmonic: {
      what: "hard rank of 1,000 eigenvalues that fall as 1/i",
      figure: 34.0842,
      unit: "",
      direction: "equals",
      tolerance: 1e-4,
      where: "closed form",
    },
    white: {
      what: "hard rank of normal data with as many rows as features, over half the features",
      figure: 1,
      unit: "",
      direction: "equals",
      tolerance: 0.03,
      where: "law of Marchenko and Pastur",
    },
    soft: {
      what: "R² of a power law of the soft rank against the width, GELU",
      figure: 0.97,
      unit: "",
      direction: "atLeast",
      where: "abstract: almost perfect; 0.97 is our bound",
    },
    sublinear: {
      what: "exponent of the hard rank against the width, GELU",
      figure: 0.9,
      unit: "",
      direction: "atMost",
      where: "abstract: sublinear; 0.9 is our bound",
    },
    asymmetry: {
      what: "exponent of the soft rank less that of the hard rank, GELU",
      figure: 0.15,
      unit: "",
      direction: "atLeast",
      where: "abstract: asymmetric; 0.15 is our bound",
    },
    scatter: {
      what: "R² of the soft rank less that of the hard rank in single layers, GELU",
      figure: 0,
      unit: "",
      direction: "atLeast",
      where: "abstract: hard rank has high variance",
    },
    gated: {
      what: "exponent of the soft rank less that of the hard rank, SwiGLU",
      figure: 0.15,
      unit: "",
      direction: "atLeast",
      where: "abstract: LLaMA and GPT-2 families; 0.15 is our bound",
    },
    wide: {
      what: "hard utilization of the widest GELU layer over that at 4 times the model's width",
      figure: 1,
      unit: "",
      direction: "atMost",
      where: "abstract: wide layers are used less",
    },
    learned: {
      what: "asymmetry after training less that before, GELU",
      figure: 0,
      unit: "",
      direction: "atLeast",
      where: "our control: is it learned, or set by the model's width",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: ["probe fourward-4m --probes spectra"],
  async run(context) {
    const compared = await measureModels(context);
    draw(context, compared);
    const { depth, tokens } = sizes[context.scale];
    context.note(
      `Spectra are of ${tokens.toLocaleString("en")} test tokens in each of ${depth} layers, before the last map of the feed-forward layer: after GELU, and of SwiGLU after the product with the gate. All models share a stream of ${languageSettings[context.scale].width} numbers, which bounds what a linear layer could fill and so shapes every law here.`,
    );
    context.note(
      "The abstract gives no formula for concentration and utilization index; ours are the Gini coefficient of the eigenvalues and the harmonic mean of hard and soft utilization.",
    );
    const softRanks = (stage: Stage) =>
      average(
        curvesOf(compared, "GELU", stages[stage], ({ softRank }) => softRank)
          .flat(2)
          .map(({ y }) => y),
      );
    context.note(
      `With GELU the mean soft rank is ${softRanks("trained").toFixed(1)} after training and ${softRanks("before training").toFixed(1)} before. Where it has fallen far, training has only begun: activations first gather in few directions, and laws of models that were trained for long may be others.`,
    );
    const difference = (kind: Kind, stage: Stage = "trained") => {
      const hard = lawsOf(compared, kind, "hardRank", stage);
      return lawsOf(compared, kind, "softRank", stage).map(
        ({ exponent }, i) => exponent - (hard[i] as PowerLaw).exponent,
      );
    };
    const single = (rank: Rank) =>
      curvesOf(compared, "GELU", stages.trained, (scores) => scores[rank]).map((curves) =>
        average(curves.map((curve) => fitPowerLaw(curve).rSquared)),
      );
    const before = difference("GELU", "before training");
    const hardScatter = single("hardRank");
    const { width } = languageSettings[context.scale];
    const utilization = curvesOf(compared, "GELU", stages.trained, (scores) => scores.hardUtilization).map((curves) => {
      const at = (hidden: number) =>
        average(curves.map((curve) => curve.find(({ x }) => x >= hidden)?.y ?? Number.NaN));
      return at(Math.max(...(curves[0] as Curve).map(({ x }) => x))) / at(4 * width);
    });
    return {
      harmonic: exactly(participationRatio(Array.from({ length: 1000 }, (_, i) => 1 / (i + 1)))),
      white: exactly(await whiteRank(400)),
      soft: measured(lawsOf(compared, "GELU", "softRank").map(({ rSquared }) => rSquared)),
      sublinear: measured(lawsOf(compared, "GELU", "hardRank").map(({ exponent }) => exponent)),
      asymmetry: measured(difference("GELU")),
      scatter: measured(single("softRank").map((r, i) => r - (hardScatter[i] as number))),
      gated: measured(difference("SwiGLU")),
      wide: measured(utilization),
      learned: measured(difference("GELU").map((now, i) => now - (before[i] as number))),
    };
  },
});
