/** The probe `geometry`: dimensions of the stream of a model from layer to layer, and what its last features can lose. */
import { argMax, cast, equal, fold, full, key, sum, type Tensor, tensor } from "../array/index.ts";
import { activationsOf, type Decoder, type DecoderParams } from "../models/index.ts";
import { pearson } from "../report/index.ts";
import { crossEntropy } from "../train/index.ts";
import { type Covariance, covarianceOf, type Moments, momentsOf } from "./covariance.ts";
import { symmetricEigenvalues } from "./eigenvalues.ts";
import { type FeatureNoiseKind, featureNoise, featureNoiseKinds } from "./feature-noise.ts";
import { featureScale } from "./feature-response.ts";
import { compression, effectiveDimension, extrapolatedDimension } from "./geometry.ts";
import { pcaProjection, principalComponents } from "./pca.ts";
import type { ProbeContext, ProbeResult } from "./probes.ts";
import { recordActivations, type SeenText, totalOverText } from "./record.ts";
import { componentsFor } from "./spectrum.ts";

export interface GeometryOptions {
  /** Share of the variance that the principal components keep. */
  readonly share: number;
  /** Whether the last features are changed to see what the model loses. */
  readonly interventions: boolean;
}

/** One representation of the tokens. */
interface LayerGeometry {
  readonly name: string;
  readonly width: number;
  readonly dimension: number;
  /** From a quarter of the tokens and from all, continued to ever more. */
  readonly extrapolated: number;
  readonly components: number;
}

/** What the model predicts with changed features. */
interface Prediction {
  /** Nats a token. */
  readonly loss: number;
  /** Percent of the tokens that the model holds likeliest. */
  readonly accuracy: number;
}

interface NoisyPrediction extends Prediction {
  readonly kind: FeatureNoiseKind;
  readonly strength: number;
  readonly dimension: number;
}

/** Strengths of each kind, as `featureNoise` has them. */
const strengths: Readonly<Record<FeatureNoiseKind, readonly number[]>> = {
  gaussian: [0, 0.25, 0.5, 1, 2],
  uniform: [0, 0.25, 0.5, 1, 2],
  dropout: [0, 0.1, 0.25, 0.5, 0.75],
  saltAndPepper: [0, 0.02, 0.05, 0.1, 0.2],
};

/** Eigenvectors of wider features take minutes. */
const WIDEST = 1024;
/** Tokens that interventions are measured on, at most. */
const INTERVENED = 8192;

/** The probe as the registry has it. */
export async function probeGeometry(context: ProbeContext, options: GeometryOptions): Promise<ProbeResult> {
  const { layers, last } = await measureLayers(context, options.share);
  const changed = options.interventions ? await intervene(context, last, options.share) : null;
  const first = layers[0] as LayerGeometry;
  const rows = layers.map((layer, i) => [
    layer.name,
    layer.width,
    shown(layer.dimension),
    shown((100 * layer.dimension) / layer.width),
    shown(layer.extrapolated),
    layer.components,
    i === 0 ? "" : shown(compression((layers[i - 1] as LayerGeometry).dimension, layer.dimension)),
  ]);
  const total = compression(first.dimension, (layers.at(-1) as LayerGeometry).dimension);
  return {
    summary: {
      kind: "table",
      title: "Dimension by layer",
      caption: `${last.count.toLocaleString("en")} tokens, all positions. Effective dimension: participation ratio of the covariance. Compression: logarithm of the dimension before over that after; ${shown(total)} in all.`,
      columns: [
        "representation",
        "width",
        "effective dimension",
        "% of the width",
        "extrapolated",
        `components for ${shown(100 * options.share)} %`,
        "compression",
      ],
      rows,
    },
    notes: changed ? changedNotes(changed, options.share) : [],
    figures: [
      {
        kind: "lines",
        title: "Dimension by depth",
        x: { label: "representation, in order" },
        y: { label: "effective dimension", log: true },
        series: [
          { name: "effective dimension", points: layers.map(({ dimension }, x) => ({ x, y: dimension })) },
          {
            name: `components for ${shown(100 * options.share)} %`,
            points: layers.map(({ components }, x) => ({ x, y: components })),
          },
        ],
      },
      ...(changed
        ? [
            {
              kind: "lines" as const,
              title: "Prediction under noise on the last features",
              caption:
                "From no noise on. The departure is the absolute logarithm of the ratio to the dimension without noise.",
              x: { label: "departure of the effective dimension" },
              y: { label: "nats per token" },
              series: featureNoiseKinds.map((kind) => ({
                name: kind,
                points: departures(changed.noise, kind).map((x, i) => ({
                  x,
                  y: noiseOf(changed.noise, kind)[i]?.loss ?? Number.NaN,
                })),
              })),
            },
            {
              kind: "table" as const,
              title: "Changed last features",
              columns: ["change", "strength", "effective dimension", "nats per token", "tokens right, %"],
              rows: [
                ...changed.noise.map(({ kind, strength, dimension, loss, accuracy }) => [
                  kind,
                  strength,
                  shown(dimension),
                  shown(loss),
                  shown(accuracy),
                ]),
                ...(changed.pca
                  ? [
                      [
                        `${changed.pca.kept} principal components`,
                        "",
                        "",
                        shown(changed.pca.loss),
                        shown(changed.pca.accuracy),
                      ],
                    ]
                  : []),
              ],
            },
          ]
        : []),
    ],
    data: { tokens: last.count, layers, compression: total, ...(changed ? { interventions: changed } : {}) },
    arrays: {},
  };
}

const shown = (value: number): number => Number(value.toPrecision(4));

/** The stream before the first block and after each that is looked at, and the last features. */
async function measureLayers({ model, params, text, tokens, layers: chosen, ...context }: ProbeContext, share: number) {
  const names = [...activationsOf(model).keys()].filter((name) => {
    const block = /^blocks\.(\d+)\.stream$/.exec(name)?.[1];
    return name === "embedding" || name === "final" || (block && (chosen?.includes(Number(block)) ?? true));
  });
  const measure = ({ activations }: SeenText) =>
    Object.fromEntries(names.map((name) => [name, momentsOf(activations[name] as Tensor)]));
  const { signal } = context;
  const over = (share: number, stage: string) => ({
    tokens: Math.ceil(share * tokens),
    ...(signal ? { signal } : {}),
    onProgress: (done: number, total: number) => context.onProgress?.({ done, total, stage, unit: "tokens" }),
  });
  const all: Record<string, Moments> = await totalOverText(model, params, text, names, measure, over(1, "covariances"));
  const some: Record<string, Moments> = await totalOverText(
    model,
    params,
    text,
    names,
    measure,
    over(0.25, "a quarter of them"),
  );
  const layers = names.map((name): LayerGeometry => {
    const covariances = [some[name], all[name]].map((moments) => covarianceOf(moments as Moments, { name }));
    const samples = covariances.map((each) => ({ count: each.count, dimension: effectiveDimension(each) }));
    const { matrix, width } = covariances[1] as Covariance;
    return {
      name,
      width,
      dimension: (samples[1] as (typeof samples)[number]).dimension,
      extrapolated: extrapolatedDimension(samples),
      components: componentsFor(symmetricEigenvalues(matrix, width), share),
    };
  });
  return { layers, last: covarianceOf(all.final as Moments, { name: "final" }) };
}

/** Prediction from changed last features: of noise of each kind and strength, and of the largest components. */
async function intervene(
  { model, params, text, tokens, signal, onProgress }: ProbeContext,
  last: Covariance,
  share: number,
) {
  const over = (stage: string) => ({
    tokens: Math.min(tokens, Math.max(INTERVENED, 2 * last.width)),
    ...(signal ? { signal } : {}),
    onProgress: (done: number, total: number) => onProgress?.({ done, total, stage, unit: "tokens" }),
  });
  const { final } = await recordActivations(model, params, text, ["final"], {
    ...over("range of features"),
    tokens: 2048,
  });
  const scale = featureScale(tensor(final, { shape: [final.length / last.width, last.width] }));
  const noise: NoisyPrediction[] = [];
  for (const kind of featureNoiseKinds) {
    const measure = (seen: SeenText<"final">, own: DecoderParams) =>
      strengths[kind].map((strength) => {
        // Other tokens, other noise.
        const source = fold(key(0), sum(cast(seen.tokens, "int32")));
        const features = featureNoise(source, seen.activations.final, { kind, strength, scale });
        return { ...predict(model, own, features, seen.targets), moments: momentsOf(features) };
      });
    const totals = await totalOverText(model, params, text, ["final"], measure, over(`noise, ${kind}`));
    totals.forEach(({ moments, ...sums }, i) => {
      const dimension = effectiveDimension(covarianceOf(moments, { name: "final" }));
      noise.push({ kind, strength: strengths[kind][i] as number, dimension, ...predictionOf(sums) });
    });
  }
  if (last.width > WIDEST) return { noise, pca: null };
  const { kept, project } = pcaProjection(principalComponents(last), share);
  const measure = ({ activations, targets }: SeenText<"final">, own: DecoderParams) =>
    predict(model, own, project(activations.final), targets);
  const pca = predictionOf(await totalOverText(model, params, text, ["final"], measure, over("principal components")));
  return { noise, pca: { kept, ...pca } };
}

/** Sums of losses, of right tokens and of tokens. */
function predict(model: Decoder, params: DecoderParams, features: Tensor, targets: Tensor) {
  const logits = model.logits(params, features);
  return {
    loss: sum(crossEntropy(logits, targets, { reduction: "none" })),
    hits: sum(cast(equal(cast(argMax(logits, { axis: -1 }), "int32"), targets), "float32")),
    tokens: full([], targets.size),
  };
}

function predictionOf(sums: { readonly [name in keyof ReturnType<typeof predict>]: Tensor }): Prediction {
  const [loss, hits, tokens] = [sums.loss, sums.hits, sums.tokens].map(({ data }) => Number(data[0])) as [
    number,
    number,
    number,
  ];
  return { loss: loss / tokens, accuracy: (100 * hits) / tokens };
}

const noiseOf = (noise: readonly NoisyPrediction[], kind: FeatureNoiseKind) =>
  noise.filter((each) => each.kind === kind);

/** How far each strength of a noise moved the dimension. */
function departures(noise: readonly NoisyPrediction[], kind: FeatureNoiseKind): readonly number[] {
  const own = noiseOf(noise, kind);
  return own.map(({ dimension }) => Math.abs(Math.log(dimension / (own[0] as NoisyPrediction).dimension)));
}

function changedNotes({ noise, pca }: Awaited<ReturnType<typeof intervene>>, share: number): readonly string[] {
  const correlations = featureNoiseKinds.map((kind) => {
    const right = noiseOf(noise, kind).map(({ accuracy }) => accuracy);
    return `${kind} ${pearson(departures(noise, kind), right).toFixed(2)}`;
  });
  const [plain] = noise as [NoisyPrediction];
  return [
    `Correlation of the share of right tokens with the departure of the dimension under noise on the last features: ${correlations.join(", ")}.`,
    pca
      ? `On the ${pca.kept} principal components that hold ${shown(100 * share)} % of the variance the loss is ${pca.loss.toFixed(3)} instead of ${plain.loss.toFixed(3)} nats per token, and ${pca.accuracy.toFixed(2)} % of the tokens are right instead of ${plain.accuracy.toFixed(2)} %.`
      : `Principal components are left out: their vectors take minutes for more than ${WIDEST} features.`,
  ];
}
