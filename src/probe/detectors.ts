/** Units that a few tokens, or a few sequences of tokens, explain; and what they do to these tokens. */
import type { Tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import type { Decoder, DecoderParams, FfnPlace } from "../models/index.ts";
import { type Activity, type ActivityOptions, activeUnits } from "./activity.ts";
import { overText } from "./record.ts";

/** What counts as a detector. */
export interface DetectorRule {
  /** So many tokens (or n-grams) at most. */
  readonly most: number;
  /** They cover this share of the unit's activations; 0.95 by default. */
  readonly share?: number;
  /**
   * The unit was active at least this often, and as often on average for each of the tokens; 10 by default. Without it
   * every rare unit would be a detector of the few tokens that it happened to meet.
   */
  readonly least?: number;
}

/** A unit that a few tokens explain. */
export interface Detector {
  readonly unit: number;
  /** What it detects, the most frequent first: tokens, or n-grams with the last token last. */
  readonly triggers: readonly (readonly number[])[];
  /** Share of its activations on these. */
  readonly covered: number;
  readonly activations: number;
}

/** The fewest entries, largest first, whose sum is at least `share` of all; null if more than `most` are needed. */
export function fewestThatCover(
  counts: readonly (readonly [id: number, count: number])[],
  { most, share = 0.95 }: DetectorRule,
): { readonly ids: readonly number[]; readonly covered: number } | null {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const ids: number[] = [];
  let sum = 0;
  for (const [id, count] of [...counts].sort(([a, x], [b, y]) => y - x || a - b)) {
    if (sum >= share * total) break;
    if (ids.length === most) return null;
    ids.push(id);
    sum += count;
  }
  return total === 0 ? null : { ids, covered: sum / total };
}

const isOften = (activations: number, triggers: number, least: number): boolean =>
  activations >= least * Math.max(1, triggers);

/**
 * Units of which a few kinds of tokens cover nearly all activations: at most 5, and 95 %, by default. Being covered says
 * that the unit is active on nothing else; it need not be active whenever one of the tokens occurs.
 * Source: Voita et al. 2023, arXiv:2309.04827, section 4.
 */
export function tokenDetectors(
  { units, total, byToken, occurred }: Pick<Activity, "units" | "total" | "byToken" | "occurred">,
  rule: DetectorRule = { most: 5 },
): readonly Detector[] {
  const { least = 10 } = rule;
  return Array.from(total).flatMap((activations, unit): Detector[] => {
    if (activations < least) return [];
    const counts: [number, number][] = [];
    occurred.forEach((token, rank) => {
      const count = byToken[rank * units + unit] as number;
      if (count > 0) counts.push([token, count]);
    });
    const found = fewestThatCover(counts, rule);
    if (!found || !isOften(activations, found.ids.length, least)) return [];
    return [{ unit, triggers: found.ids.map((id) => [id]), covered: found.covered, activations }];
  });
}

/**
 * The tokens for which each unit is active most often, whether or not they explain it: `count` of those that occur at least
 * `least` times in the text. For units that are active on one of them at all.
 */
export function favouredTokens(
  {
    units,
    total,
    byToken,
    occurred,
    occurrences,
  }: Pick<Activity, "units" | "total" | "byToken" | "occurred" | "occurrences">,
  { count = 5, least = 20 }: { readonly count?: number; readonly least?: number } = {},
): readonly Detector[] {
  const frequent = Array.from(occurred.keys()).filter((rank) => (occurrences[rank] as number) >= least);
  return Array.from(total).flatMap((activations, unit): Detector[] => {
    const own = (rank: number): number => byToken[rank * units + unit] as number;
    const rates = frequent
      .filter((rank) => own(rank) > 0)
      .sort((a, b) => own(b) / (occurrences[b] as number) - own(a) / (occurrences[a] as number) || a - b)
      .slice(0, count);
    if (rates.length === 0) return [];
    const covered = rates.reduce((sum, rank) => sum + own(rank), 0) / activations;
    return [{ unit, triggers: rates.map((rank) => [occurred[rank] as number]), covered, activations }];
  });
}

/** Tokens that the detectors of a layer detect. */
export const detectedTokens = (detectors: readonly Detector[]): ReadonlySet<number> =>
  new Set(detectors.flatMap(({ triggers }) => triggers.map((trigger) => trigger.at(-1) as number)));

export interface NgramOptions extends ActivityOptions {
  /** Tokens of a sequence, the current one included: 2 or more. */
  readonly length: number;
  readonly rule?: DetectorRule;
}

/**
 * Units, among the given ones of each layer, of which a few sequences of `length` tokens that end at the current one cover
 * nearly all activations: at most 50, and 95 %, by default. The first `length - 1` positions of a window have no such
 * sequence and are left out. It keeps a number for every activation, so ask for rare units: those that are no token
 * detectors and not dead.
 */
export async function ngramDetectors(
  model: Decoder,
  params: DecoderParams,
  text: TokenFile,
  candidates: readonly { readonly place: FfnPlace; readonly units: readonly number[] }[],
  { length, rule = { most: 50 }, threshold = 0, ...options }: NgramOptions,
): Promise<readonly (readonly Detector[])[]> {
  const { least = 10 } = rule;
  const names = candidates.map(({ place }) => `${place.path}.hidden`);
  /** Sequences by number, each the number of the one before its last token, and that token. */
  const sequences: (readonly [before: number, token: number])[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (before: number, token: number): number => {
    const key = `${before},${token}`;
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, sequences.length);
    sequences.push([before, token]);
    return sequences.length - 1;
  };
  const met = candidates.map(({ units }) => units.map((): number[] => []));
  const batches = overText(
    model,
    params,
    text,
    names,
    ({ activations, tokens }) => ({
      active: names.map((name) => activeUnits(activations[name] as Tensor, threshold)),
      tokens,
    }),
    options,
  );
  for await (const { active, tokens } of batches) {
    const [rows, context] = tokens.shape as [number, number];
    for (let row = 0; row < rows * context; row++) {
      if (row % context < length - 1) continue;
      let sequence = -1;
      for (let k = row - length + 1; k <= row; k++) sequence = numberOf(sequence, Number(tokens.data[k]));
      candidates.forEach(({ units }, c) => {
        const { data, shape } = active[c] as { data: ArrayLike<unknown>; shape: readonly number[] };
        const from = row * (shape[1] as number);
        for (let i = 0; i < units.length; i++) if (data[from + (units[i] as number)] !== 0) met[c]?.[i]?.push(sequence);
      });
    }
  }
  const tokensOf = (sequence: number): number[] => {
    const [before, token] = sequences[sequence] as readonly [number, number];
    return before < 0 ? [token] : [...tokensOf(before), token];
  };
  return candidates.map(({ units }, c) =>
    units.flatMap((unit, i): Detector[] => {
      const list = met[c]?.[i] ?? [];
      if (list.length < least) return [];
      const counts = new Map<number, number>();
      for (const sequence of list) counts.set(sequence, (counts.get(sequence) ?? 0) + 1);
      const found = fewestThatCover([...counts], rule);
      if (!found || !isOften(list.length, found.ids.length, least)) return [];
      return [{ unit, triggers: found.ids.map(tokensOf), covered: found.covered, activations: list.length }];
    }),
  );
}

/**
 * Where tokens stand among all logits of a row, from 0 (the lowest) to 100: the mean, over the tokens, of the share of
 * the other logits that are lower, ties counted half. Gives a function of the tokens, since the row is sorted once.
 */
export function percentilesIn(logits: Float32Array): (tokens: readonly number[]) => number {
  const sorted = Float32Array.from(logits).sort();
  /** Values below x, or also those equal to it. */
  const countBelow = (x: number, equal: boolean): number => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const value = sorted[middle] as number;
      if (value < x || (equal && value === x)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return (tokens) => {
    const shares = tokens.map((token) => {
      const own = logits[token] as number;
      const [below, upTo] = [countBelow(own, false), countBelow(own, true)];
      return (below + (upTo - below - 1) / 2) / (sorted.length - 1);
    });
    return (100 * shares.reduce((total, share) => total + share, 0)) / tokens.length;
  };
}

/** What detectors do to the tokens that trigger them. */
export interface Suppression {
  /** For each detector, where its triggers stand among the logits of its value vector, from 0 to 100. */
  readonly own: readonly number[];
  /** For each detector, where the same tokens stand on average in the vectors of units that are no detectors. */
  readonly control: readonly number[];
}

/** Units that the control is averaged over, at most. */
const CONTROLS = 64;

/**
 * Whether detectors promote or demote their own triggers, beside units of the same layer that are no detectors (beside
 * units spread over all of the layer, if there are too few others). `logits`
 * are those of value vectors: `[units, vocabulary]`, see `valueVectorLogits`. Below the control means that the detector
 * removes the token that it has seen.
 * Source: Voita et al. 2023, arXiv:2309.04827, section 4.3.
 */
export function triggerSuppression(
  logits: Float32Array,
  vocabulary: number,
  detectors: readonly Detector[],
): Suppression {
  const percentiles = (unit: number) => percentilesIn(logits.subarray(unit * vocabulary, (unit + 1) * vocabulary));
  const taken = new Set(detectors.map(({ unit }) => unit));
  const all = Array.from({ length: logits.length / vocabulary }, (_, unit) => unit);
  const free = all.filter((unit) => !taken.has(unit));
  const others = free.length < CONTROLS ? all : free;
  const count = Math.min(CONTROLS, others.length);
  const controls = Array.from({ length: count }, (_, i) =>
    percentiles(others[Math.floor((i * others.length) / count)] as number),
  );
  const triggersOf = ({ triggers }: Detector) => [...new Set(triggers.map((trigger) => trigger.at(-1) as number))];
  return {
    own: detectors.map((detector) => percentiles(detector.unit)(triggersOf(detector))),
    control: detectors.map((detector) => {
      const tokens = triggersOf(detector);
      return controls.reduce((total, control) => total + control(tokens), 0) / count;
    }),
  };
}
