/** When hidden units are active: counts by unit, by position and by token, streamed over a text. */
import { abs, cast, concat, greater, reshape, type Tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { Decoder, DecoderParams, FfnConfig, FfnPlace } from "../models/index.ts";
import { type OverTextOptions, overText, windowsOf } from "./record.ts";
import { NotApplicableError } from "./value-vectors.ts";

export interface ActivityOptions extends OverTextOptions {
  /**
   * A unit is active where its magnitude is above this. 0 for units that can be off, those of ReLU; others are never
   * exactly 0 and need a threshold, which is a choice of the reader's.
   */
  readonly threshold?: number;
}

/** How often the units of one layer were active. */
export interface Activity {
  readonly place: FfnPlace;
  readonly units: number;
  /** Tokens that were read. */
  readonly tokens: number;
  /** Activations of each unit: `[units]`. */
  readonly total: Float64Array;
  /** Activations by position in the window: `[context, units]`. */
  readonly byPosition: Float64Array;
  /** Tokens at each position. */
  readonly perPosition: number;
  /** Activations by the token at the same place: `[vocabulary that occurred, units]`, in the order of `occurred`. */
  readonly byToken: Uint32Array;
  /** The different tokens of the text, ascending, and how often each was read. */
  readonly occurred: Int32Array;
  readonly occurrences: Float64Array;
}

/** Whether hidden units are exactly 0 where they are off. */
export function isOnOff(ffn: FfnConfig): boolean {
  if (ffn.kind === "memory") return (ffn.weights ?? "relu") === "relu";
  return "activation" in ffn && (ffn.activation === "relu" || ffn.activation === "squaredRelu");
}

/** Whether a unit is active, as 0 or 1 (uint8) `[tokens, units]`; see `ActivityOptions.threshold`. */
export const activeUnits = (hidden: Tensor, threshold = 0): Tensor =>
  reshape(cast(greater(abs(hidden), threshold), "uint8"), [-1, hidden.shape.at(-1) as number]);

/** Tables of counts by token are made for as many layers at once as fit so many numbers. */
const TABLE = 2 ** 26;

/**
 * Counts activations of the hidden units at these places over windows of a text. The same counts come out whatever the
 * batch; every token of the windows is counted once, and no padding is added. Layers are counted in turn, each with its
 * own pass over the text, if the tables of all would not fit in memory. Throws `NotApplicableError` for units that are
 * never off, unless a threshold is given.
 */
export async function countActivity(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  places: readonly FfnPlace[],
  options: ActivityOptions = {},
): Promise<readonly Activity[]> {
  checkOnOff("countActivity", places, options.threshold);
  const { occurred, occurrences, ranks } = await vocabularyOf(model, text, options);
  const { context, count: windows } = windowsOf(model, text, options);
  const results: Activity[] = [];
  let group: FfnPlace[] = [];
  const finish = async (): Promise<void> => {
    if (group.length > 0) {
      const started = results.length;
      const counted = group.map((place) => emptyActivity(place, context, windows, occurred, occurrences));
      await countInto(model, params, text, counted, ranks, {
        ...options,
        // Of all layers, those that have been counted are done.
        ...(options.onProgress
          ? {
              onProgress: (done, total) =>
                options.onProgress?.(started * total + done * counted.length, places.length * total),
            }
          : {}),
      });
      results.push(...counted);
    }
    group = [];
  };
  let size = 0;
  for (const place of places) {
    const own = occurred.length * unitsOf(place);
    if (size + own > TABLE) {
      await finish();
      size = 0;
    }
    size += own;
    group.push(place);
  }
  await finish();
  return results;
}

/** Throws for units that are never off, unless there is a threshold. */
export function checkOnOff(operation: string, places: readonly FfnPlace[], threshold: number | undefined): void {
  const never = places.find(({ ffn }) => !isOnOff(ffn));
  if (never && threshold === undefined)
    throw new NotApplicableError(
      `${operation}: the units of ${never.path} are never exactly off (kind ${never.ffn.kind}${"activation" in never.ffn ? `, ${never.ffn.activation}` : ""}); give a threshold below which they count as off`,
    );
}

/** Hidden units of the layer at a place. */
export function unitsOf({ ffn, path }: FfnPlace): number {
  const units = ffn.kind === "memory" ? ffn.slots : "hidden" in ffn ? ffn.hidden : undefined;
  if (units === undefined || ffn.kind === "hourglass" || ffn.kind === "moefied")
    throw new NotApplicableError(`${path} is of kind ${ffn.kind}, which shows no hidden units`);
  return units;
}

const emptyActivity = (
  place: FfnPlace,
  context: number,
  windows: number,
  occurred: Int32Array,
  occurrences: Float64Array,
): Activity => {
  const units = unitsOf(place);
  return {
    place,
    units,
    tokens: windows * context,
    total: new Float64Array(units),
    byPosition: new Float64Array(context * units),
    perPosition: windows,
    byToken: new Uint32Array(occurred.length * units),
    occurred,
    occurrences,
  };
};

/** The different tokens of the windows, and the place of each among them. */
async function vocabularyOf(model: Decoder, text: TokenFile, options: OverTextOptions) {
  const { count, batch } = windowsOf(model, text, options);
  const found = new Map<number, number>();
  for (let start = 0; start < count; start += 64) {
    options.signal?.throwIfAborted();
    const { tokens } = batch(start, Math.min(64, count - start));
    const [rows, length] = tokens.shape as [number, number];
    // The last token of a window is only predicted.
    for (let i = 0; i < rows * length; i++)
      if (i % length < length - 1) {
        const token = Number(tokens.data[i]);
        found.set(token, (found.get(token) ?? 0) + 1);
      }
  }
  const occurred = Int32Array.from(found.keys()).sort();
  return {
    occurred,
    occurrences: Float64Array.from(occurred, (token) => found.get(token) as number),
    ranks: new Map(Array.from(occurred, (token, rank) => [token, rank])),
  };
}

async function countInto(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  counted: readonly Activity[],
  ranks: ReadonlyMap<number, number>,
  { threshold = 0, ...options }: ActivityOptions,
): Promise<void> {
  const names = counted.map(({ place }) => `${place.path}.hidden`);
  const batches = overText(
    model,
    params,
    text,
    names,
    ({ activations, tokens }) => ({
      active: concat(
        names.map((name) => activeUnits(activations[name] as Tensor, threshold)),
        { axis: -1 },
      ),
      tokens,
    }),
    options,
  );
  for await (const { active, tokens } of batches) {
    const bits = active.data as Uint8Array;
    const [rows, stride] = active.shape as [number, number];
    const context = tokens.shape[1] as number;
    let first = 0;
    for (const { units, total, byPosition, byToken } of counted) {
      for (let row = 0; row < rows; row++) {
        const position = (row % context) * units;
        const token = (ranks.get(Number(tokens.data[row])) as number) * units;
        const from = row * stride + first;
        for (let unit = 0; unit < units; unit++) {
          if (bits[from + unit] === 0) continue;
          (total[unit] as number)++;
          (byPosition[position + unit] as number)++;
          (byToken[token + unit] as number)++;
        }
      }
      first += units;
    }
  }
}
