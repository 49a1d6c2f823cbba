/** Figures of models side by side, as text. */
import { median } from "../report/index.ts";
import type { ModelFigures } from "../serve/index.ts";
import { columns } from "./text.ts";

/** Figures, and the bits for a byte of the text where it is known how many bytes the tokens stand for. */
export type ShownFigures = ModelFigures & { readonly bitsPerByte?: number };

const whole = (value: number): string => Math.round(value).toLocaleString("en");

/** What is shown of a model, and whether a ratio to the first model says something. */
const rows: readonly {
  readonly name: string;
  readonly value: (figures: ShownFigures) => number | undefined;
  readonly show: (value: number) => string;
}[] = [
  { name: "perplexity", value: ({ perplexity }) => perplexity, show: (value) => value.toFixed(3) },
  { name: "loss, nats per token", value: ({ loss }) => loss, show: (value) => value.toFixed(4) },
  { name: "bits per byte", value: ({ bitsPerByte }) => bitsPerByte, show: (value) => value.toFixed(3) },
  { name: "accuracy, % of next tokens", value: ({ accuracy }) => 100 * accuracy, show: (value) => value.toFixed(2) },
  { name: "parameters", value: ({ parameters }) => parameters, show: whole },
  { name: "MFLOP for a token", value: ({ flopsPerToken }) => flopsPerToken / 1e6, show: (value) => value.toFixed(2) },
  {
    name: "MB of weights read for a token",
    value: ({ weightBytesPerToken }) => weightBytesPerToken / 1e6,
    show: (value) => value.toFixed(2),
  },
  {
    name: "kB of caches for a position",
    value: ({ cacheBytesPerPosition }) => cacheBytesPerPosition / 1e3,
    show: (value) => value.toFixed(2),
  },
  { name: "ms for a token, one text", value: ({ decodeMs }) => median(decodeMs), show: (value) => value.toFixed(3) },
  { name: "tokens scored a second", value: ({ scoredPerSecond }) => scoredPerSecond, show: whole },
];

/** One model in a column each; for two, the second over the first in a further one. */
export function figuresText(models: readonly { readonly name: string; readonly figures: ShownFigures }[]): string {
  const ratio = (value: (figures: ShownFigures) => number | undefined): string[] => {
    if (models.length !== 2) return [];
    const [a, b] = models.map(({ figures }) => value(figures)) as [number?, number?];
    return a && b ? [`${(b / a).toFixed(3)}x`] : [""];
  };
  const lines = rows
    .filter(({ value }) => models.some(({ figures }) => value(figures) !== undefined))
    .map(({ name, value, show }) => [
      name,
      ...models.map(({ figures }) => {
        const given = value(figures);
        return given === undefined ? "" : show(given);
      }),
      ...ratio(value),
    ]);
  const head =
    models.length === 1 ? [] : [["", ...models.map(({ name }) => name), ...(models.length === 2 ? [""] : [])]];
  return columns([...head, ...lines], { align: ["left", ...Array<"right">(models.length + 1).fill("right")] });
}
