/** FactorLLM: feed-forward blocks as equal slices, of which a linear router chooses some for each token. */
import { evaluate, fold, key, normal, zeros } from "../array/index.ts";
import { type BlockParams, contiguousGroups, cutIntoExperts, unitKeys } from "./experts.ts";
import { balancedKMeans, type Groups, randomGroups } from "./groups.ts";
import { type ConfiguredDecoder, replaceFfns } from "./replace.ts";

/** How hidden units are put into slices: as they stand, by nearness of their keys, or by chance. */
export const sliceKinds = ["contiguous", "clustered", "random"] as const;
export type SliceKind = (typeof sliceKinds)[number];

export interface FactorOptions {
  /** Slices of each block; a divisor of its hidden units. */
  readonly experts: number;
  /** Slices that each token uses. */
  readonly active: number;
  /** As they stand unless told otherwise, as in the official code. */
  readonly slices?: SliceKind;
  /** Whether routers can learn from the loss of the whole model; see `moefiedFfn`. */
  readonly straightThrough?: boolean;
  readonly seed?: number;
}

/**
 * Turns every feed-forward block of kind `dense` or `gated` into slices with a linear router that knows nothing yet. The
 * chosen slices' sum is multiplied by `experts / active`, so that with all of them the model computes what it did. Throws
 * one sentence if there is no such block, or its units cannot be cut into so many slices.
 * Source: Zhao et al. 2024, arXiv:2408.11855.
 */
export async function factorFfns(model: ConfiguredDecoder, options: FactorOptions): Promise<ConfiguredDecoder> {
  const { experts, active, seed = 0, straightThrough = false } = options;
  if (!(Number.isInteger(active) && active >= 1 && active <= experts))
    throw new RangeError(`factorFfns: active must be a whole number from 1 to the ${experts} experts, got ${active}`);
  const { width } = model.config;
  let seen = 0;
  const cut = replaceFfns(model, ({ ffn, params }, place) => {
    if (ffn.kind !== "dense" && ffn.kind !== "gated") return null;
    const { hidden, activation, bias } = ffn as Required<typeof ffn>;
    if (hidden % experts !== 0)
      throw new RangeError(
        `factorFfns: ${place} has ${hidden} hidden units, which cannot be cut into ${experts} equal slices; choose a divisor`,
      );
    const weight = normal(fold(key(seed), seen++), [width, experts], { std: 1 / Math.sqrt(width) });
    const block = params as BlockParams;
    const common = { hidden, experts, active, activation, bias, scale: experts / active, straightThrough };
    return {
      ffn: { kind: "moefied", router: "linear", gated: ffn.kind === "gated", ...common },
      params: {
        ...cutIntoExperts(block, slicesOf(block, hidden, options)),
        router: { map: { weight, bias: zeros([experts]) } },
      },
    };
  });
  if (seen === 0) throw new Error("factorFfns: the model has no feed-forward sublayer of kind dense or gated");
  return { config: cut.config, params: await evaluate(cut.params) };
}

function slicesOf(
  block: BlockParams,
  hidden: number,
  { experts, slices = "contiguous", seed = 0 }: FactorOptions,
): Groups {
  if (slices === "contiguous") return contiguousGroups(hidden, experts);
  if (slices === "random") return randomGroups(hidden, experts, seed);
  return balancedKMeans(unitKeys(block), block.up.weight.shape[0] as number, experts, { seed }).groups;
}
