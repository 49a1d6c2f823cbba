/** Attention over positions, with several heads. */
import {
  add,
  and,
  arange,
  cast,
  concat,
  div,
  expandDims,
  full,
  lessEqual,
  matmul,
  maximum,
  mul,
  relu,
  reshape,
  softmax,
  split,
  sqrt,
  sum,
  type Tensor,
  transpose,
  where,
  zeros,
} from "../array/index.ts";
import { checkCount, checkRate } from "./checks.ts";
import { drop } from "./dropout.ts";
import type { Initializer } from "./initializers.ts";
import { compose, type Mode, modeOf } from "./layer.ts";
import { type LinearParams, linear } from "./linear.ts";
import { type MaskedMixer, type TokenMixer, visibleBefore } from "./mixers/mixer.ts";
import { rmsNorm } from "./norm.ts";
import { type RotaryOptions, rotary as rotate } from "./rotary.ts";

/**
 * What makes weights of scores: `softmax`; `relu`, divided by √(n/2) of the n keys that a query sees, which gives values of
 * unit variance back with unit variance when scores are standard normal; `reluMean`, divided by n; `reluSum`, as it is.
 * Sources: Vaswani et al. 2017, arXiv:1706.03762; Shen et al. 2023, arXiv:2302.06461; Wortsman et al. 2023, arXiv:2309.08586.
 */
export type AttentionWeights = (typeof attentionWeights)[number];
export const attentionWeights = ["softmax", "relu", "reluMean", "reluSum"] as const;

export interface AttendOptions {
  /** What makes weights of scores; softmax by default. */
  readonly weights?: AttentionWeights;
  /** Positions see themselves and earlier ones only; with more keys than queries, the last query sees all. */
  readonly causal?: boolean;
  /** A bool tensor that broadcasts to `[..., heads, time, keys]`: false where a query must not see a key. */
  readonly mask?: Tensor;
  /** Share of the attention weights that are dropped in training. */
  readonly dropout?: number;
  /** Training or not, and the key of dropout. */
  readonly mode?: Mode | undefined;
}

/**
 * Scaled dot-product attention: `softmax(q·kᵀ/√width)·v` for each head.
 * `q: [..., heads, time, width]`, `k: [..., groups, keys, width]`, `v: [..., groups, keys, values]` give
 * `[..., heads, time, values]`; `groups` divides `heads`, and each key head serves `heads/groups` query heads in a row.
 * Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1; groups: Ainslie et al. 2023, arXiv:2305.13245.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  const { causal = false } = options;
  const [heads, time] = q.shape.slice(-3) as [number, number, number];
  const [groups, keys] = k.shape.slice(-3) as [number, number];
  if (q.rank < 3 || k.rank !== q.rank || v.rank !== q.rank || heads % groups !== 0 || v.shape.at(-3) !== groups) {
    throw new RangeError(
      `attend: expected q [..., heads, time, width] and k, v [..., groups, keys, width] with groups dividing heads, got ${q.shape.join("x")}, ${k.shape.join("x")} and ${v.shape.join("x")}`,
    );
  }
  if (causal && keys < time)
    throw new RangeError(`attend: causal attention needs at least as many keys as queries, got ${keys} and ${time}`);
  return attendTo(q, [{ keys: k, values: v }], options);
}

/** `attend` to several pieces of keys and values one after the other, which are not joined: that would copy them. */
function attendTo(
  q: Tensor,
  pieces: readonly AttentionCache[],
  { weights: kind = "softmax", causal = false, mask, dropout = 0, mode }: AttendOptions,
): Tensor {
  const [heads, time, width] = q.shape.slice(-3) as [number, number, number];
  const outer = q.shape.slice(0, -3);
  const groups = (pieces[0] as AttentionCache).keys.shape.at(-3) as number;
  const lengths = pieces.map(({ keys }) => keys.shape.at(-2) as number);
  // Query heads that share keys become further rows of one product, so keys are never copied.
  const rows = reshape(q, [...outer, groups, (heads / groups) * time, width]);
  const scores = pieces.map(({ keys }, i) =>
    reshape(matmul(rows, keys, { transposeB: true }), [...outer, heads, time, lengths[i] as number]),
  );
  const scaled = mul(concat(scores, { axis: -1 }), 1 / Math.sqrt(width));
  const weights = drop(
    kind === "softmax" ? softmaxWeights(scaled, causal, mask) : reluWeights(scaled, kind, causal, mask),
    dropout,
    mode,
  );
  const mixed = split(weights, { axis: -1, sizes: lengths }).map((part, i) =>
    matmul(
      reshape(part, [...outer, groups, (heads / groups) * time, lengths[i] as number]),
      (pieces[i] as AttentionCache).values,
    ),
  );
  return reshape(mixed.reduce(add), [...outer, heads, time, (mixed[0] as Tensor).shape.at(-1) as number]);
}

/** Which keys each query sees, bool and broadcast to `[..., heads, time, keys]`: no later ones, where the last query sees all. */
function seenKeys(time: number, keys: number, causal: boolean, mask: Tensor | undefined): Tensor | undefined {
  if (!causal || time === 1) return mask;
  const queries = reshape(arange({ start: keys - time, stop: keys }), [time, 1]);
  const past = lessEqual(arange(keys), queries);
  return mask ? and(mask, past) : past;
}

function softmaxWeights(scores: Tensor, causal: boolean, mask: Tensor | undefined): Tensor {
  const [time, keys] = scores.shape.slice(-2) as [number, number];
  const visible = seenKeys(time, keys, causal, mask);
  return softmax(scores, visible ? { mask: visible } : {});
}

/** Weights of keys by themselves: a query may give weight to none. */
function reluWeights(
  scores: Tensor,
  kind: Exclude<AttentionWeights, "softmax">,
  causal: boolean,
  mask: Tensor | undefined,
): Tensor {
  const [time, keys] = scores.shape.slice(-2) as [number, number];
  const visible = seenKeys(time, keys, causal, mask);
  const weights = visible ? where(visible, relu(scores), 0) : relu(scores);
  if (kind === "reluSum") return weights;
  let seen = full([time, 1], keys, scores.dtype);
  if (mask) seen = maximum(sum(cast(visible as Tensor, scores.dtype), { axis: -1, keepDims: true }), 1);
  else if (visible) seen = cast(reshape(arange({ start: keys - time + 1, stop: keys + 1 }), [time, 1]), scores.dtype);
  return div(weights, kind === "reluMean" ? seen : sqrt(mul(seen, 0.5)));
}

export interface AttentionOptions<B extends boolean = true> {
  /** Extent of the last axis of input and output. */
  readonly width: number;
  /** Number of query heads. */
  readonly heads: number;
  /** Number of key and value heads, a divisor of `heads`; `heads` by default, 1 is multi-query attention. */
  readonly kvHeads?: number;
  /** Extent of a head; `width/heads` by default. */
  readonly headWidth?: number;
  /** What makes weights of scores; softmax by default. */
  readonly weights?: AttentionWeights;
  /** Positions see themselves and earlier ones only; false by default. */
  readonly causal?: boolean;
  /** Rotates queries and keys by position, if given: `{}` for the defaults of `rotary`. */
  readonly rotary?: RotaryOptions;
  /** Share of attention weights dropped in training; 0 by default. */
  readonly dropout?: number;
  /** Whether the four projections have biases; true by default. */
  readonly bias?: B;
  /** Whether the output projection has one; as the other three by default. */
  readonly outputBias?: boolean;
  /** Normalizes queries and keys of each head by their root mean square, with learned scales; false by default. */
  readonly normalized?: boolean | { readonly eps: number };
  /** How the weights of the projections are drawn; as in `linear` by default. */
  readonly init?: Initializer;
}

/** Parameters of `multiHeadAttention`. */
export type AttentionParams<B extends boolean = true> = {
  readonly query: LinearParams<B>;
  readonly key: LinearParams<B>;
  readonly value: LinearParams<B>;
  readonly output: LinearParams<B>;
  /** Scales `[headWidth]` of queries and keys, the same for all heads, if these are normalized. */
  readonly queryNorm?: { readonly scale: Tensor };
  readonly keyNorm?: { readonly scale: Tensor };
};

/** Keys and values of the positions so far: each `[batch, kvHeads, length, headWidth]`. */
export type AttentionCache = { readonly keys: Tensor; readonly values: Tensor };

/** Attention of a sequence to itself. */
export interface SelfAttention<B extends boolean = true>
  extends TokenMixer<AttentionParams<B>, AttentionCache>,
    MaskedMixer<AttentionParams<B>> {}

/**
 * Multi-head self-attention: `y = concat_h(softmax(q_h·k_hᵀ/√headWidth)·v_h)·O`, with `q = x·Q`, `k = x·K`, `v = x·V`.
 * `x: [..., time, width]` gives the same shape; Q: `[width, heads·headWidth]`, K, V: `[width, kvHeads·headWidth]`,
 * O: `[heads·headWidth, width]`, each with a bias unless left out. With `causal`, it can be extended position by position
 * through a cache of keys and values.
 * Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2; fewer key heads: Ainslie et al. 2023, arXiv:2305.13245.
 */
export function multiHeadAttention<const B extends boolean = true>(options: AttentionOptions<B>): SelfAttention<B> {
  const {
    width,
    heads,
    kvHeads = heads,
    headWidth = width / heads,
    weights = "softmax",
    causal = false,
    rotary,
    dropout = 0,
    outputBias = options.bias,
    normalized = false,
    ...rest
  } = options;
  checkCount("multiHeadAttention", { width, heads, kvHeads });
  checkRate("multiHeadAttention", dropout);
  if (!Number.isInteger(headWidth))
    throw new RangeError(`multiHeadAttention: width ${width} cannot be cut into ${heads} equal heads; give headWidth`);
  if (heads % kvHeads !== 0)
    throw new RangeError(`multiHeadAttention: kvHeads must divide the ${heads} heads, got ${kvHeads}`);
  const inward = (count: number) => linear<B>({ inputs: width, outputs: count * headWidth, ...rest });
  const parts = {
    query: inward(heads),
    key: inward(kvHeads),
    value: inward(kvHeads),
    output: linear({
      inputs: heads * headWidth,
      outputs: width,
      ...rest,
      ...(outputBias === undefined ? {} : { bias: outputBias }),
    }),
    ...(normalized ? { queryNorm: headNorm(headWidth, normalized), keyNorm: headNorm(headWidth, normalized) } : {}),
  };
  /** Queries, keys and values of positions, the first of which is `offset`. */
  const project = (
    bound: { readonly [K in "query" | "key" | "value"]: (x: Tensor) => Tensor } & {
      readonly [K in "queryNorm" | "keyNorm"]?: (x: Tensor) => Tensor;
    },
    x: Tensor,
    offset?: Tensor,
  ) => {
    if (x.rank < 2)
      throw new RangeError(
        `multiHeadAttention: expected x of shape [..., time, ${width}], got [${x.shape.join(", ")}]`,
      );
    const turn = (h: Tensor): Tensor => (rotary ? rotate(h, { ...rotary, ...(offset ? { offset } : {}) }) : h);
    const { query, key, value, queryNorm = same, keyNorm = same } = bound;
    return [
      turn(queryNorm(splitHeads(query(x), heads))),
      turn(keyNorm(splitHeads(key(x), kvHeads))),
      splitHeads(value(x), kvHeads),
    ] as const;
  };
  const whole = compose(parts, (bound, { x, visible }: { x: Tensor; visible?: Tensor | undefined }, mode) => {
    const [q, k, v] = project(bound, x);
    const mask = visible ? { mask: visibleKeys(visible) } : {};
    return bound.output(
      joinHeads(attend(q, k, v, { weights, causal, dropout, mode: modeOf(mode, "dropout"), ...mask })),
    );
  });
  const piece = compose(parts, (bound, { x, cache, seen }: { x: Tensor; cache: AttentionCache; seen: Tensor }) => {
    const [q, keys, values] = project(bound, x, seen);
    const fresh = { keys, values };
    const length = cache.keys.shape[2] as number;
    const mixed =
      length === 0
        ? attend(q, keys, values, { weights, causal })
        : attendTo(q, [cache, fresh], {
            weights,
            mask: expandDims(visibleBefore(seen, x.shape[1] as number, length), 1),
          });
    return [bound.output(joinHeads(mixed)), fresh] as const;
  });
  return {
    init: whole.init,
    apply: (params, x, mode) => whole.apply(params, { x }, mode),
    applyVisible: (params, x, visible, mode) => whole.apply(params, { x, visible }, mode),
    cache: ({ batch, length }) => {
      const empty = zeros([batch, kvHeads, length, headWidth]);
      return { keys: empty, values: empty };
    },
    extend: (params, x, cache, seen) => {
      if (!causal) throw new Error("multiHeadAttention: only causal attention can be extended; give causal: true");
      return piece.apply(params, { x, cache, seen });
    },
  } as SelfAttention<B>;
}

/** Keys that may be seen, bool `[batch, keys]`, for all heads and queries: `[batch, 1, 1, keys]`. */
export const visibleKeys = (visible: Tensor): Tensor => expandDims(expandDims(visible, 1), 1);

const same = (x: Tensor): Tensor => x;

const headNorm = (width: number, given: true | { readonly eps: number }) =>
  rmsNorm({ width, ...(given === true ? {} : given) });

/** `[..., time, heads·width]` as `[..., heads, time, width]`. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [time, width] = x.shape.slice(-2) as [number, number];
  return swapTimeAndHeads(reshape(x, [...x.shape.slice(0, -2), time, heads, width / heads]));
}

/** `[..., heads, time, width]` as `[..., time, heads·width]`. */
export function joinHeads(x: Tensor): Tensor {
  const [heads, time, width] = x.shape.slice(-3) as [number, number, number];
  return reshape(swapTimeAndHeads(x), [...x.shape.slice(0, -3), time, heads * width]);
}

function swapTimeAndHeads(x: Tensor): Tensor {
  const outer = x.rank - 3;
  return transpose(x, [...x.shape.slice(0, outer).map((_, i) => i), outer + 1, outer, outer + 2]);
}
