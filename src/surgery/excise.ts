/** Hidden units taken out of feed-forward layers: those that are never active cost time and give nothing. */
import { evaluate, type Tensor, type Tree, take, tensor } from "../array/index.ts";
import type { TokenFile } from "../data/index.ts";
import { decoder, ffnPlaces } from "../models/index.ts";
import { type ActivityOptions, countActivity, deadNeurons, isOnOff } from "../probe/index.ts";
import { type ConfiguredDecoder, type ConfiguredFfn, replaceFfns } from "./replace.ts";

/** Maps into the hidden units, by column. */
const INWARD = ["up", "gate"];

type Linear = { readonly weight: Tensor; readonly bias?: Tensor };

/**
 * The same model without these hidden units, by place (`blocks[0].ffn`); a layer keeps at least one. Where the units are
 * always off, the outputs are the same up to the order of sums, and the layer costs the share of its operations less.
 * Weights that sublayers share lose the units of the place where they stand first. Throws one sentence for a layer that
 * is neither dense nor gated, and for a unit that is not there.
 */
export async function exciseNeurons(
  model: ConfiguredDecoder,
  units: ReadonlyMap<string, readonly number[]>,
): Promise<ConfiguredDecoder> {
  const unknown = new Set(units.keys());
  const after = replaceFfns(model, (layer, place) => {
    unknown.delete(place);
    const out = units.get(place);
    return out === undefined || out.length === 0 ? null : excised(layer, out, place);
  });
  if (unknown.size > 0)
    throw new RangeError(`exciseNeurons: there is no layer ${[...unknown].join(", ")} of its own weights`);
  return { ...after, params: await evaluate(after.params) };
}

function excised({ ffn, params }: ConfiguredFfn, units: readonly number[], place: string): ConfiguredFfn {
  if (ffn.kind !== "dense" && ffn.kind !== "gated")
    throw new Error(`exciseNeurons: ${place} is of kind ${ffn.kind}; only dense and gated layers lose units`);
  const wrong = units.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < ffn.hidden));
  if (wrong !== undefined)
    throw new RangeError(`exciseNeurons: ${place} has units 0 to ${ffn.hidden - 1}, not ${wrong}`);
  const out = new Set(units);
  const left = Array.from({ length: ffn.hidden }, (_, unit) => unit).filter((unit) => !out.has(unit));
  const kept = tensor(Int32Array.from(left.length > 0 ? left : [0]));
  const maps = Object.entries(params as { readonly [name: string]: Linear }).map(([name, map]): [string, Tree] => {
    if (!INWARD.includes(name)) return [name, { ...map, weight: take(map.weight, kept, { axis: 0 }) }];
    return [
      name,
      {
        weight: take(map.weight, kept, { axis: 1 }),
        ...(map.bias ? { bias: take(map.bias, kept, { axis: 0 }) } : {}),
      },
    ];
  });
  return { ffn: { ...ffn, hidden: kept.size }, params: Object.fromEntries(maps) };
}

/** What was taken out of a layer. */
export interface ExcisedLayer {
  readonly place: string;
  readonly units: number;
  readonly excised: number;
}

/**
 * Takes out the units that are never active in a text. Dead is relative to the text: on another one the outputs may
 * differ. Layers with units that are never exactly off, and those that are neither dense nor gated, stay as they are;
 * throws one sentence if that leaves none.
 * Source: the dead neurons are those of Voita et al. 2023, arXiv:2309.04827.
 */
export async function exciseDeadNeurons(
  model: ConfiguredDecoder,
  text: TokenFile,
  options: Omit<ActivityOptions, "threshold"> = {},
): Promise<ConfiguredDecoder & { readonly layers: readonly ExcisedLayer[] }> {
  const built = decoder(model.config);
  const places = ffnPlaces(built.config).filter(
    ({ ffn, shared }) => (ffn.kind === "dense" || ffn.kind === "gated") && isOnOff(ffn) && shared === undefined,
  );
  if (places.length === 0)
    throw new Error(
      "excise: the model has no dense or gated feed-forward layer of its own whose units can be off (ReLU)",
    );
  const counted = await countActivity(built, model.params, text, places, options);
  const dead = new Map(
    counted.map((activity) => [`blocks[${activity.place.block}].${activity.place.name}`, deadNeurons(activity)]),
  );
  return {
    ...(await exciseNeurons(model, dead)),
    layers: counted.map(({ units }, i) => {
      const [place, excised] = [...dead][i] as [string, readonly number[]];
      return { place, units, excised: excised.length };
    }),
  };
}
