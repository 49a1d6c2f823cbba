/** Language models of several widths with dense and low-rank feed-forward layers, as in the scaling curves of paper 19. */
import { key } from "../array/index.ts";
import { decoder, type FfnConfig } from "../models/index.ts";
import { parameterCount } from "../nn/index.ts";
import {
  fitPowerLaw,
  type Measurement,
  measured,
  pairedMeasurement,
  type StudyContext,
  withStd,
} from "../report/index.ts";
import {
  type CompareLanguageOptions,
  compareLanguageModels,
  type LanguageArm,
  type LanguageComparison,
  type LanguageModel,
  type LanguageSetting,
  testLosses,
} from "../train/index.ts";
import { lowRank } from "./low-rank-generation.ts";
import { familyConfig } from "./structured-sizes.ts";

/** Feed-forward layers by name, for a width. */
const layers = {
  dense: () => undefined,
  "rank 1/2": (width: number) => lowRank(width, 1 / 2),
  "rank 1/4": (width: number) => lowRank(width, 1 / 4),
} as const satisfies { readonly [name: string]: (width: number) => FfnConfig | undefined };
export type Layers = keyof typeof layers;
const names = Object.keys(layers) as Layers[];

/** A model to train, for so many steps. */
export interface Trainee {
  readonly name: string;
  readonly model: LanguageModel;
  readonly steps: number;
}

/** Trains the first model at the best of the learning rates, and the others at the same one, as the source does. */
export async function compareAtRateOfFirst(
  context: StudyContext,
  [first, ...others]: readonly [Trainee, ...Trainee[]],
  { text, budget }: Pick<CompareLanguageOptions, "text" | "budget">,
): Promise<LanguageComparison> {
  const train = ({ name, model, steps }: Trainee, rates: readonly number[]) =>
    compareLanguageModels(context, { arms: { [name]: model }, text, budget: { ...budget, rates, steps } });
  const compared = { ...(await train(first, budget.rates)) };
  const { rate } = compared[first.name] as LanguageArm;
  for (const other of others) Object.assign(compared, await train(other, [rate]));
  return compared;
}

/** One trained model as a point of a scaling curve, with one loss for each seed. */
export interface ScalePoint {
  readonly layers: Layers;
  readonly width: number;
  readonly rate: number;
  readonly parameters: number;
  /** Operations of products in all of training. */
  readonly operations: number;
  readonly losses: readonly number[];
}

/**
 * Trains models of every width and kind. All models of a width see the same tokens: so many for each parameter of the
 * dense one. Draws the curves.
 */
export async function scalingPoints(
  context: StudyContext,
  {
    text,
    setting,
    widths,
    tokensPerParameter,
  }: {
    readonly text: CompareLanguageOptions["text"];
    readonly setting: LanguageSetting;
    readonly widths: readonly number[];
    readonly tokensPerParameter: number;
  },
): Promise<readonly ScalePoint[]> {
  const { budget } = setting;
  const tokens = budget.batch * budget.context;
  const points: ScalePoint[] = [];
  for (const width of widths) {
    const model = (kind: Layers) =>
      decoder(familyConfig({ ...setting, context: budget.context, width }, layers[kind](width))) as LanguageModel;
    const steps = Math.ceil((tokensPerParameter * parameterCount(model("dense").init(key(0)))) / tokens);
    const named = (kind: Layers): Trainee => ({ name: `${kind}, width ${width}`, model: model(kind), steps });
    const [first, ...others] = names.map(named);
    const compared = await compareAtRateOfFirst(context, [first as Trainee, ...others], { text, budget });
    for (const kind of names) {
      const { name } = named(kind);
      const { rate, parameters, flops } = compared[name] as LanguageArm;
      const operations = flops.training * steps * tokens;
      points.push({ layers: kind, width, rate, parameters, operations, losses: testLosses(compared, name) });
    }
  }
  draw(context, points, tokensPerParameter);
  return points;
}

function draw({ figure }: StudyContext, points: readonly ScalePoint[], tokensPerParameter: number): void {
  figure({
    kind: "table",
    title: "Models of the scaling curves",
    caption: `All models of a width see the same tokens, ${tokensPerParameter} for each parameter of the dense one, at the learning rate that is best for the dense one.`,
    columns: ["layers", "width", "parameters", "training operations", "learning rate", "test loss, nats/token"],
    rows: points.map(({ layers, width, parameters, operations, rate, losses }) => {
      const { mean, std } = measured(losses);
      return [layers, width, parameters, operations.toExponential(2), rate, `${mean.toFixed(3)} ± ${std.toFixed(3)}`];
    }),
  });
  figure({
    kind: "lines",
    title: "Test loss by training operations",
    caption: "Bars are one standard deviation over seeds.",
    x: { label: "operations of products in training", log: true },
    y: { label: "nats per token", log: true },
    series: names.map((name) => ({
      name,
      points: points.filter(({ layers }) => layers === name).map((p) => withStd(p.operations, p.losses)),
    })),
  });
}

/** Test losses of the widest model with these layers, one for each seed. */
export const widestLosses = (points: readonly ScalePoint[], kind: Layers): readonly number[] => {
  const width = Math.max(...points.map((p) => p.width));
  return (points.find((p) => p.layers === kind && p.width === width) as ScalePoint).losses;
};

/** Exponents k of `loss = c·operations^-k` of models with these layers less those of dense ones, for each seed. */
export function steeperThanDense(points: readonly ScalePoint[], kind: Layers): Measurement {
  const exponents = (of: Layers): number[] => {
    const own = points.filter(({ layers }) => layers === of);
    const seeds = (own[0] as ScalePoint).losses.map((_, seed) => seed);
    return seeds.map(
      (seed) =>
        -fitPowerLaw(own.map(({ operations, losses }) => ({ x: operations, y: losses[seed] as number }))).exponent,
    );
  };
  return pairedMeasurement(exponents(kind), exponents("dense"));
}
