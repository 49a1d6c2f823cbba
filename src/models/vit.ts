/** Vision transformers: images as sequences of patches. */
import { z } from "zod";
import {
  add,
  broadcastTo,
  concat,
  fold,
  mean,
  mul,
  reshape,
  slice,
  type Tensor,
  type Tree,
  transpose,
} from "../array/index.ts";
import { checked } from "../data/checked.ts";
import { drop, type Layer, type LinearParams, linear, type Mode, modeOf, normalOf, tap } from "../nn/index.ts";
import { applyStack, initStack, normOf, normSchema, type StackParams, stepsOf } from "./transformer/blocks.ts";
import { weightInit } from "./transformer/decoder.ts";
import { count, rate } from "./transformer/family.ts";
import { type Sublayer, sublayerSchema } from "./transformer/sublayers.ts";

/** A vision transformer in plain data. */
export interface VitConfig {
  /** Height and width of images, whole numbers of patches. */
  readonly image: readonly [height: number, width: number];
  /** Side of a patch. */
  readonly patch: number;
  /** Channels of an image; 3 by default. */
  readonly channels?: number;
  /** Extent of the stream of vectors. */
  readonly width: number;
  /** The blocks, each a list of sublayers in order. */
  readonly blocks: readonly (readonly Sublayer[])[];
  /** Number of classes. */
  readonly classes: number;
  /** What the logits are read from: a class token (the default), or the mean over patches, without such a token. */
  readonly pooling?: "class" | "mean";
  /**
   * Whether a token of distillation follows the class token (DeiT): `none`, the default; `token`, which no head reads; or
   * `head`, with a head of its own, whose logits are averaged with those of the other.
   */
  readonly distillation?: "none" | "token" | "head";
  /** Layer normalization by default. */
  readonly norm?: "layer" | "rms";
  /** Norms stand before sublayers by default. */
  readonly placement?: "pre" | "post";
  /** Added to the variance in norms; 1e-5 by default. */
  readonly eps?: number;
  /** Share of the embeddings and of each sublayer's output that is dropped in training; 0 by default. */
  readonly dropout?: number;
}

export const vitSchema = z
  .strictObject({
    image: z.tuple([count, count]),
    patch: count,
    channels: count.default(3),
    width: count,
    blocks: z.array(z.array(sublayerSchema)),
    classes: count,
    pooling: z.enum(["class", "mean"]).default("class"),
    distillation: z.enum(["none", "token", "head"]).default("none"),
    ...normSchema,
    dropout: rate.default(0),
  })
  .refine(({ image, patch }) => image.every((side) => side % patch === 0), {
    path: ["patch"],
    error: "patches must tile the image",
  })
  .refine(({ pooling, distillation }) => pooling === "class" || distillation === "none", {
    path: ["distillation"],
    error: "a token of distillation stands beside a class token; give pooling: class",
  });

/** Parameters of a vision transformer. */
export type VitParams = StackParams & {
  /** From a patch's numbers, channel by channel, to a vector. */
  readonly patches: LinearParams;
  /** Learned vectors before those of the patches: `[1, width]`. */
  readonly classToken?: Tensor;
  readonly distilledToken?: Tensor;
  /** `[tokens + patches, width]`. */
  readonly positions: Tensor;
  readonly norm?: Tree;
  readonly head: LinearParams;
  readonly distilledHead?: LinearParams;
};

export interface Vit extends Layer<VitParams> {
  /** The configuration with its defaults filled in. */
  readonly config: Required<VitConfig>;
  /** Vectors of tokens and patches after the last norm: `[batch, channels, height, width]` gives `[batch, tokens, width]`. */
  hidden(params: VitParams, images: Tensor, mode?: Mode): Tensor;
}

/** Cuts images `[batch, channels, height, width]` into patches `[batch, patches, channels·patch·patch]`, row by row. */
export function imagePatches(images: Tensor, patch: number): Tensor {
  const [batch, channels, height, width] = images.shape as [number, number, number, number];
  const [rows, columns] = [height / patch, width / patch];
  const cut = transpose(reshape(images, [batch, channels, rows, patch, columns, patch]), [0, 2, 4, 1, 3, 5]);
  return reshape(cut, [batch, rows * columns, channels * patch * patch]);
}

/**
 * A vision transformer: images `[batch, channels, height, width]` give logits `[batch, classes]`. Throws one sentence if the
 * configuration is wrong. Sources: Dosovitskiy et al. 2021, arXiv:2010.11929; with distillation: Touvron et al. 2021
 * (DeiT), arXiv:2012.12877.
 */
export function vit(given: VitConfig): Vit {
  const config = checked(vitSchema, given, "vit") as Required<VitConfig>;
  const { image, patch, channels, width, classes, pooling, distillation, norm, placement, eps, dropout } = config;
  const extra = (pooling === "class" ? 1 : 0) + (distillation === "none" ? 0 : 1);
  const positions = (image[0] / patch) * (image[1] / patch) + extra;
  const options = { norm, eps, placement, dropout };
  const steps = stepsOf(config.blocks, { width, context: positions, causal: false, init: weightInit }, options);
  const embed = linear({ inputs: channels * patch * patch, outputs: width });
  const head = linear({ inputs: width, outputs: classes });
  const last = normOf(norm, width, eps);
  const small = normalOf(0.02);
  const fans = { fanIn: width, fanOut: width };

  const hidden = (params: VitParams, images: Tensor, mode?: Mode): Tensor => {
    const shape = [channels, ...image];
    if (images.rank !== 4 || images.shape.slice(1).join() !== shape.join())
      throw new RangeError(
        `vit: expected images [batch, ${shape.join(", ")}], got [${images.shape.join(", ")}]; resize them first`,
      );
    const patches = embed.apply(params.patches, imagePatches(images, patch));
    const tokens = [params.classToken, params.distilledToken]
      .filter((token) => token !== undefined)
      .map((token) => broadcastTo(token, [images.shape[0] as number, 1, width]));
    const x = add(concat([...tokens, patches], { axis: 1 }), params.positions);
    const start = drop(tap(mode, "embedding", x), dropout, modeOf(mode, "embedding"));
    const y = applyStack(steps, params, start, options, mode, ({ layer }, weights, h, own) =>
      layer.apply(weights, h, own),
    );
    return tap(mode, "final", params.norm ? last.apply(params.norm, y) : y);
  };
  return {
    config,
    init: (key) => ({
      patches: embed.init(fold(key, "patches")),
      ...(pooling === "class" ? { classToken: small(fold(key, "classToken"), [1, width], fans) } : {}),
      ...(distillation === "none" ? {} : { distilledToken: small(fold(key, "distilledToken"), [1, width], fans) }),
      positions: small(fold(key, "positions"), [positions, width], fans),
      ...initStack(steps, width, fold(key, "blocks")),
      ...(placement === "pre" ? { norm: last.init(fold(key, "norm")) } : {}),
      head: head.init(fold(key, "head")),
      ...(distillation === "head" ? { distilledHead: head.init(fold(key, "distilledHead")) } : {}),
    }),
    apply: (params, images, mode) => {
      const y = hidden(params, images, mode);
      const token = (i: number): Tensor =>
        reshape(slice(y, { starts: [i], stops: [i + 1], axes: [1] }), [images.shape[0] as number, width]);
      const logits = head.apply(params.head, pooling === "mean" ? mean(y, { axis: 1 }) : token(0));
      return params.distilledHead ? mul(add(logits, head.apply(params.distilledHead, token(1))), 0.5) : logits;
    },
    hidden,
  };
}
