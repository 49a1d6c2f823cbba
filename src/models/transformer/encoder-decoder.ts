/** A transformer that reads one sequence and writes another. */
import { z } from "zod";
import { add, arange, fold, matmul, notEqual, type Tensor, type Tree, take } from "../../array/index.ts";
import { checked } from "../../data/checked.ts";
import {
  type AttentionCache,
  type CacheOptions,
  type CrossAttention,
  type CrossInput,
  crossAttention,
  drop,
  type EmbeddingParams,
  embedding,
  isMaskedMixer,
  type Layer,
  type Memory,
  type Mode,
  modeOf,
  newPositions,
  normalOf,
} from "../../nn/index.ts";
import {
  applyStack,
  type Call,
  checkedBeside,
  emptyCache,
  extendStack,
  initStack,
  layerOf,
  nameSteps,
  normOf,
  type StackCache,
  type StackParams,
  type Step,
  stepOf,
  stepsOf,
} from "./blocks.ts";
import { type DecoderConfig, modelSchema, weightInit } from "./decoder.ts";
import { count, rate, type Surroundings } from "./family.ts";
import {
  formOf,
  type Sublayer,
  type SublayerOptions,
  sublayerForms,
  sublayerOptions,
  sublayerSchema,
} from "./sublayers.ts";

/** Options of attention from the written sequence to the one that was read; see `crossAttention`. */
export interface CrossConfig {
  readonly heads: number;
  /** Extent of a head; the width over the number of heads by default. */
  readonly headWidth?: number;
  /** Whether the projections have biases; true by default. */
  readonly bias?: boolean;
  /** Share of attention weights dropped in training; 0 by default. */
  readonly dropout?: number;
}

/** A sublayer of the decoder. */
export type CrossSublayer = Sublayer | (SublayerOptions & { readonly cross: CrossConfig });

/** An encoder and a decoder in plain data. Sublayers of both that share a name share their weights. */
export interface EncoderDecoderConfig extends Omit<DecoderConfig, "blocks" | "headBias" | "embeddingWidth"> {
  /** Blocks that read the source; their mixers see all of it. */
  readonly encoder: readonly (readonly Sublayer[])[];
  /** Blocks that write the target; their mixers see earlier positions only. */
  readonly decoder: readonly (readonly CrossSublayer[])[];
  /** The token that fills rows of the source and is never looked at; 0 by default. */
  readonly padding?: number;
}

const crossSchema = z.strictObject({
  heads: count,
  headWidth: count.optional(),
  bias: z.boolean().default(true),
  dropout: rate.default(0),
});

export const encoderDecoderSchema = z.strictObject({
  ...modelSchema,
  encoder: z.array(z.array(sublayerSchema)),
  decoder: z.array(
    z.array(
      formOf<CrossSublayer>({ ...sublayerForms, cross: z.strictObject({ cross: crossSchema, ...sublayerOptions }) }),
    ),
  ),
  tied: z.boolean().default(true),
  padding: z.int().min(0).default(0),
});

/** Parameters: one table of embeddings for both sequences, and what sublayers share under `shared`. */
export type EncoderDecoderParams = {
  readonly embedding: EmbeddingParams;
  /** Learned positions, the same for both sequences. */
  readonly positions?: EmbeddingParams;
  readonly encoder: StackParams["blocks"];
  readonly decoder: StackParams["blocks"];
  readonly shared: StackParams["shared"];
  /** After the last blocks, where norms stand before sublayers. */
  readonly norm?: { readonly encoder: Tree; readonly decoder: Tree };
  readonly head?: { readonly weight: Tensor };
};

/** What the decoder looks at while it writes: keys and values of the source for each cross attention, computed once. */
export interface RememberedSource {
  readonly blocks: readonly { readonly [name: string]: AttentionCache }[];
  readonly visible: Tensor;
}

/** Rows of tokens: what is read, int32 `[batch, sourceTime]`, and what has been written, int32 `[batch, time]`. */
export interface SourceAndTarget {
  readonly source: Tensor;
  readonly target: Tensor;
}

export interface EncoderDecoder extends Layer<EncoderDecoderParams, SourceAndTarget> {
  /** The configuration with its defaults filled in. */
  readonly config: Required<EncoderDecoderConfig>;
  /** Reads sources `[batch, time]`: vectors `[batch, time, width]`, and which positions are not padding. */
  encode(params: EncoderDecoderParams, source: Tensor, mode?: Mode): Required<Memory>;
  /** Vectors after the last norm for targets `[batch, time]`: `[batch, time, width]`. */
  decode(params: EncoderDecoderParams, memory: Required<Memory>, target: Tensor, mode?: Mode): Tensor;
  /** Logits of vectors: `[..., width]` gives `[..., vocabulary]`. */
  logits(params: EncoderDecoderParams, hidden: Tensor): Tensor;
  /** What `extend` needs of a source. */
  remember(params: EncoderDecoderParams, memory: Required<Memory>): RememberedSource;
  /** Caches before the first written position. */
  cache(options: CacheOptions): StackCache;
  /** `decode` at new tokens `[batch, new]`, and what the caches must hold of them; `seen`, int32 `[batch]`, as in `decoder`. */
  extend(
    params: EncoderDecoderParams,
    remembered: RememberedSource,
    tokens: Tensor,
    cache: StackCache,
    seen: Tensor,
  ): readonly [Tensor, StackCache];
}

/** What a sublayer of the decoder gets: the stream, and the source if it looks at that. */
type Either = Tensor & CrossInput;

/**
 * An encoder-decoder transformer: sources and targets (int32 or int64, at most `context` positions each) give logits
 * `[batch, time, vocabulary]` of the token after each of the target. Throws one sentence if the configuration is wrong.
 * Source: Vaswani et al. 2017, arXiv:1706.03762.
 */
export function encoderDecoder(given: EncoderDecoderConfig): EncoderDecoder {
  const config = checked(encoderDecoderSchema, given, "encoderDecoder") as Required<EncoderDecoderConfig>;
  const { vocabulary, context, width, positions, rotary, norm, eps, placement, tied, dropout, padding } = config;
  const options = { norm, eps, placement, dropout };
  const surroundings = (causal: boolean): Surroundings => ({
    width,
    context,
    causal,
    init: weightInit,
    ...(positions === "rotary" ? { rotary } : {}),
  });
  const reading = stepsOf(config.encoder, surroundings(false), options);
  for (const { name, layer } of reading.flat())
    if (name.startsWith("mixer") && !isMaskedMixer(layer))
      throw new Error(`encoderDecoder: this ${name} of the encoder cannot leave padding out; use attention`);
  const writing = checkedBeside(
    config.decoder.map((block) =>
      nameSteps(
        block.map((sublayer) => stepOf(sublayer, written(sublayer, surroundings(true)), surroundings(true), options)),
      ),
    ),
    options,
  );
  const table = embedding({ count: vocabulary, width });
  const places = embedding({ count: context, width, init: normalOf(0.01) });
  const last = normOf(norm, width, eps);

  const embed = (params: EncoderDecoderParams, tokens: Tensor, mode?: Mode, seen?: Tensor): Tensor => {
    const time = tokens.shape.at(-1) as number;
    if (tokens.rank !== 2 || time > context)
      throw new RangeError(
        `encoderDecoder: expected tokens [batch, time] with at most ${context} positions, got [${tokens.shape.join(", ")}]`,
      );
    const x = table.apply(params.embedding, tokens);
    const place = params.positions
      ? add(x, take(params.positions.weight, seen ? newPositions(seen, time) : arange(time, "int32")))
      : x;
    return drop(place, dropout, modeOf(mode, "embedding"));
  };
  const finish = (params: EncoderDecoderParams, stack: "encoder" | "decoder", x: Tensor): Tensor =>
    params.norm ? last.apply(params.norm[stack], x) : x;
  const stackOf = (params: EncoderDecoderParams, stack: "encoder" | "decoder"): StackParams => ({
    blocks: params[stack],
    shared: params.shared,
  });
  const logits: EncoderDecoder["logits"] = (params, h) =>
    params.head ? matmul(h, params.head.weight) : matmul(h, params.embedding.weight, { transposeB: true });

  const encode: EncoderDecoder["encode"] = (params, source, mode) => {
    const visible = notEqual(source, padding);
    const own = modeOf(mode, "encoder");
    const vectors = applyStack(
      reading,
      stackOf(params, "encoder"),
      embed(params, source, own),
      options,
      own,
      ({ layer, name }, weights, h, at) =>
        name.startsWith("mixer") && isMaskedMixer(layer)
          ? layer.applyVisible(weights, h, visible, at)
          : layer.apply(weights, h, at),
    );
    return { vectors: finish(params, "encoder", vectors), visible };
  };
  const decode: EncoderDecoder["decode"] = (params, memory, target, mode) => {
    const own = modeOf(mode, "decoder");
    const call: Call<Either> = ({ layer }, weights, h, at) =>
      layer.apply(weights, (isCross(layer) ? { x: h, memory } : h) as Either, at);
    const x = applyStack(writing, stackOf(params, "decoder"), embed(params, target, own), options, own, call);
    return finish(params, "decoder", x);
  };
  return {
    config,
    init: (key) => {
      const { blocks, shared } = initStack([...reading, ...writing], width, fold(key, "blocks"));
      return {
        embedding: table.init(fold(key, "embedding")),
        ...(positions === "learned" ? { positions: places.init(fold(key, "positions")) } : {}),
        encoder: blocks.slice(0, reading.length),
        decoder: blocks.slice(reading.length),
        shared,
        ...(placement === "pre"
          ? { norm: { encoder: last.init(fold(key, "encoder norm")), decoder: last.init(fold(key, "decoder norm")) } }
          : {}),
        ...(tied
          ? {}
          : {
              head: {
                weight: weightInit(fold(key, "head"), [width, vocabulary], { fanIn: width, fanOut: vocabulary }),
              },
            }),
      };
    },
    apply: (params, { source, target }, mode) =>
      logits(params, decode(params, encode(params, source, mode), target, mode)),
    encode,
    decode,
    logits,
    remember: (params, { vectors, visible }) => ({
      visible,
      blocks: writing.map((block, b) =>
        Object.fromEntries(
          block.flatMap(({ name, layer, shared }) => {
            if (!isCross(layer)) return [];
            const weights = shared === undefined ? params.decoder[b]?.[name]?.layer : params.shared[shared];
            return [[name, layer.remember(weights as never, vectors)]];
          }),
        ),
      ),
    }),
    cache: (size) => emptyCache(writing, size),
    extend: (params, { blocks, visible }, tokens, cache, seen) => {
      const call: Call<Either> = ({ layer }, weights, h, at, { block, name }) =>
        isCross(layer)
          ? layer.recall(weights as never, h, blocks[block]?.[name] as AttentionCache, visible, at)
          : layer.apply(weights, h as Either, at);
      const x = embed(params, tokens, undefined, seen);
      const [y, fresh] = extendStack(writing, stackOf(params, "decoder"), x, options, cache, seen, call);
      return [finish(params, "decoder", y), fresh];
    },
  };
}

/** The layer of a sublayer of the decoder. */
function written(sublayer: CrossSublayer, at: Surroundings): Parameters<typeof stepOf<Either>>[1] {
  if (!("cross" in sublayer)) return layerOf(sublayer, at) as never;
  const { width, init } = at;
  return { layer: crossAttention({ width, init, ...sublayer.cross }) as never, hasNorm: false, name: "cross" };
}

const isCross = (layer: Step<Either>["layer"]): layer is Step<Either>["layer"] & CrossAttention => "recall" in layer;
