/** Gains and shifts of norms moved into the maps that read what they give, and layer norms turned into RMS norms. */
import {
  add,
  evaluate,
  matmul,
  mean,
  mul,
  ones,
  reshape,
  sub,
  swapAxes,
  type Tensor,
  type Tree,
  zeros,
} from "../array/index.ts";
import type { DecoderParams, Sublayer } from "../models/index.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { namesOf, type OwnedSublayer, placeText, putTogether, takeApart, unshared } from "./sublayers.ts";

type Affine = { readonly weight: Tensor; readonly bias?: Tensor };
type Affines = { readonly [name: string]: Affine };

/** Which maps of a layer read the stream, and which one writes to it. */
export interface StreamMaps {
  readonly inward: readonly string[];
  readonly outward: string;
}

/** The maps between a layer and the stream, by the name of their parameters; null for kinds that have no such maps. */
export function streamMaps(sublayer: Sublayer): StreamMaps | null {
  if ("mixer" in sublayer)
    return sublayer.mixer.kind === "attention" ? { inward: ["query", "key", "value"], outward: "output" } : null;
  switch (sublayer.ffn.kind) {
    case "dense":
    case "threeLayer":
    case "deep":
      return { inward: ["up"], outward: "down" };
    case "gated":
      return { inward: ["gate", "up"], outward: "down" };
    default:
      return null;
  }
}

/** The maps between a sublayer and the stream; one sentence if it has none that a change could go into. */
export function streamMapsAt(operation: string, { sublayer }: OwnedSublayer, place: string): StreamMaps {
  const maps = streamMaps(sublayer);
  if (maps) return maps;
  const kind = "mixer" in sublayer ? sublayer.mixer.kind : sublayer.ffn.kind;
  throw new Error(
    `${operation}: ${place} is of kind ${kind}; only attention and feed-forward layers of kind dense, threeLayer, deep and gated read and write the stream by plain matrices${kind === "lowRank" || kind === "blockShuffle" || kind === "blockDense" ? " (convert --with merge makes it dense)" : ""}`,
  );
}

/** The sublayer with a bias in each of its maps, of zeros where there was none; the same if it has them. */
export function withBiases(given: OwnedSublayer): OwnedSublayer {
  const { sublayer } = given;
  const filled = (maps: Affines, names: readonly string[]): Affines =>
    Object.fromEntries(
      Object.entries(maps).map(([name, { weight, bias, ...rest }]) => [
        name,
        names.includes(name)
          ? { weight, bias: bias ?? zeros([weight.shape[1] as number], weight.dtype), ...rest }
          : maps[name],
      ]),
    ) as Affines;
  const layer = given.layer as Affines;
  if ("ffn" in sublayer)
    return {
      ...given,
      sublayer: { ...sublayer, ffn: { ...sublayer.ffn, bias: true } as typeof sublayer.ffn },
      layer: filled(layer, Object.keys(layer)),
    };
  if (sublayer.mixer.kind !== "attention") return given;
  const { bias = true, outputBias = bias } = sublayer.mixer;
  return {
    ...given,
    sublayer: { ...sublayer, mixer: { ...sublayer.mixer, bias: true, outputBias } },
    layer: filled(layer, ["query", "key", "value"]),
  };
}

const isZero = (x: Tensor): boolean => Array.prototype.every.call(x.data, (v: number) => v === 0);

/**
 * The sublayer with the gain and shift of its norm in the maps behind it, `norm(x)·(diag(g)·W) + (b·W + c)`, and a norm
 * of gain 1 and shift 0: it computes the same. Biases come in where a shift needs them. Weights that it shared become its
 * own. The norm must have values.
 */
export function foldNorm(operation: string, given: OwnedSublayer, place: string): OwnedSublayer {
  const { inward } = streamMapsAt(operation, given, place);
  const norm = given.norm as { readonly scale: Tensor; readonly bias?: Tensor };
  const shift = norm.bias && !isZero(norm.bias) ? norm.bias : undefined;
  const start = shift ? withBiases(given) : given;
  const folded = ({ weight, bias }: Affine): Affine => ({
    weight: mul(weight, reshape(norm.scale, [-1, 1])),
    ...(bias ? { bias: shift ? add(bias, vectorTimes(shift, weight)) : bias } : {}),
  });
  const layer = start.layer as Affines;
  return {
    ...start,
    sublayer: unshared(start.sublayer),
    norm: plainNorm(norm),
    layer: Object.fromEntries(
      Object.entries(layer).map(([name, map]) => [name, inward.includes(name) ? folded(map) : map]),
    ) as Tree,
  };
}

const vectorTimes = (x: Tensor, weight: Tensor): Tensor => reshape(matmul(reshape(x, [1, -1]), weight), [-1]);

/** A norm with gain 1 and, if it has one, shift 0. */
const plainNorm = ({ scale, bias }: { readonly scale: Tensor; readonly bias?: Tensor }) => ({
  scale: ones(scale.shape, scale.dtype),
  ...(bias ? { bias: zeros(bias.shape, bias.dtype) } : {}),
});

/**
 * The same model with all gains and shifts of norms in the maps behind them, a head of its own, and RMS norms: a layer
 * norm is an RMS norm of a stream whose vectors have mean 0, which they have once the mean is taken off everything that
 * is written to it. Computes what the model computed. Throws one sentence for a model with norms after sublayers and for
 * layers that do not read and write the stream by plain matrices.
 * Source: Ashkboos et al. 2024 (SliceGPT), arXiv:2401.15024, section 3.
 */
export async function foldNorms(model: ConfiguredDecoder, operation = "foldNorms"): Promise<ConfiguredDecoder> {
  const { norm, placement } = { norm: "layer", placement: "pre", ...model.config };
  if (placement === "post")
    throw new Error(
      `${operation}: the model has norms after sublayers, which cannot be moved into the maps behind them`,
    );
  const centre = norm === "layer" ? centred : (x: Tensor): Tensor => x;
  const blocks = takeApart(model).map((block, b) =>
    block.map((owned, i) => {
      const place = placeText({ block: b, name: namesOf(block.map(({ sublayer }) => sublayer))[i] as string });
      const { outward } = streamMapsAt(operation, owned, place);
      if (owned.shortcut && norm === "layer")
        throw new Error(
          `${operation}: ${place} has a linear shortcut, which carries the mean of the stream that layer norms take off`,
        );
      const folded = foldNorm(operation, owned, place);
      const layer = folded.layer as Affines;
      const { weight, bias } = layer[outward] as Affine;
      return {
        ...folded,
        norm: { scale: (folded.norm as { readonly scale: Tensor }).scale },
        layer: { ...layer, [outward]: { weight: centre(weight), ...(bias ? { bias: centre(bias) } : {}) } },
      };
    }),
  );
  const { config, params } = putTogether(model, blocks);
  const last = params.norm as { readonly scale: Tensor; readonly bias?: Tensor };
  const { head, headBias } = foldedHead(params, last);
  const { norm: _, ...rest } = params;
  return {
    config: { ...config, norm: "rms", tied: false, headBias },
    params: await evaluate({
      ...rest,
      embedding: { weight: centre(params.embedding.weight) },
      ...(params.positions ? { positions: { weight: centre(params.positions.weight) } } : {}),
      norm: { scale: plainNorm(last).scale },
      head,
    } as DecoderParams),
  };
}

/** Rows, or a vector, without their mean. */
const centred = (x: Tensor): Tensor => sub(x, mean(x, { axis: -1, keepDims: true }));

/** A head that reads vectors before gain and shift of the last norm. */
function foldedHead(params: DecoderParams, { scale, bias: shift }: { readonly scale: Tensor; readonly bias?: Tensor }) {
  const weight = params.head?.weight ?? swapAxes(params.embedding.weight, 0, 1);
  const given = params.head?.bias;
  const moved = shift && !isZero(shift) ? vectorTimes(shift, weight) : undefined;
  const bias = given && moved ? add(given, moved) : (given ?? moved);
  return {
    head: { weight: mul(weight, reshape(scale, [-1, 1])), ...(bias ? { bias } : {}) },
    headBias: bias !== undefined,
  };
}
