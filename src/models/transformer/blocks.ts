/** Stacks of blocks, each a list of sublayers on one stream of vectors. */
import { z } from "zod";
import { add, eye, fold, type Key, mapTree, matmul, mul, type Tensor, type Tree } from "../../array/index.ts";
import {
  type CacheOptions,
  drop,
  isTokenMixer,
  type Layer,
  layerNorm,
  type Mode,
  modeOf,
  rmsNorm,
  tap,
  tapsUnder,
} from "../../nn/index.ts";
import { buildMember, type Family, type Surroundings } from "./family.ts";
import { ffns } from "./ffns.ts";
import { mixers } from "./mixers.ts";
import type { Sublayer, SublayerOptions } from "./sublayers.ts";

/** Which norm, and where: before each sublayer (with one more after the last block), or after each sum. */
export const normSchema = {
  norm: z.enum(["layer", "rms"]).default("layer"),
  placement: z.enum(["pre", "post"]).default("pre"),
  eps: z.number().positive().default(1e-5),
};
export type NormKind = "layer" | "rms";

/** The norm of that kind. */
export const normOf = (kind: NormKind, width: number, eps: number): Layer<Tree> =>
  kind === "rms" ? rmsNorm({ width, eps }) : layerNorm({ width, eps });

/**
 * Parameters of one sublayer; `layer` is missing where weights are shared, `norm` where the layer has its own, `shortcut`
 * where it is not linear.
 */
export type SublayerParams = {
  readonly norm?: Tree;
  readonly layer?: Tree;
  readonly shortcut?: { readonly weight: Tensor };
};
/** Parameters of a stack: for each block its sublayers by name (`mixer`, `ffn`, `ffn2`, …), and what is shared. */
export type StackParams = {
  readonly blocks: readonly { readonly [name: string]: SublayerParams }[];
  readonly shared: { readonly [name: string]: Tree };
};

/** A built sublayer. `In` is what its layer gets: the normalized stream, and what else the model has for it. */
export interface Step<In = Tensor> {
  /** Its name within the block. */
  readonly name: string;
  readonly layer: Layer<Tree, In>;
  readonly norm: Layer<Tree> | null;
  readonly scale: number;
  readonly shared: string | undefined;
  readonly beside: boolean | "block";
  readonly hasShortcut: boolean;
}

export interface StackOptions {
  readonly norm: NormKind;
  /** Added to the variance, or mean square, in norms. */
  readonly eps: number;
  readonly placement: "pre" | "post";
  /** Share of each sublayer's output that is dropped in training. */
  readonly dropout: number;
}

/** The layer that a sublayer describes, and the name of its kind. */
export function layerOf(sublayer: Sublayer, at: Surroundings): { layer: Layer<Tree>; hasNorm: boolean; name: string } {
  const [name, family, config] =
    "mixer" in sublayer
      ? (["mixer", mixers as Family, sublayer.mixer] as const)
      : (["ffn", ffns as Family, sublayer.ffn] as const);
  return { name, ...buildMember(family, config, at) };
}

/** The sublayers of each block, built. */
export const stepsOf = (
  blocks: readonly (readonly Sublayer[])[],
  at: Surroundings,
  options: StackOptions,
): readonly (readonly Step[])[] =>
  checkedBeside(
    blocks.map((block) => nameSteps(block.map((sublayer) => stepOf(sublayer, layerOf(sublayer, at), at, options)))),
    options,
  );

/** One built sublayer, under the name of its kind. */
export const stepOf = <In>(
  { scale = 1, shared, beside = false, shortcut = "identity" }: SublayerOptions,
  { layer, hasNorm, name }: { readonly layer: Layer<Tree, In>; readonly hasNorm: boolean; readonly name: string },
  { width }: Surroundings,
  { norm, eps }: StackOptions,
): Step<In> => ({
  ...{ name, layer, scale, shared, beside },
  norm: hasNorm ? null : normOf(norm, width, eps),
  hasShortcut: shortcut === "linear",
});

/** The blocks, where those that stand beside another may do so; one sentence if one may not. */
export function checkedBeside<S extends Step<never>>(
  blocks: readonly (readonly S[])[],
  { placement }: StackOptions,
): readonly (readonly S[])[] {
  blocks.forEach((block, b) => {
    block.forEach((step, s) => {
      if (step.beside !== "block") return;
      const place = `transformer: blocks[${b}][${s}] has beside "block"`;
      if (s > 0) throw new Error(`${place}, which only the first sublayer of a block may have`);
      if (b === 0) throw new Error(`${place}, but there is no block before it`);
      if (placement === "post") throw new Error(`${place}, which needs norms before sublayers`);
      if ([...(blocks[b - 1] as readonly S[]), ...block].some(({ hasShortcut }) => hasShortcut))
        throw new Error(`${place}, which linear shortcuts in it or in the block before it rule out`);
    });
  });
  return blocks;
}

/** Names within a block are made unique: `ffn`, `ffn2`, … */
export function nameSteps<S extends Step<never>>(steps: readonly S[]): readonly S[] {
  const seen = new Map<string, number>();
  return steps.map((step) => {
    const times = (seen.get(step.name) ?? 0) + 1;
    seen.set(step.name, times);
    return times === 1 ? step : { ...step, name: `${step.name}${times}` };
  });
}

/** Weights whose outputs are added to the stream. */
const outward = /(^|\.)(down|output)(\.\w+)*\.weight$/;

/**
 * New parameters of a stack. Weights that write to the stream are made smaller by the square root of the number of
 * sublayers, so that the stream, `width` wide, does not grow with depth. Linear shortcuts start as identities. Source: Radford et al. 2019 (GPT-2), section 2.3.
 */
export function initStack(blocks: readonly (readonly Step<never>[])[], width: number, key: Key): StackParams {
  const sublayers = blocks.reduce((total, block) => total + block.length, 0);
  const smaller = (params: Tree): Tree =>
    mapTree(params, (x, path) => (outward.test(path) ? mul(x, 1 / Math.sqrt(sublayers)) : x));
  const shared: Record<string, Tree> = {};
  const shapes = new Map<string, string>();
  const made = blocks.map((block, b) =>
    Object.fromEntries(
      block.map(({ name, layer, norm, shared: group, hasShortcut }) => {
        const own = fold(fold(key, b), name);
        const params = smaller(layer.init(group === undefined ? fold(own, "layer") : fold(key, group)));
        if (group !== undefined) {
          const shape = shapeOf(params);
          if ((shapes.get(group) ?? shape) !== shape)
            throw new RangeError(`transformer: the sublayers that share "${group}" have different weights`);
          shapes.set(group, shape);
          shared[group] ??= params;
        }
        return [
          name,
          {
            ...(norm ? { norm: norm.init(fold(own, "norm")) } : {}),
            ...(group === undefined ? { layer: params } : {}),
            ...(hasShortcut ? { shortcut: { weight: eye(width) } } : {}),
          },
        ];
      }),
    ),
  );
  return { blocks: made, shared };
}

const shapeOf = (params: Tree): string => {
  const parts: string[] = [];
  mapTree(params, (x, path) => {
    parts.push(`${path}:${x.shape.join("x")}`);
    return x;
  });
  return parts.join();
};

/** Applies the layer of a sublayer, which stands at `place`, to the normalized stream. */
export type Call<In> = (
  step: Step<In>,
  params: Tree,
  h: Tensor,
  mode: Mode | undefined,
  place: { readonly block: number; readonly name: string },
) => Tensor;

/**
 * Applies a stack. `call` applies the layer of a sublayer to the normalized stream. A tap sees under
 * `blocks.<block>.<sublayer>` the `input` of its layer, what the layer names itself, and its `output`, which is added to
 * the stream; and after the block, `blocks.<block>.stream`.
 */
export function applyStack<In>(
  blocks: readonly (readonly Step<In>[])[],
  params: StackParams,
  x: Tensor,
  options: StackOptions,
  mode: Mode | undefined,
  call: Call<In>,
): Tensor {
  // What the last block that stands beside none started from.
  let start = x;
  blocks.forEach((block, b) => {
    const whole = modeOf(tapsUnder(mode, "blocks"), b);
    const besideBlock = block[0]?.beside === "block";
    if (!besideBlock) start = x;
    // The stream as this block sees it, and what a sublayer beside another reads.
    let own = start;
    let before = own;
    for (const step of block) {
      if (step.beside !== true) before = own;
      const stored = params.blocks[b]?.[step.name] ?? {};
      const weights = (step.shared === undefined ? stored.layer : params.shared[step.shared]) as Tree;
      const at = modeOf(whole, step.name);
      const pre = options.placement === "pre" && step.norm;
      const h = tap(at, "input", pre ? pre.apply(stored.norm as Tree, before) : before);
      const output = drop(
        tap(at, "output", call(step, weights, h, at, { block: b, name: step.name })),
        options.dropout,
        modeOf(at, "drop"),
      );
      const branch = step.scale === 1 ? output : mul(output, step.scale);
      x = add(step.hasShortcut ? matmul(x, stored.shortcut?.weight as Tensor) : x, branch);
      if (options.placement === "post" && step.norm) x = step.norm.apply(stored.norm as Tree, x);
      own = besideBlock ? add(own, branch) : x;
    }
    x = tap(whole, "stream", x);
  });
  return x;
}

/** Caches of the sublayers that mix positions, by block and name. */
export type StackCache = readonly { readonly [name: string]: Tree }[];

/** Caches before the first position; one sentence if a mixer cannot go on from where it stopped. */
export const emptyCache = (blocks: readonly (readonly Step<never>[])[], options: CacheOptions): StackCache =>
  blocks.map((block) =>
    Object.fromEntries(
      block.flatMap(({ name, layer }) => {
        if (!name.startsWith("mixer")) return [];
        const mixer = layer as Layer<Tree>;
        if (!isTokenMixer(mixer))
          throw new Error(`transformer: this ${name} needs the whole sequence at once and cannot be extended`);
        return [[name, mixer.cache(options)]];
      }),
    ),
  );

/**
 * Applies a stack at new positions; gives the stream, and what the caches must hold of them (see `TokenMixer.extend`).
 * `call` applies the layers that have no cache; to the normalized stream alone unless it says otherwise.
 */
export function extendStack<In = Tensor>(
  blocks: readonly (readonly Step<In>[])[],
  params: StackParams,
  x: Tensor,
  options: StackOptions,
  cache: StackCache,
  seen: Tensor,
  call: Call<In> = ({ layer }, weights, h, mode) => (layer as Layer<Tree>).apply(weights, h, mode),
  mode?: Mode,
): readonly [Tensor, StackCache] {
  const fresh: Record<string, Tree>[] = blocks.map(() => ({}));
  const y = applyStack<In>(blocks, params, x, options, mode, (step, weights, h, mode, place) => {
    const before = cache[place.block]?.[place.name];
    const layer = step.layer as Layer<Tree>;
    if (before === undefined || !isTokenMixer(layer)) return call(step, weights, h, mode, place);
    const [out, own] = layer.extend(weights, h, before, seen);
    (fresh[place.block] as Record<string, Tree>)[place.name] = own;
    return out;
  });
  return [y, fresh];
}
