/** A language model: embedding, blocks of sublayers that see earlier positions only, and logits of the next token. */
import { z } from "zod";
import { add, arange, cast, fold, mapTree, matmul, type Tensor, type Tree, take, zeros } from "../../array/index.ts";
import { checked } from "../../data/checked.ts";
import {
  type CacheOptions,
  drop,
  type EmbeddingParams,
  embedding,
  type Initializer,
  type Layer,
  lecunNormal,
  type Mode,
  modeOf,
  newPositions,
  normalOf,
  type RotaryOptions,
  tap,
  timesWeight,
} from "../../nn/index.ts";
import {
  applyStack,
  emptyCache,
  extendStack,
  initStack,
  type NormKind,
  normOf,
  normSchema,
  type StackCache,
  type StackParams,
  stepsOf,
} from "./blocks.ts";
import { count, rate, type Surroundings } from "./family.ts";
import { type Sublayer, sublayerSchema } from "./sublayers.ts";

/** How positions enter: as rotations in attention, as learned vectors, or not at all. */
export type Positions = "rotary" | "learned" | "none";

/** A decoder in plain data, as it stands in a configuration file. */
export interface DecoderConfig {
  /** Number of tokens. */
  readonly vocabulary: number;
  /** Positions at most. */
  readonly context: number;
  /** Extent of the stream of vectors. */
  readonly width: number;
  /** The blocks, each a list of sublayers in order. */
  readonly blocks: readonly (readonly Sublayer[])[];
  /** Rotary by default. */
  readonly positions?: Positions;
  /** Layer normalization by default. */
  readonly norm?: NormKind;
  /** Norms stand before sublayers by default. */
  readonly placement?: "pre" | "post";
  /** Added to the variance, or mean square, in norms; 1e-5 by default. */
  readonly eps?: number;
  /** How positions are turned, where they are rotary; as in `rotary` by default. */
  readonly rotary?: Pick<RotaryOptions, "base" | "width" | "scaling" | "pairs">;
  /** Whether the table of embeddings also gives the logits; true by default. */
  readonly tied?: boolean;
  /** Whether a head that is not tied has a bias; false by default. */
  readonly headBias?: boolean;
  /** Extent of the embeddings, which linear maps widen and, before the logits, narrow; 0, the default, for none of that. */
  readonly embeddingWidth?: number;
  /** Share of the embeddings and of each sublayer's output that is dropped in training; 0 by default. */
  readonly dropout?: number;
}

const factor = z.number().positive();
const rotarySchema = z.strictObject({
  base: factor.optional(),
  width: count.optional(),
  pairs: z.enum(["halves", "neighbours"]).optional(),
  scaling: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("linear"), factor }),
      z.strictObject({ kind: z.literal("llama3"), factor, context: count, low: factor, high: factor }),
      z.strictObject({
        kind: z.literal("yarn"),
        factor,
        context: count,
        fast: factor,
        slow: factor,
        magnitude: factor,
        rounded: z.boolean(),
      }),
    ])
    .optional(),
});

/** Fields that every transformer has, with their defaults. */
export const modelSchema = {
  vocabulary: count,
  context: count,
  width: count,
  positions: z.enum(["rotary", "learned", "none"]).default("rotary"),
  rotary: rotarySchema.default({}),
  ...normSchema,
  dropout: rate.default(0),
};

export const decoderSchema = z.strictObject({
  ...modelSchema,
  blocks: z.array(z.array(sublayerSchema)),
  tied: z.boolean().default(true),
  headBias: z.boolean().default(false),
  embeddingWidth: z.int().min(0).default(0),
});

/**
 * Parameters of a decoder: `head` only if it is not tied, `positions` only if they are learned, `widen` and `narrow` only
 * if embeddings have an extent of their own.
 */
export type DecoderParams = StackParams & {
  readonly embedding: EmbeddingParams;
  readonly widen?: { readonly weight: Tensor };
  readonly narrow?: { readonly weight: Tensor };
  readonly positions?: EmbeddingParams;
  /** After the last block, where norms stand before sublayers. */
  readonly norm?: Tree;
  readonly head?: { readonly weight: Tensor; readonly bias?: Tensor };
};

export interface Decoder extends Layer<DecoderParams> {
  /** The configuration with its defaults filled in. */
  readonly config: Required<DecoderConfig>;
  /**
   * Vectors after the last norm: `[batch, time]` gives `[batch, time, width]`. A tap of the mode sees `embedding`, what
   * `applyStack` names, and `final`; `logits` are seen where they are computed.
   */
  hidden(params: DecoderParams, tokens: Tensor, mode?: Mode): Tensor;
  /** The last norm of a stream after a block: `[..., width]` gives the same shape, as it is where there is no last norm. */
  finish(params: DecoderParams, stream: Tensor, mode?: Mode): Tensor;
  /** Logits of vectors: `[..., width]` gives `[..., vocabulary]`. */
  logits(params: DecoderParams, hidden: Tensor, mode?: Mode): Tensor;
  /** Caches before the first position; throws one sentence if a mixer needs the whole sequence. */
  cache(options: CacheOptions): StackCache;
  /**
   * Vectors after the last norm at new tokens `[batch, new]`, and what the caches must hold of them, for `writeCache`;
   * `seen`, int32 `[batch]`, is how many positions each row has behind it.
   */
  extend(
    params: DecoderParams,
    tokens: Tensor,
    cache: StackCache,
    seen: Tensor,
    mode?: Mode,
  ): readonly [Tensor, StackCache];
}

/** The weights of a linear map start with variance 1/inputs. */
export const weightInit: Initializer = lecunNormal;

/** Weights may be kept as float16, which takes half the memory; they are computed with as float32. */
const wide = (x: Tensor): Tensor => (x.dtype === "float16" ? cast(x, "float32") : x);

/**
 * A decoder-only transformer: tokens `[batch, time]` (int32 or int64, time at most `context`) give logits
 * `[batch, time, vocabulary]` of the token after each. Throws one sentence if the configuration is wrong.
 * Source: Vaswani et al. 2017, arXiv:1706.03762; Radford et al. 2019 (GPT-2) for the order of norms.
 */
export function decoder(given: DecoderConfig): Decoder {
  const config = checked(decoderSchema, given, "decoder") as Required<DecoderConfig>;
  const { vocabulary, context, width, positions, rotary, norm, eps, placement, tied, headBias, dropout } = config;
  if (tied && headBias) throw new Error("decoder: headBias needs a head of its own; give tied: false");
  const at: Surroundings = {
    width,
    context,
    causal: true,
    init: weightInit,
    ...(positions === "rotary" ? { rotary } : {}),
  };
  const options = { norm, eps, placement, dropout };
  const steps = stepsOf(config.blocks, at, options);
  const inner = config.embeddingWidth || width;
  const table = embedding({ count: vocabulary, width: inner });
  const places = embedding({ count: context, width, init: normalOf(0.01) });
  const last = normOf(norm, width, eps);

  const embed = (params: DecoderParams, tokens: Tensor, mode: Mode | undefined, seen?: Tensor): Tensor => {
    const time = tokens.shape.at(-1) as number;
    if (tokens.rank !== 2 || time > context)
      throw new RangeError(
        `decoder: expected tokens [batch, time] with at most ${context} positions, got [${tokens.shape.join(", ")}]`,
      );
    const found = wide(table.apply(params.embedding, tokens));
    const x = params.widen ? matmul(found, wide(params.widen.weight)) : found;
    const place = params.positions
      ? add(x, wide(take(params.positions.weight, seen ? newPositions(seen, time) : arange(time, "int32"))))
      : x;
    return tap(mode, "embedding", place);
  };
  const finish = (params: DecoderParams, x: Tensor, mode?: Mode): Tensor =>
    tap(mode, "final", params.norm ? last.apply(mapTree(params.norm, wide), x) : x);
  const logits = (params: DecoderParams, h: Tensor, mode?: Mode): Tensor => {
    const { weight, bias } = params.head ?? {};
    const x = params.narrow ? matmul(h, wide(params.narrow.weight)) : h;
    const y = weight
      ? timesWeight(x, mapTree(weight, wide))
      : matmul(x, wide(params.embedding.weight), { transposeB: true });
    return tap(mode, "logits", bias ? add(y, bias) : y);
  };
  const stackOf = ({ blocks, shared }: DecoderParams): StackParams => mapTree({ blocks, shared }, wide);

  const hidden = (params: DecoderParams, tokens: Tensor, mode?: Mode): Tensor => {
    const x = drop(embed(params, tokens, mode), dropout, modeOf(mode, "embedding"));
    return finish(
      params,
      applyStack(steps, stackOf(params), x, options, mode, ({ layer }, weights, h, own) =>
        layer.apply(weights, h, own),
      ),
      mode,
    );
  };
  return {
    config,
    init: (key) => ({
      embedding: table.init(fold(key, "embedding")),
      ...(config.embeddingWidth === 0
        ? {}
        : {
            widen: { weight: weightInit(fold(key, "widen"), [inner, width], { fanIn: inner, fanOut: width }) },
            narrow: { weight: weightInit(fold(key, "narrow"), [width, inner], { fanIn: width, fanOut: inner }) },
          }),
      ...(positions === "learned" ? { positions: places.init(fold(key, "positions")) } : {}),
      ...initStack(steps, width, fold(key, "blocks")),
      ...(placement === "pre" ? { norm: last.init(fold(key, "norm")) } : {}),
      ...(tied
        ? {}
        : {
            head: {
              weight: weightInit(fold(key, "head"), [inner, vocabulary], { fanIn: inner, fanOut: vocabulary }),
              ...(headBias ? { bias: zeros([vocabulary]) } : {}),
            },
          }),
    }),
    apply: (params, tokens, mode) => logits(params, hidden(params, tokens, mode), mode),
    hidden,
    finish,
    logits,
    cache: (size) => emptyCache(steps, size),
    extend: (params, tokens, cache, seen, mode) => {
      const x = embed(params, tokens, mode, seen);
      const [y, fresh] = extendStack(steps, stackOf(params), x, options, cache, seen, undefined, mode);
      return [finish(params, y, mode), fresh];
    },
  };
}
