/** Runs of feed-forward sublayers as one wide layer, and runs of blocks side by side. */
import { add, concat, evaluate, mul, type Tensor, type Tree } from "../array/index.ts";
import { type DecoderConfig, decoder, type Sublayer } from "../models/index.ts";
import { foldNorm, withBiases } from "./fold-norms.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { leaveOut, namesOf, type OwnedSublayer, type Place, placeText, putTogether, takeApart } from "./sublayers.ts";

/** Feed-forward sublayers that follow each other with nothing between them. */
export type FfnRun = readonly Place[];

/** What must be equal for two feed-forward sublayers to be one; null for those that cannot be fused. */
function fusibleKind(sublayer: Sublayer): string | null {
  if (!("ffn" in sublayer) || sublayer.shortcut === "linear") return null;
  const { ffn } = sublayer;
  return ffn.kind === "dense" || ffn.kind === "gated" ? `${ffn.kind} ${ffn.activation}` : null;
}

/**
 * The longest runs of feed-forward sublayers that can be fused, of at least `shortest` (2 by default): nothing stands
 * between them, and all are dense, or all gated, with the same activation.
 */
export function ffnRuns(
  config: DecoderConfig,
  { shortest = 2 }: { readonly shortest?: number } = {},
): readonly FfnRun[] {
  const { blocks } = decoder(config).config;
  const apart = (b: number): boolean => blocks[b]?.[0]?.beside === "block";
  const runs: Place[][] = [];
  let current: string | null = null;
  for (const [b, block] of blocks.entries()) {
    // Blocks side by side start from one place of the stream, which a run across their borders would move.
    if (apart(b - 1) || apart(b) || apart(b + 1)) current = null;
    const names = namesOf(block);
    for (const [i, sublayer] of block.entries()) {
      const kind = fusibleKind(sublayer);
      const follows: boolean = kind !== null && kind === current;
      // One that stands beside another reads what the whole run reads only if that other is in the run.
      const begins = kind !== null && (sublayer.beside !== true || i === 0);
      const place = { block: b, name: names[i] as string };
      const last = runs.at(-1);
      // What stands beside the last of a run reads what that one read, so that must stay as it is.
      if (sublayer.beside === true && current !== null && !follows && last && last.length > 1)
        runs.push([last.pop() as Place]);
      if (follows) (runs.at(-1) as Place[]).push(place);
      else if (begins) runs.push([place]);
      current = follows || begins ? kind : null;
    }
  }
  return runs.filter((run) => run.length >= shortest);
}

/**
 * The model with a run of feed-forward sublayers as one of the sum of their widths: `x + Σⱼ FFNⱼ(normⱼ(x))`. Gains and
 * shifts of the norms go into the maps behind them and one plain norm serves all, first matrices stand side by side, last
 * ones below each other, last biases are added up, factors on outputs go into the last matrices. This is exact for the
 * sum; the model had each layer read what those before it made, which is lost. Run by run: places after the run move up.
 * Throws one sentence if something stands between the layers or they are of different kinds.
 * Source: Bercovich et al. 2025, arXiv:2503.18908, section 3.
 */
export async function fuseFfnRun(model: ConfiguredDecoder, run: FfnRun): Promise<ConfiguredDecoder> {
  const members = membersOf("fuseFfnRun", model, run);
  const folded = members.map((owned, i) => foldNorm("fuseFfnRun", owned, placeText(run[i] as Place)));
  return replaceRun(model, run, [(await evaluate(joined(folded) as never)) as OwnedSublayer]);
}

/**
 * The model with the layers of a run side by side, each with its norm: the sum that `fuseFfnRun` computes in one layer,
 * for checks of it. Throws as it does.
 */
export function ffnsSideBySide(model: ConfiguredDecoder, run: FfnRun): ConfiguredDecoder {
  const members = membersOf("ffnsSideBySide", model, run);
  return replaceRun(
    model,
    run,
    members.map((owned, i) => (i === 0 ? owned : { ...owned, sublayer: { ...owned.sublayer, beside: true } })),
  );
}

/** The model without these feed-forward sublayers: what a fusion must be better than. Throws as `fuseFfnRun`. */
export function withoutFfns(model: ConfiguredDecoder, run: FfnRun): ConfiguredDecoder {
  membersOf("withoutFfns", model, run);
  return leaveOut(model, takeApart(model), (place) => isIn(run, place));
}

const isIn = (run: FfnRun, place: Place): boolean => run.some((each) => placeText(each) === placeText(place));

/** The sublayers of a run; one sentence if they are none. */
function membersOf(operation: string, model: ConfiguredDecoder, run: FfnRun): readonly OwnedSublayer[] {
  if (model.config.placement === "post")
    throw new Error(`${operation}: the model has norms after sublayers; what they gave cannot be added up`);
  checkRun(operation, model.config, run);
  return takeApart(model).flatMap((block, b) => {
    const names = namesOf(block.map(({ sublayer }) => sublayer));
    return block.filter((_, i) => isIn(run, { block: b, name: names[i] as string }));
  });
}

/** The model with a list where the first of a run stood, and the others gone. */
function replaceRun(model: ConfiguredDecoder, run: FfnRun, list: readonly OwnedSublayer[]): ConfiguredDecoder {
  const [first, ...others] = run as readonly [Place, ...Place[]];
  const blocks = takeApart(model).map((block, b) => {
    const names = namesOf(block.map(({ sublayer }) => sublayer));
    return block.flatMap((owned, i) => {
      const place = { block: b, name: names[i] as string };
      if (placeText(place) === placeText(first)) return list;
      return isIn(others, place) ? [] : [owned];
    });
  });
  return putTogether(model, blocks);
}

/** Throws one sentence unless these places follow each other in one run. */
function checkRun(operation: string, config: DecoderConfig, run: FfnRun): void {
  const text = run.map(placeText).join(", ");
  const [start] = run;
  if (!start) throw new RangeError(`${operation}: expected at least one place`);
  const runs = ffnRuns(config, { shortest: 1 });
  for (const all of runs) {
    const from = all.findIndex((place) => placeText(place) === placeText(start));
    if (from < 0) continue;
    if (run.every((place, i) => all[from + i] && placeText(all[from + i] as Place) === placeText(place))) return;
  }
  const known = runs.filter(({ length }) => length > 1).map((all) => all.map(placeText).join(", "));
  throw new Error(
    `${operation}: ${text} cannot be one layer: other sublayers stand between them, or they differ in kind or activation; ${known.length ? `runs of this model are ${known.join("; ")}` : "this model has no run, attention must be dropped first (dropAttention), or whole blocks put side by side (blocksSideBySide)"}`,
  );
}

type Affine = { readonly weight: Tensor; readonly bias?: Tensor };
type Ffn = { readonly gate?: Affine; readonly up: Affine; readonly down: Affine };

/** One sublayer that adds what all of these add to one stream; their norms are plain. */
function joined(given: readonly OwnedSublayer[]): OwnedSublayer {
  const biased = given.some(({ layer }) => Object.values(layer as Ffn).some(({ bias }) => bias));
  const parts = biased ? given.map(withBiases) : given;
  const layers = parts.map(({ layer }) => layer as Ffn);
  const inward = (name: "gate" | "up"): Affine => {
    const maps = layers.map((layer) => layer[name] as Affine);
    return {
      weight: concat(
        maps.map(({ weight }) => weight),
        { axis: 1 },
      ),
      ...(biased
        ? {
            bias: concat(
              maps.map(({ bias }) => bias as Tensor),
              { axis: 0 },
            ),
          }
        : {}),
    };
  };
  const scaled = (x: Tensor, i: number): Tensor => {
    const { scale = 1 } = (parts[i] as OwnedSublayer).sublayer;
    return scale === 1 ? x : mul(x, scale);
  };
  const down: Affine = {
    weight: concat(
      layers.map((layer, i) => scaled(layer.down.weight, i)),
      { axis: 0 },
    ),
    ...(biased
      ? { bias: layers.map((layer, i) => scaled(layer.down.bias as Tensor, i)).reduce((a, b) => add(a, b)) }
      : {}),
  };
  const [head] = parts as [OwnedSublayer];
  const { ffn, beside } = head.sublayer as Extract<Sublayer, { ffn: unknown }>;
  const hidden = layers.reduce((total, { up }) => total + (up.weight.shape[1] as number), 0);
  return {
    sublayer: { ffn: { ...ffn, hidden, bias: biased } as typeof ffn, ...(beside === undefined ? {} : { beside }) },
    norm: head.norm as Tree,
    layer: { ...(layers[0]?.gate ? { gate: inward("gate") } : {}), up: inward("up"), down },
  };
}

/**
 * The model with `count` whole blocks from `first` on side by side: all start from what the first starts from, and what
 * they add is added up. No weight changes. Throws one sentence if there are no such blocks.
 * Source: Bercovich et al. 2025, arXiv:2503.18908, section 5 (block parallelization).
 */
export function blocksSideBySide(model: ConfiguredDecoder, first: number, count: number): ConfiguredDecoder {
  const { blocks } = model.config;
  if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 1 || first + count > blocks.length)
    throw new RangeError(
      `blocksSideBySide: expected blocks of the ${blocks.length} of the model, got ${count} from ${first} on`,
    );
  const list = blocks.map((block, b) =>
    b > first && b < first + count
      ? block.map((sublayer, i): Sublayer => (i === 0 ? { ...sublayer, beside: "block" } : sublayer))
      : block,
  );
  // The decoder checks that the blocks can stand so.
  return { config: decoder({ ...model.config, blocks: list }).config, params: model.params };
}
