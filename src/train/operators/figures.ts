/** Pictures and plots of fields and of what operators make of them. */

import { complexArray, squarePlan, waveNumber } from "../../data/index.ts";
import type { Figure, LinePlot, Point } from "../../report/index.ts";
import type { ComparedArm } from "../arms.ts";
import type { OperatorOutcome } from "./compare.ts";
import type { FieldPairs } from "./pairs.ts";

/** Values as pixels: `low` is black and `high` white. */
export function pixelsOf(values: ArrayLike<number>, low: number, high: number): Uint8Array {
  const scale = high > low ? 255 / (high - low) : 0;
  return Uint8Array.from(values, (v) => Math.round(Math.min(255, Math.max(0, (v - low) * scale))));
}

/** First field of the first example: its first channel. */
function firstField(
  pairs: FieldPairs,
  side: "inputs" | "outputs",
): { readonly size: number; readonly values: Float32Array } {
  const { shape, data } = pairs[side];
  const size = shape.at(-1) as number;
  return { size, values: data.subarray(0, size * size) };
}

export interface FieldFiguresOptions {
  readonly compared: { readonly [name: string]: ComparedArm<OperatorOutcome> };
  /** The test whose first example is drawn, and its pairs. */
  readonly test: string;
  readonly pairs: FieldPairs;
  /** What the fields are, such as `vorticity`. */
  readonly quantity: string;
}

/**
 * Two figures of the first test example and the first seed: pictures of input, truth, predictions and errors, and the
 * spectra of truth, predictions and errors.
 */
export function fieldFigures({ compared, test, pairs, quantity }: FieldFiguresOptions): readonly Figure[] {
  const { size, values: truth } = firstField(pairs, "outputs");
  const input = firstField(pairs, "inputs").values;
  const names = Object.keys(compared);
  const predictions = names.map((name) => {
    const all = (compared[name] as ComparedArm<OperatorOutcome>).outcomes[0]?.predictions[test] as Float32Array;
    return all.subarray(0, size * size);
  });
  const range = [Math.min(...truth), Math.max(...truth)] as const;
  const errors = predictions.map((own) => own.map((v, i) => v - (truth[i] as number)));
  const most = errors.reduce((top, error) => Math.max(top, ...error.map(Math.abs)), 0);
  return [
    {
      kind: "pictures",
      title: `${capital(quantity)}: truth, predictions and errors`,
      caption: `The first test example on a grid of ${size} x ${size} with the first seed: input and truth; then for each operator its prediction, on the scale of the truth, and its error, where grey is none and black and white are ${most.toPrecision(2)}.`,
      width: size,
      height: size,
      rows: [
        {
          label: "input, truth",
          pictures: [pixelsOf(input, Math.min(...input), Math.max(...input)), pixelsOf(truth, ...range)],
        },
        ...names.map((label, i) => ({
          label,
          pictures: [
            pixelsOf(predictions[i] as Float32Array, ...range),
            pixelsOf(errors[i] as Float32Array, -most, most),
          ],
        })),
      ],
    },
    spectraFigure(size, quantity, [
      { name: "truth", values: truth },
      ...names.map((name, i) => ({ name: `error of ${name}`, values: errors[i] as Float32Array })),
    ]),
  ];
}

const capital = (text: string): string => text.replace(/^./, (letter) => letter.toUpperCase());

/** Spectra of fields on double logarithmic axes. */
function spectraFigure(
  size: number,
  quantity: string,
  fields: readonly { readonly name: string; readonly values: Float32Array }[],
): LinePlot {
  return {
    kind: "lines",
    title: `Spectrum of ${quantity}`,
    caption: `Power by whole wavenumber, summed over directions, of the first test example on a grid of ${size} x ${size}.`,
    x: { label: "wavenumber", log: true },
    y: { label: "power", log: true },
    series: fields.map(({ name, values }) => ({ name, points: ringSpectrum(values, size) })),
  };
}

/** Power `Σ |û_k|²` of a periodic field `[size, size]` over rings `|k|` to the nearest whole number, from 1 to size/2 - 1. */
export function ringSpectrum(values: ArrayLike<number>, size: number): Point[] {
  const spectrum = complexArray(size * size);
  squarePlan(size).forward({ re: Float64Array.from(values), im: new Float64Array(size * size) }, spectrum);
  const power = new Float64Array(size);
  for (let i = 0; i < size * size; i++) {
    const ring = Math.round(Math.hypot(waveNumber(Math.floor(i / size), size), waveNumber(i % size, size)));
    if (ring < size) (power[ring] as number) += (spectrum.re[i] as number) ** 2 + (spectrum.im[i] as number) ** 2;
  }
  return Array.from({ length: size / 2 - 1 }, (_, i) => ({ x: i + 1, y: Math.max(power[i + 1] as number, 1e-30) }));
}
