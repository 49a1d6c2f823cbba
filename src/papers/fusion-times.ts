/** Times of feed-forward sublayers in a row and of the one wide sublayer that computes their sum. */
import { add, compile, evaluate, key, normal, type Tensor } from "../array/index.ts";
import { gatedFfn, rmsNorm } from "../nn/index.ts";
import {
  type Measurement,
  median,
  type StudyContext,
  speedMeasurement,
  type Table,
  timeInTurn,
} from "../report/index.ts";

/** Milliseconds a round, for one token. */
export interface FusionTime {
  readonly width: number;
  readonly layers: number;
  readonly inRow: readonly number[];
  readonly fused: readonly number[];
}

/** SwiGLU sublayers of as many hidden units as the stream is wide, with their norms: a function and its parameters. */
function sublayers(width: number, hidden: number, count: number) {
  const [norm, ffn] = [rmsNorm({ width }), gatedFfn({ width, hidden })];
  const params = Array.from({ length: count }, (_, i) => ({
    norm: norm.init(key(i)),
    ffn: ffn.init(key(1000 * hidden + i)),
  }));
  const apply = (weights: typeof params, x: Tensor): Tensor =>
    weights.reduce((h, own) => add(h, ffn.apply(own.ffn, norm.apply(own.norm, h))), x);
  return { params, apply };
}

/** Times rows of layers and the fused ones of each width and length, all of one width in turn. */
export async function fusionTimes(
  { remember, signal, progress }: Pick<StudyContext, "remember" | "signal" | "progress">,
  {
    widths,
    lengths,
    calls,
  }: {
    readonly widths: readonly number[];
    readonly lengths: readonly number[];
    readonly calls: number;
  },
): Promise<readonly FusionTime[]> {
  const all: FusionTime[] = [];
  for (const [i, width] of widths.entries()) {
    progress({ stage: `timing layers of width ${width}`, done: i, total: widths.length });
    const times = await remember(`times, width ${width}, ${lengths.join(" ")} layers`, async () => {
      const x = await evaluate(normal(key(7), [1, width]));
      const functions: Record<string, () => unknown> = {};
      for (const layers of lengths)
        for (const [name, { params, apply }] of [
          [`row ${layers}`, sublayers(width, width, layers)],
          [`fused ${layers}`, sublayers(width, layers * width, 1)],
        ] as const) {
          const weights = await evaluate(params);
          const run = compile(apply);
          functions[name] = () => run(weights, x);
        }
      return timeInTurn(functions, { calls, signal });
    });
    all.push(
      ...lengths.map((layers) => ({
        ...{ width, layers },
        ...{ inRow: times[`row ${layers}`] as readonly number[], fused: times[`fused ${layers}`] as readonly number[] },
      })),
    );
  }
  return all;
}

/** How many times as fast the fused layer is. */
export const fusionGain = ({ inRow, fused }: FusionTime): Measurement => speedMeasurement(inRow, fused);

/** The table of these times. */
export const fusionTimesTable = (times: readonly FusionTime[]): Table => ({
  kind: "table",
  title: "One token through feed-forward layers in a row, and through one as wide as all",
  caption:
    "SwiGLU with as many hidden units as the stream is wide, each layer with its norm; medians in milliseconds, timed in turn. Operations and weights are the same.",
  columns: ["width", "layers", "in a row", "fused", "ratio"],
  rows: times.map(({ width, layers, inRow, fused }) => [
    ...[width, layers],
    ...[median(inRow), median(fused), median(inRow) / median(fused)].map((value) => Number(value.toPrecision(3))),
  ]),
});
