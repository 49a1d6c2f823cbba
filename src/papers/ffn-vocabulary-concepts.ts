/** Paper 25: what the value vectors of the embedded model say in the vocabulary, used to steer it and to stop early. */
import { evaluate, key, slice, tensor } from "../array/index.ts";
import { DEFAULT_CORPUS, loadCorpus, permutation } from "../data/index.ts";
import {
  type CorpusTokens,
  corpusTokens,
  type Decoder,
  type DecoderParams,
  EMBEDDED_MODEL,
  ffnPlaces,
  loadPretrained,
  modelFolder,
  type Tokenizer,
} from "../models/index.ts";
import { activations } from "../nn/index.ts";
import {
  chooseConfidence,
  clusterValueVectors,
  coherences,
  distributionalVectors,
  type ExitScore,
  exitByClusters,
  exitByConfidence,
  listProbability,
  listScores,
  predictionTraces,
  promptsBefore,
  saturationLayer,
  scoreExit,
  shareAbove,
  steer,
  subUpdateError,
  topTokens,
  topTokensOfRandom,
  type UnitAt,
  valueVectorLogits,
} from "../probe/index.ts";
import { average, exactly, measured, paper, type Scale, type StudyContext, withStd } from "../report/index.ts";
import { generate } from "../serve/index.ts";
import { evaluationWindows, inputsAndTargets, pieceProgress, scoreLanguageModel } from "../train/index.ts";

/** Tokens that describe a vector. */
const TOP = 20;
/** Value vectors that steer, and what their units are set to before the activation, as in the paper. */
const STEERING = { count: 10, value: 3 };
/** Words that the model is to say less often; those that are single tokens count. */
const WAR =
  "war wars army navy military troops enemy forces battle peace soldier soldiers defense weapons fight attack militia arms officers guns";
/** What early exit must leave as it is, as the paper's rule did. */
const AGREEMENT = 0.949;

interface Sizes {
  /** Tokens of text that say which tokens keep company. */
  readonly company: number;
  readonly random: number;
  /** Prompts that come before a listed word, tokens that follow each, windows that score a steered model. */
  readonly prompts: number;
  readonly generated: number;
  readonly windows: number;
  /** Tokens over which predictions are followed, one of so many is kept. */
  readonly traced: number;
  readonly every: number;
  readonly clusters: number;
}
const sizes: Readonly<Record<Scale, Sizes>> = {
  smoke: { company: 100_000, random: 200, prompts: 8, generated: 4, windows: 1, traced: 512, every: 4, clusters: 200 },
  small: {
    ...{ company: 2_500_000, random: 5000, prompts: 256, generated: 20, windows: 24 },
    ...{ traced: 65_536, every: 16, clusters: 200 },
  },
  full: {
    ...{ company: 5_000_000, random: 5000, prompts: 512, generated: 20, windows: Number.POSITIVE_INFINITY },
    ...{ traced: 160_000, every: 16, clusters: 200 },
  },
};

interface Subject {
  readonly model: Decoder;
  readonly params: DecoderParams;
  readonly tokenizer: Tokenizer;
  readonly text: CorpusTokens;
  /** Says which part of the work begins. */
  readonly next: (part: string) => void;
}

/** Share of each layer's value vectors that are more coherent than 95 % of random vectors: trained, and new. */
async function concepts({ model, params, text, next }: Subject, context: StudyContext) {
  const { company: most, random: count } = sizes[context.scale];
  const company = distributionalVectors(text.train, { vocabulary: model.config.vocabulary, most });
  const sharesOf = async (weights: DecoderParams, seed: number): Promise<number[]> => {
    const null95 = coherences(company, await topTokensOfRandom({ model, params: weights }, count, TOP, seed), TOP);
    const shares: number[] = [];
    for (const place of ffnPlaces(model.config))
      shares.push(
        shareAbove(coherences(company, await topTokens({ model, params: weights }, place, TOP), TOP), null95),
      );
    return shares;
  };
  return context.overSeeds(async (seed) => {
    next("concepts");
    return context.remember(`concepts, seed ${seed}`, async () => ({
      trained: await sharesOf(params, seed),
      untrained: await sharesOf(await evaluate(model.init(key(1000 + seed))), seed),
    }));
  });
}

/** Arms of steering: which units are set, and how. */
const arms = {
  "against on": { pick: "lowest", at: "preactivation", value: STEERING.value, factor: 1 },
  "random on": { pick: "random", at: "preactivation", value: STEERING.value, factor: 1 },
  "for off": { pick: "highest", at: "hidden", value: 0, factor: 1 },
  "ten times as many for off": { pick: "highest", at: "hidden", value: 0, factor: 10 },
  "ten times as many random off": { pick: "random", at: "hidden", value: 0, factor: 10 },
} as const;
type Arm = keyof typeof arms;
const armNames = Object.keys(arms) as Arm[];

interface Steered {
  /** Listed words among a thousand generated tokens. */
  readonly said: number;
  /** Their probability, per thousand tokens of text. */
  readonly expected: number;
  readonly perplexity: number;
}

async function steering(subject: Subject, context: StudyContext) {
  const { model, params, tokenizer, text, next } = subject;
  const { prompts: count, generated, windows } = sizes[context.scale];
  const list = WAR.split(" ").flatMap((word) => {
    const tokens = tokenizer.encode(` ${word}`);
    return tokens.length === 1 ? [...tokens] : [];
  });
  const scored: (UnitAt & { readonly score: number })[] = [];
  for (const place of ffnPlaces(model.config)) {
    const logits = await evaluate(valueVectorLogits(model.config, params, place));
    const scores = listScores(logits.data as Float32Array, model.config.vocabulary, list);
    scores.forEach((score, unit) => {
      scored.push({ path: place.path, unit, score });
    });
  }
  scored.sort((a, b) => b.score - a.score);
  const prompts = promptsBefore(text.validation, list, { count, length: 32 });
  const scoreOf = async (each: Decoder, seed: number): Promise<Steered> => {
    const options = { temperature: 1, topP: 0.9, maxTokens: generated, seed };
    let [said, tokens] = [0, 0];
    for await (const step of generate(each, params, prompts, options))
      for (const token of step) {
        tokens += Number(token !== null);
        said += Number(token !== null && list.includes(token));
      }
    const scope = { context: model.config.context, windows, batch: 8 };
    const { perplexity } = await scoreLanguageModel(each, params, text.validation, {
      ...scope,
      signal: context.signal,
    });
    const expected = await listProbability(each, params, text.validation, list, {
      ...(Number.isFinite(windows) ? { tokens: windows * model.config.context } : {}),
      signal: context.signal,
    });
    return { said: (1000 * said) / tokens, expected: 1000 * expected, perplexity };
  };
  const unitsOf = ({ pick, factor }: (typeof arms)[Arm], seed: number): readonly UnitAt[] => {
    const chosen = factor * STEERING.count;
    if (pick === "highest") return scored.slice(0, chosen);
    if (pick === "lowest") return scored.slice(-chosen);
    return Array.from(permutation(scored.length, seed, 0).subarray(0, chosen), (i) => scored[i] as UnitAt);
  };
  const runs = await context.overSeeds((seed) => {
    next(`steering, seed ${seed}`);
    return context.remember(`steering, seed ${seed}`, async () => {
      const plain = await scoreOf(model, seed);
      const steered: Partial<Record<Arm, Steered>> = {};
      for (const name of armNames)
        steered[name] = await scoreOf(steer(model, unitsOf(arms[name], seed), arms[name]), seed);
      return { plain, ...(steered as Record<Arm, Steered>) };
    });
  });
  return { runs, list, scored };
}

/** Early exit by clusters and by confidence, on tenths of the predictions that the rules have not seen. */
async function earlyExit({ model, params, text, next }: Subject, context: StudyContext) {
  const { traced, every, clusters: count } = sizes[context.scale];
  const traces = await context.remember("traces", async () => {
    next("clusters of value vectors");
    const clusters = await clusterValueVectors(model, params, ffnPlaces(model.config), count);
    next("following predictions");
    const found = await predictionTraces(model, params, text.validation, {
      ...{ tokens: traced, every, clusters },
      signal: context.signal,
    });
    return found.map((trace) => ({ ...trace, clusters: trace.clusters.map((list) => Array.from(list)) }));
  });
  const settled = model.config.blocks.map(
    (_, block) => traces.filter(({ tops }) => saturationLayer(tops) === block).length / traces.length,
  );
  const share = model.config.blocks.map((_, block) => average(traces.map(({ topShare }) => topShare[block] as number)));
  const scores = await context.overSeeds(async (seed) => {
    const order = Array.from(permutation(traces.length, seed, 1), (i) => traces[i] as (typeof traces)[number]);
    const first = Math.floor(0.9 * traces.length);
    const [training, rest] = [order.slice(0, first), order.slice(first)];
    return {
      clusters: scoreExit(exitByClusters(training), rest),
      confidence: scoreExit(exitByConfidence(chooseConfidence(training, AGREEMENT)), rest),
    };
  });
  return { settled, share, scores, count: traces.length };
}

type Concepts = Awaited<ReturnType<typeof concepts>>;
type Steering = Awaited<ReturnType<typeof steering>>;
type EarlyExit = Awaited<ReturnType<typeof earlyExit>>;

const fallOf = (runs: Steering["runs"], arm: Arm, what: keyof Steered): number[] =>
  // Of what was not there, nothing can fall: few samples may hold none of the words.
  runs.map((run) => (run.plain[what] === 0 ? 0 : 100 * (1 - run[arm][what] / run.plain[what])));

function draw(
  context: StudyContext,
  { model, tokenizer }: Subject,
  found: Concepts,
  steered: Steering,
  exit: EarlyExit,
) {
  const layers = model.config.blocks.map((_, layer) => layer);
  const series = (which: "trained" | "untrained") => ({
    name: which,
    points: layers.map((layer) =>
      withStd(
        layer,
        found.map((run) => 100 * (run[which][layer] as number)),
      ),
    ),
  });
  context.figure({
    kind: "lines",
    title: "Value vectors that say something",
    caption: `Share whose ${TOP} most promoted tokens keep closer company in the training text than those of 95 % of random vectors; 5 % would by chance.`,
    x: { label: "layer" },
    y: { label: "% of the layer's value vectors" },
    series: [series("trained"), series("untrained")],
    reference: { y: 5, label: "chance" },
  });
  const { runs } = steered;
  const columns = ["plain", ...armNames] as const;
  const row = (what: keyof Steered, name: string) => [
    name,
    ...columns.map((arm) => Number(average(runs.map((run) => run[arm][what])).toPrecision(3))),
  ];
  context.figure({
    kind: "table",
    title: "Words of war under steering",
    caption: `${STEERING.count} units or ten times as many. Means over seeds; generation from ${sizes[context.scale].prompts} prompts that stand before such a word in validation text.`,
    columns: ["", ...columns],
    rows: [
      row("said", "said, of 1,000 tokens"),
      row("expected", "expected, of 1,000 tokens of text"),
      row("perplexity", "perplexity"),
    ],
  });
  context.figure({
    kind: "table",
    title: "The value vectors that promote them most, and least",
    columns: ["layer", "unit", "score"],
    caption: `Mean logit of ${steered.list.map((token) => tokenizer.decode([token]).trim()).join(", ")}, in deviations over the vocabulary.`,
    rows: [...steered.scored.slice(0, 5), ...steered.scored.slice(-5)].map(({ path, unit, score }) => [
      path.split(".")[1] as string,
      `${unit}`,
      Number(score.toFixed(2)),
    ]),
  });
  context.figure({
    kind: "table",
    title: "Where predictions settle",
    caption: `${exit.count.toLocaleString("en")} predictions in validation text. Ten largest: share of |coefficient|·length that a token's ten largest sub-updates have.`,
    columns: ["layer", "settled here, %", "ten largest, %"],
    rows: layers.map((layer) => [
      layer,
      Number((100 * (exit.settled[layer] as number)).toFixed(1)),
      Number((100 * (exit.share[layer] as number)).toFixed(1)),
    ]),
  });
  const mean = (rule: "clusters" | "confidence", what: keyof ExitScore) =>
    average(exit.scores.map((score) => score[rule][what]));
  context.figure({
    kind: "table",
    title: "Early exit",
    columns: ["rule", "predictions left as they are, %", `layers saved, of ${layers.length}`],
    rows: (["clusters", "confidence"] as const).map((rule) => [
      rule,
      Number((100 * mean(rule, "agreement")).toFixed(1)),
      Number(mean(rule, "saved").toFixed(2)),
    ]),
  });
}

export default paper({
  number: 25,
  slug: "ffn-vocabulary-concepts",
  title: "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space",
  year: 2022,
  source: "Geva, Caciularu, Wang, Goldberg; EMNLP 2022; arXiv:2203.14680",
  abstract:
    "A feed-forward layer adds a sum of value vectors to the stream, each times the coefficient of its hidden unit. Read through the output embedding, a value vector promotes some tokens, and many promote a set that people recognize as a concept. Switching a few on by hand makes a model say unwanted words less, and which ones are active tells when a prediction is settled, so that later layers can be left out.",
  claims: {
    identity: {
      what: "difference of a layer's output from the sum of its sub-updates and bias, over the largest output",
      figure: 0,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "definition: equation 2",
    },
    coefficient: {
      what: "coefficient of a GPT-2 unit set to 3 before its activation",
      figure: 2.99636,
      unit: "",
      direction: "equals",
      tolerance: 1e-5,
      where: "section 6.1: overwritten by 3; the figure is GPT-2's GELU of it",
    },
    concepts: {
      what: "value vectors more coherent than 95 % of random vectors, over the 5 % there would be by chance",
      figure: 3,
      unit: "x",
      direction: "atLeast",
      where: "our bound; section 4: many value vectors promote concepts, random ones fewer",
    },
    untrained: {
      what: "the same for untrained models",
      figure: 1,
      unit: "x",
      direction: "equals",
      tolerance: 0.3,
      where: "our control",
    },
    deeper: {
      what: "coherent value vectors, last layer less first layer",
      figure: 0,
      unit: "points",
      direction: "atLeast",
      where: "section 4: more concepts in upper layers",
    },
    steered: {
      what: "words of war said less with 10 opposing value vectors on",
      figure: 50,
      unit: "%",
      direction: "atLeast",
      tolerance: 10,
      where: "abstract: toxicity of GPT-2 reduced by almost 50 %; the list of words is ours",
    },
    cost: {
      what: "perplexity added by it",
      figure: 10,
      unit: "%",
      direction: "atMost",
      where: "our bound",
    },
    probability: {
      what: "probability of words of war lowered in text by it",
      figure: 50,
      unit: "%",
      direction: "atLeast",
      tolerance: 10,
      where: "the same, without the noise of samples",
    },
    chance: {
      what: "words of war said less with 10 random value vectors on",
      figure: 10,
      unit: "%",
      direction: "atMost",
      where: "our control",
    },
    off: {
      what: "probability of words of war lowered with the 100 value vectors that promote them most off",
      figure: 40,
      unit: "%",
      direction: "atLeast",
      where: "our bound",
    },
    agreement: {
      what: "predictions that early exit by clusters leaves as they are",
      figure: 94.9,
      unit: "%",
      direction: "atLeast",
      tolerance: 1,
      where: "section 6.2: 94.9 ± 0.6 %",
    },
    saved: {
      what: "layers saved by early exit by clusters",
      figure: 20,
      unit: "%",
      direction: "atLeast",
      where: "abstract: 20 % on average; 3.4 of 16 layers",
    },
    confidence: {
      what: "layers saved by early exit by confidence, chosen for 94.9 % agreement on training predictions",
      figure: 20,
      unit: "%",
      direction: "atLeast",
      where: "our baseline at the paper's figure",
    },
  },
  seeds: { smoke: 1, small: 3, full: 5 },
  next: [`probe ${EMBEDDED_MODEL} --probes vocabulary`, `generate ${EMBEDDED_MODEL} --prompt "The army"`],
  async run(context) {
    const { model, params, tokenizer } = await loadPretrained(modelFolder(EMBEDDED_MODEL));
    if (!tokenizer) throw new Error(`${EMBEDDED_MODEL} has no tokenizer.json`);
    const text = await corpusTokens(await loadCorpus(DEFAULT_CORPUS), { tokenizer });
    const [total, unit] = [2 * context.seeds.length + 2, "parts"];
    const next = pieceProgress(context, { total, unit });
    const subject: Subject = { model, params, tokenizer, text, next };
    try {
      const [window] = inputsAndTargets(evaluationWindows(text.validation, model.config.context).take([0]));
      const few = await evaluate(slice(window, { starts: [0], stops: [16], axes: [1] }));
      const identity = await subUpdateError(model, params, few);
      const found = await concepts(subject, context);
      const steered = await steering(subject, context);
      const exit = await earlyExit(subject, context);
      draw(context, subject, found, steered, exit);
      const coefficient = await evaluate(activations.geluTanh(tensor(STEERING.value)));
      const overChance = (which: "trained" | "untrained") => found.map((run) => average(run[which]) / 0.05);
      const depth = model.config.blocks.length;
      const percent = (share: number): string => (100 * share).toFixed(0);
      const mean = (rule: "clusters" | "confidence", what: keyof ExitScore) =>
        average(exit.scores.map((score) => score[rule][what]));
      context.note(
        "Whether tokens belong together is judged by the company they keep in the training text (positive pointwise mutual information, window of 5), without people and without the model. Random vectors are read through the same output embedding, so what it alone makes coherent is in the 5 %.",
      );
      context.note(
        `With ${depth} layers to the paper's 16, ${percent(exit.settled[0] as number)} % of predictions settle in the first and ${percent(exit.settled.at(-1) as number)} % only in the last: a layer skipped is a larger step than there. Clusters of active value vectors leave ${percent(mean("clusters", "agreement"))} % of predictions as they are, the probability of the lens ${percent(mean("confidence", "agreement"))} %; but it has to compute logits after each layer, whose cost is not counted here.`,
      );
      if (steered.runs.some(({ plain }) => plain.said === 0))
        context.note(
          "In the samples of some seeds the model as it is says none of the words of war, so that nothing can fall there: such seeds count as a fall of 0 and are no measurement.",
        );
      return {
        identity: exactly(identity),
        coefficient: exactly(Number(coefficient.data[0])),
        concepts: measured(overChance("trained")),
        untrained: measured(overChance("untrained")),
        deeper: measured(found.map(({ trained }) => 100 * ((trained.at(-1) as number) - (trained[0] as number)))),
        steered: measured(fallOf(steered.runs, "against on", "said")),
        cost: measured(fallOf(steered.runs, "against on", "perplexity").map((fall) => -fall)),
        probability: measured(fallOf(steered.runs, "against on", "expected")),
        chance: measured(fallOf(steered.runs, "random on", "said")),
        off: measured(fallOf(steered.runs, "ten times as many for off", "expected")),
        agreement: measured(exit.scores.map(({ clusters }) => 100 * clusters.agreement)),
        saved: measured(exit.scores.map(({ clusters }) => (100 * clusters.saved) / depth)),
        confidence: measured(exit.scores.map(({ confidence }) => (100 * confidence.saved) / depth)),
      };
    } finally {
      text.close();
    }
  },
});
