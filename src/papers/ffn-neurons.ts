/** Paper 56: neurons of the embedded model that are dead, detect tokens or follow the position; and where they come from. */
import { compile, evaluate, key, type Tensor } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, type TokenFile } from "../data/index.ts";
import {
  corpusTokens,
  type Decoder,
  type DecoderConfig,
  type DecoderParams,
  decoder,
  EMBEDDED_MODEL,
  loadPretrained,
  modelFolder,
  type Tokenizer,
} from "../models/index.ts";
import {
  analyzeNeurons,
  detectedTokens,
  favouredTokens,
  type LayerNeurons,
  POSITIONAL,
  positionalInformation,
  triggerSuppression,
  valueVectorLogits,
  windowsOf,
} from "../probe/index.ts";
import {
  average,
  exactly,
  measured,
  median,
  pairedMeasurement,
  paper,
  type Scale,
  type StudyContext,
  signTest,
  withoutSpread,
  withStd,
} from "../report/index.ts";
import { exciseDeadNeurons } from "../surgery/index.ts";
import {
  fitLanguageModel,
  inputsAndTargets,
  languageModelFlops,
  languageSettings,
  languageText,
  pieceProgress,
} from "../train/index.ts";

interface Sizes {
  /** Tokens that the embedded model, and each small one, is watched on. */
  readonly tokens: number;
  readonly own: number;
  /** Steps for which the small models train; all at one rate, which is the best one of the studies of this size. */
  readonly steps: number;
  readonly rate: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { tokens: 1024, own: 1024, steps: 2, rate: 4e-3 },
  small: { tokens: 100_000, own: 65_536, steps: 300, rate: 12e-3 },
  full: { tokens: 2_000_000, own: 500_000, steps: 5000, rate: 1e-3 },
};

/** Small models that differ in one thing each. */
const arms = {
  learned: { positions: "learned", hidden: 4 },
  rotary: { positions: "rotary", hidden: 4 },
  wide: { positions: "learned", hidden: 16 },
} as const;
type Arm = keyof typeof arms;
const armNames = Object.keys(arms) as Arm[];

/** A layer in numbers. */
interface LayerFigures {
  readonly dead: number;
  readonly active: number;
  readonly detectors: number;
  readonly tokens: number;
  readonly newTokens: number;
  readonly ngrams: number;
  readonly positional: number;
  /** Median information on the position, in nats. */
  readonly nats: number;
  /** Where triggers of detectors stand, and the same tokens for other units, from 0 to 100. */
  readonly standing: readonly number[];
  readonly standingOfOthers: readonly number[];
  /** The same for the five tokens for which each unit is active most often. */
  readonly favoured: readonly number[];
  readonly favouredOfOthers: readonly number[];
}

async function figuresOf(
  model: Decoder,
  params: DecoderParams,
  tokenizer: Tokenizer,
  text: TokenFile,
  tokens: number,
  context: StudyContext,
): Promise<readonly LayerFigures[]> {
  const layers = await analyzeNeurons(
    { model, params, tokenizer, text, tokens, signal: context.signal },
    { triggers: 5, ngrams: 2 },
  );
  const { config } = model;
  const figures: LayerFigures[] = [];
  for (const layer of layers) {
    const { activity, detectors, suppression, ngrams } = layer;
    const logits = (await evaluate(valueVectorLogits(config, params, activity.place))).data as Float32Array;
    const favoured = triggerSuppression(logits, config.vocabulary, favouredTokens(activity));
    figures.push({
      dead: (100 * layer.dead.length) / activity.units,
      active: (100 * layer.frequency.reduce((sum, f) => sum + f, 0)) / activity.units,
      detectors: detectors.length,
      tokens: detectedTokens(detectors).size,
      newTokens: layer.newTokens,
      ngrams: ngrams.reduce((sum, found) => sum + found.length, 0),
      positional: (100 * layer.positional.length) / activity.units,
      nats: medianInformation(layer),
      standing: suppression.own,
      standingOfOthers: suppression.control,
      favoured: favoured.own,
      favouredOfOthers: favoured.control,
    });
  }
  return figures;
}

const medianInformation = ({ information }: LayerNeurons): number => median(Array.from(information));

/** Dead units of the embedded model taken out: what changes on the text that they were dead on, and what is saved. */
async function excision(model: Decoder, params: DecoderParams, text: TokenFile, context: StudyContext) {
  const { tokens } = sizes[context.scale];
  const { signal } = context;
  const { layers, ...after } = await exciseDeadNeurons({ config: model.config, params }, text, { tokens, signal });
  const less = decoder(after.config);
  const windows = windowsOf(model, text, { tokens });
  const few = await evaluate(inputsAndTargets(windows.batch(0, Math.min(4, windows.count)).tokens)[0]);
  const logitsOf = async (each: Decoder, weights: DecoderParams) =>
    (await compile((p: DecoderParams, x: Tensor) => each.apply(p, x))(weights, few)).data as Float32Array;
  const [a, b] = [await logitsOf(model, params), await logitsOf(less, after.params)];
  const most = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const difference = a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
  const flops = (each: Decoder): number => languageModelFlops(each, model.config.context).inference;
  return {
    difference: difference / most,
    excised: layers.reduce((sum, { excised }) => sum + excised, 0),
    saved: 100 * (1 - flops(less) / flops(model)),
  };
}

/** The small models, trained alike: figures by arm and seed. */
async function smallModels(context: StudyContext, next: ReturnType<typeof pieceProgress>) {
  const { steps, rate, own } = sizes[context.scale];
  const setting = languageSettings[context.scale];
  const { width, depth, heads, vocabulary, budget } = setting;
  const text = await languageText(setting);
  const configOf = ({ positions, hidden }: (typeof arms)[Arm]): DecoderConfig => ({
    ...{ vocabulary, width, positions },
    context: budget.context,
    blocks: Array.from({ length: depth }, () => [
      { mixer: { kind: "attention" as const, heads } },
      { ffn: { kind: "dense" as const, hidden: hidden * width, activation: "relu" as const } },
    ]),
  });
  try {
    const results = await context.overSeeds(async (seed) => {
      const found: Partial<Record<Arm, readonly LayerFigures[]>> = {};
      for (const arm of armNames) {
        const onProgress = next(`${arm}, seed ${seed}`, arm);
        found[arm] = await context.remember(`${arm}, seed ${seed}`, async () => {
          const model = decoder(configOf(arms[arm]));
          const training = { steps, rate, seed, batch: budget.batch, context: budget.context };
          const { params } = await fitLanguageModel({
            ...{ model, data: text.train, ...training, signal: context.signal, onProgress },
          });
          return figuresOf(model, params, text.tokenizer, text.validation, own, context);
        });
      }
      return found as Record<Arm, readonly LayerFigures[]>;
    });
    return results;
  } finally {
    text.close();
  }
}

type Found = readonly LayerFigures[];
const whole = (layers: Found, what: "dead" | "active" | "positional" | "nats"): number =>
  average(layers.map((l) => l[what]));
const detectorsIn = (layers: Found): number => layers.reduce((sum, { detectors }) => sum + detectors, 0);
const mid = (values: readonly number[]): number => (values.length === 0 ? Number.NaN : median(values));
const rounded = (value: number, digits = 1): number | string =>
  Number.isFinite(value) ? Number(value.toFixed(digits)) : "";

function draw(
  context: StudyContext,
  trained: Found,
  fresh: readonly Found[],
  small: readonly Record<Arm, Found>[],
): void {
  context.figure({
    kind: "table",
    title: "The embedded model, layer by layer",
    caption: `${sizes[context.scale].tokens.toLocaleString("en")} tokens of training text. Standing: where triggers stand among the logits of the unit's value vector, from 0 (lowest) to 100; beside it the same tokens for other units. Favoured: the same for the five tokens for which any unit is active most often. Medians.`,
    columns: [
      ...["layer", "dead, %", "active for a token, %", "token detectors", "tokens", "of these new", "bigram detectors"],
      ...["standing", "others", "favoured", "others", "positional, %"],
    ],
    rows: trained.map((layer, i) => [
      i,
      rounded(layer.dead, 2),
      rounded(layer.active),
      layer.detectors,
      layer.tokens,
      layer.newTokens,
      layer.ngrams,
      rounded(mid(layer.standing)),
      rounded(mid(layer.standingOfOthers)),
      rounded(mid(layer.favoured)),
      rounded(mid(layer.favouredOfOthers)),
      rounded(layer.positional),
    ]),
  });
  const over = (layer: number, of: (found: LayerFigures) => number) =>
    withStd(
      layer,
      fresh.map((found) => of(found[layer] as LayerFigures)),
    );
  const points = (of: (found: LayerFigures) => number) => trained.map((layer, i) => ({ x: i, y: of(layer) }));
  context.figure({
    kind: "lines",
    title: "Where the favoured tokens stand in what units add",
    caption:
      "Median over the units of a layer of the standing of their five favoured tokens, less that of the same tokens for other units: below 0, units remove what they respond to.",
    x: { label: "layer" },
    y: { label: "points" },
    series: [
      { name: "trained", points: points(removal) },
      { name: "untrained", points: trained.map((_, i) => over(i, removal)) },
    ],
    reference: { y: 0, label: "neither" },
  });
  context.figure({
    kind: "lines",
    title: "Positional units",
    caption: `Units with more than ${POSITIONAL} nats on the position above what chance gives, in small models that were trained alike.`,
    x: { label: "layer" },
    y: { label: "% of the layer's units" },
    series: armNames.map((arm) => ({
      name: arm,
      points: (small[0]?.[arm] ?? []).map((_, layer) =>
        withStd(
          layer,
          small.map((found) => (found[arm][layer] as LayerFigures).positional),
        ),
      ),
    })),
  });
  context.figure({
    kind: "table",
    title: "Small models",
    caption:
      "Means over layers and seeds; detectors in all layers. Untrained: the embedded model before its first step.",
    columns: ["model", "dead, %", "active for a token, %", "token detectors", "positional, %", "removal, points"],
    rows: [
      ...armNames.map((arm) => [arm, small.map((found) => found[arm])] as const),
      ["untrained", fresh] as const,
    ].map(([name, all]) => [
      name,
      rounded(average(all.map((found) => whole(found, "dead"))), 2),
      rounded(average(all.map((found) => whole(found, "active")))),
      rounded(average(all.map(detectorsIn))),
      rounded(average(all.map((found) => whole(found, "positional"))), 2),
      rounded(average(all.map((found) => average(found.map(removal))))),
    ]),
  });
}

/** How much lower favoured tokens stand in the value vectors of their own units than in those of others. */
const removal = ({ favoured, favouredOfOthers }: LayerFigures): number =>
  mid(favoured.map((standing, i) => standing - (favouredOfOthers[i] as number)));

export default paper({
  number: 56,
  slug: "ffn-neurons",
  title: "Neurons in Large Language Models: Dead, N-gram, Positional",
  year: 2023,
  source: "Voita, Ferrando, Nalmpantis; Findings of ACL 2024; arXiv:2309.04827",
  abstract:
    "Looks at OPT models only through whether a ReLU unit is active. In early layers of large models most units never are; many of the others detect a token or an n-gram, and what they add to the stream also takes the token away again. Some units are active at ranges of positions, whatever the text. Larger models are sparser.",
  claims: {
    information: {
      what: "information on the position of a unit that is on at half of the positions",
      figure: Math.LN2,
      unit: "nats",
      direction: "equals",
      tolerance: 1e-9,
      where: "definition: section 5",
    },
    excision: {
      what: "difference of logits with the dead units taken out, over the largest logit",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-6,
      where: "definition: a dead unit adds nothing on the text",
    },
    dead: {
      what: "dead units, the layer of the embedded model with most",
      figure: 70,
      unit: "%",
      direction: "atLeast",
      where: "abstract: more than 70 % in some layers of the 66b model",
    },
    wider: {
      what: "units active for a token, four times as many units less the usual number",
      figure: 0,
      unit: "points",
      direction: "atMost",
      where: "abstract: larger models are sparser",
    },
    wideDead: {
      what: "dead units, four times as many units less the usual number",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "abstract: larger models have more dead neurons",
    },
    early: {
      what: "token detectors, first half of the embedded model less second half",
      figure: 0,
      unit: "units",
      direction: "atLeast",
      where: "section 4: detectors are in early layers",
    },
    learned: {
      what: "token detectors, embedded model less untrained models",
      figure: 0,
      unit: "units",
      direction: "atLeast",
      where: "our control",
    },
    removal: {
      what: "standing of triggers in the value vectors of their detectors, less that in other units",
      figure: 0,
      unit: "points",
      direction: "atMost",
      where: "abstract: updates of token detectors remove the current token",
    },
    favoured: {
      what: "standing of favoured tokens in the value vectors of their units, less that in other units, first half of the layers",
      figure: 0,
      unit: "points",
      direction: "atMost",
      where: "our extension to all units",
    },
    positional: {
      what: "information of the median unit on the position, learned positions less rotary",
      figure: 0,
      unit: "nats",
      direction: "atLeast",
      where: "section 5, with learned positions; rotary is our control",
    },
    rotary: {
      what: "positional units with rotary positions",
      figure: 0,
      unit: "%",
      direction: "equals",
      tolerance: 0.5,
      where: "our control",
    },
    range: {
      what: "positional units of the embedded model, the layer with most",
      figure: 1,
      unit: "%",
      direction: "atLeast",
      where: "abstract: smaller models have sets of neurons that are position ranges; 1 is our bound",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: [`probe ${EMBEDDED_MODEL} --probes neurons`, `convert ${EMBEDDED_MODEL} --with excise --out models/excised`],
  async run(context) {
    const { tokens } = sizes[context.scale];
    const [total, unit] = [2 + context.seeds.length * (1 + armNames.length), "parts"];
    const next = pieceProgress(context, { total, unit });
    const { model, params, tokenizer } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
    if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
    const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
    try {
      next("neurons of the embedded model");
      const trained = await context.remember("trained", () =>
        figuresOf(model, params, tokenizer, text.train, tokens, context),
      );
      next("taking out dead units");
      const cut = await context.remember("excision", () => excision(model, params, text.train, context));
      const fresh = await context.overSeeds(async (seed) => {
        next(`before training, seed ${seed}`);
        return context.remember(`untrained, seed ${seed}`, async () => {
          const weights = await evaluate(model.init(key(1000 + seed)));
          return figuresOf(model, weights, tokenizer, text.train, Math.min(tokens, 32_768), context);
        });
      });
      const small = await smallModels(context, next);
      draw(context, trained, fresh, small);
      const half = Math.floor(trained.length / 2);
      const gaps = trained.flatMap(({ standing, standingOfOthers }) =>
        standing.map((own, i) => own - (standingOfOthers[i] as number)),
      );
      const below = gaps.filter((gap) => gap < 0).length;
      const above = gaps.filter((gap) => gap > 0).length;
      context.note(
        `The embedded model has 4 million parameters and layers of 1,024 units, of which ${cut.excised} are dead in ${tokens.toLocaleString("en")} tokens; taking these out saves ${cut.saved.toFixed(2)} % of its operations. The 70 % of the paper are those of a model with 66 billion.`,
      );
      context.note(
        `${gaps.length} token detectors were found: ${below} of them rank their triggers lower than other units do, ${above} higher (sign test p = ${signTest(below, above).toPrecision(2)}). With few detectors this decides little, so the same is measured for the five favoured tokens of every unit.`,
      );
      context.note(
        `Units of untrained models know the position too: ${average(fresh.map((found) => whole(found, "positional"))).toFixed(1)} % of them pass the bound that ${whole(trained, "positional").toFixed(1)} % of the trained ones pass, since positions are a large part of what new layers read. The bound alone does not show that a unit was trained to tell positions.`,
      );
      const each = (arm: Arm, what: "dead" | "active" | "positional" | "nats") =>
        small.map((found) => whole(found[arm], what));
      return {
        information: exactly(positionalInformation(Float64Array.from({ length: 128 }, (_, p) => p % 2))),
        excision: exactly(cut.difference),
        dead: withoutSpread(context.seeds, Math.max(...trained.map(({ dead }) => dead)), "one model on one text"),
        wider: pairedMeasurement(each("wide", "active"), each("learned", "active")),
        wideDead: pairedMeasurement(each("wide", "dead"), each("learned", "dead")),
        early: withoutSpread(
          context.seeds,
          detectorsIn(trained.slice(0, half)) - detectorsIn(trained.slice(half)),
          "one model on one text",
        ),
        learned: measured(fresh.map((found) => detectorsIn(trained) - detectorsIn(found))),
        removal: withoutSpread(
          context.seeds,
          gaps.length === 0 ? Number.NaN : average(gaps),
          `${gaps.length} detectors of one model`,
        ),
        favoured: withoutSpread(context.seeds, average(trained.slice(0, half).map(removal)), "one model on one text"),
        positional: pairedMeasurement(each("learned", "nats"), each("rotary", "nats")),
        rotary: measured(each("rotary", "positional")),
        range: withoutSpread(
          context.seeds,
          Math.max(...trained.map(({ positional }) => positional)),
          "one model on one text",
        ),
      };
    } finally {
      text.close();
    }
  },
});
