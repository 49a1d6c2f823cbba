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
  type LanguageArm,
  type LanguageComparison,
  type LanguageModel,
  type LanguageSetting,
  testLosses,
} from "../train/index.ts";
import { lowRank } from "./low-rank-generation.ts";
import type { Group } from "./rate-of-first.ts";
import { familyConfig } from "./structured-sizes.ts";

/** Feed-forward layers by name, for a width. */
const layers = {
  dense: () => undefined,
  "rank 1/2": (width: number) => lowRank(width, 1 / 2),
  "rank 1/4": (width: number) => lowRank(width, 1 / 4),
} as const satisfies { readonly [name: string]: (width: number) => FfnConfig | undefined };
export type Layers = keyof typeof layers;
const names = Object.keys(layers) as Layers[];

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

/** Models of a scaling curve and what is to be trained for it. */
export interface ScalingOptions {
  readonly setting: LanguageSetting;
  readonly widths: readonly number[];
  /** All models of a width see the same tokens: so many for each parameter of the dense one. */
  readonly tokensPerParameter: number;
}

const nameOf = (kind: Layers, width: number): string => `${kind}, width ${width}`;

/** The models of every width, each a group with the dense model first. */
export const scalingGroups = ({ setting, widths, tokensPerParameter }: ScalingOptions): readonly Group[] =>
  widths.map((width) => {
    const { batch, context } = setting.budget;
    const model = (kind: Layers) =>
      decoder(familyConfig({ ...setting, context, width }, layers[kind](width))) as LanguageModel;
    const parameters = parameterCount(model("dense").init(key(0)));
    const steps = Math.ceil((tokensPerParameter * parameters) / (batch * context));
    return names.map((kind) => ({ name: nameOf(kind, width), model: model(kind), steps })) as unknown as Group;
  });

/** The points of the trained models of `groups`; draws their curves. */
export function scalingPoints(
  context: Pick<StudyContext, "figure">,
  compared: LanguageComparison,
  { setting, widths, tokensPerParameter }: ScalingOptions,
  groups: readonly Group[],
): readonly ScalePoint[] {
  const { batch, context: length } = setting.budget;
  const points = widths.flatMap((width, i) =>
    names.map((kind): ScalePoint => {
      const { rate, parameters, flops } = compared[nameOf(kind, width)] as LanguageArm;
      const { steps } = (groups[i] as Group)[0];
      const losses = testLosses(compared, nameOf(kind, width));
      return { layers: kind, width, rate, parameters, operations: flops.training * steps * batch * length, losses };
    }),
  );
  draw(context, points, tokensPerParameter);
  return points;
}

function draw(
  { figure }: Pick<StudyContext, "figure">,
  points: readonly ScalePoint[],
  tokensPerParameter: number,
): void {
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
