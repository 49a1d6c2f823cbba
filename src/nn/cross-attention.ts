/** Attention from one sequence to another. */
import type { Tensor } from "../array/index.ts";
import {
  type AttentionCache,
  type AttentionOptions,
  type AttentionParams,
  attend,
  joinHeads,
  splitHeads,
  visibleKeys,
} from "./attention.ts";
import { checkCount, checkRate } from "./checks.ts";
import { compose, type Layer, type Mode, modeOf } from "./layer.ts";
import { linear } from "./linear.ts";

export type CrossAttentionOptions<B extends boolean = true> = Pick<
  AttentionOptions<B>,
  "width" | "heads" | "headWidth" | "dropout" | "bias" | "init"
>;

/** Parameters of `crossAttention`: those of attention of a sequence to itself. */
export type CrossAttentionParams<B extends boolean = true> = Pick<
  AttentionParams<B>,
  "query" | "key" | "value" | "output"
>;

/** A sequence to look things up in: `vectors: [batch, keys, width]`. */
export interface Memory {
  readonly vectors: Tensor;
  /** Bool `[batch, keys]`: false for padding, which is never looked at. All are visible by default. */
  readonly visible?: Tensor;
}

/** `x: [batch, time, width]` and what it attends to. */
export interface CrossInput {
  readonly x: Tensor;
  readonly memory: Memory;
}

export interface CrossAttention<B extends boolean = true> extends Layer<CrossAttentionParams<B>, CrossInput> {
  /** Keys and values of a memory, `[batch, heads, keys, headWidth]` each: computed once when `x` comes bit by bit. */
  remember(params: CrossAttentionParams<B>, vectors: Tensor): AttentionCache;
  /** The output for the keys and values of a memory; `visible` as in `Memory`. */
  recall(params: CrossAttentionParams<B>, x: Tensor, remembered: AttentionCache, visible?: Tensor, mode?: Mode): Tensor;
}

/**
 * Multi-head attention of one sequence to another: `y = concat_h(softmax(q_h·k_hᵀ/√headWidth)·v_h)·O`, with `q = x·Q`,
 * `k = m·K`, `v = m·V`. `x: [batch, time, width]` and `m: [batch, keys, width]` give `[batch, time, width]`; weights are
 * as in `multiHeadAttention`. Every position of `x` sees every visible one of `m`, so outputs of positions do not depend
 * on each other.
 * Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3.
 */
export function crossAttention<const B extends boolean = true>(options: CrossAttentionOptions<B>): CrossAttention<B> {
  const { width, heads, headWidth = width / heads, dropout = 0, ...rest } = options;
  checkCount("crossAttention", { width, heads });
  checkRate("crossAttention", dropout);
  if (!Number.isInteger(headWidth))
    throw new RangeError(`crossAttention: width ${width} cannot be cut into ${heads} equal heads; give headWidth`);
  const inward = () => linear<B>({ inputs: width, outputs: heads * headWidth, ...rest });
  const parts = {
    query: inward(),
    key: inward(),
    value: inward(),
    output: linear<B>({ inputs: heads * headWidth, outputs: width, ...rest }),
  };
  const remember: CrossAttention<B>["remember"] = (params, vectors) => ({
    keys: splitHeads(parts.key.apply(params.key, vectors), heads),
    values: splitHeads(parts.value.apply(params.value, vectors), heads),
  });
  const recall: CrossAttention<B>["recall"] = (params, x, { keys, values }, visible, mode) => {
    if (x.rank !== 3 || x.shape[0] !== keys.shape[0])
      throw new RangeError(
        `crossAttention: expected x [batch, time, width] with the ${keys.shape[0]} rows of the memory, got [${x.shape.join(", ")}]`,
      );
    const q = splitHeads(parts.query.apply(params.query, x), heads);
    const mixed = attend(q, keys, values, {
      dropout,
      mode: modeOf(mode, "dropout"),
      ...(visible ? { mask: visibleKeys(visible) } : {}),
    });
    return parts.output.apply(params.output, joinHeads(mixed));
  };
  return {
    init: compose(parts, (_, x: Tensor) => x).init as CrossAttention<B>["init"],
    apply: (params, { x, memory }, mode) => recall(params, x, remember(params, memory.vectors), memory.visible, mode),
    remember,
    recall,
  };
}
