/** A decoder with its stream of vectors in other bases, of fewer dimensions where they have fewer vectors. */
import { cast, type DType, evaluate, full, matmul, reshape, type Tensor, type Tree, tensor } from "../array/index.ts";
import { type DecoderConfig, decoder, type Sublayer } from "../models/index.ts";
import { streamMapsAt } from "./fold-norms.ts";
import type { ConfiguredDecoder } from "./replace.ts";
import { namesOf, type OwnedSublayer, placeText, putTogether, takeApart, unshared } from "./sublayers.ts";

/** Orthonormal vectors that the stream is written in at one place. */
export interface Basis {
  /** Dimensions of the stream. */
  readonly width: number;
  /** Number of vectors, at most `width`. */
  readonly kept: number;
  /** Each column a vector: `[width, kept]`, row by row. */
  readonly matrix: Float64Array;
}

/** How far from 1 and 0 the products of two vectors of a basis may be. */
const ORTHONORMAL = 1e-5;

/** Throws one sentence if the vectors are not orthonormal, or not of this width. */
export function checkBasis(operation: string, { width, kept, matrix }: Basis, streamWidth = width): void {
  if (width !== streamWidth || matrix.length !== width * kept || kept < 1 || kept > width)
    throw new RangeError(
      `${operation}: expected bases of 1 to ${streamWidth} vectors of ${streamWidth} numbers, got ${kept} of ${width} in ${matrix.length} numbers`,
    );
  for (let a = 0; a < kept; a++)
    for (let b = a; b < kept; b++) {
      let product = 0;
      for (let i = 0; i < width; i++) product += (matrix[i * kept + a] as number) * (matrix[i * kept + b] as number);
      if (!(Math.abs(product - (a === b ? 1 : 0)) <= ORTHONORMAL))
        throw new RangeError(
          `${operation}: the basis is not orthonormal: the product of vectors ${a} and ${b} is ${product}, expected ${a === b ? 1 : 0}`,
        );
    }
}

/**
 * Groups of sublayers that read the stream at one place: the first of a block or one that reads what others made, with
 * those beside it. A list for each block.
 */
export const readingGroups = (
  blocks: readonly (readonly OwnedSublayer[])[],
): readonly (readonly (readonly OwnedSublayer[])[])[] =>
  blocks.map((block) => {
    const groups: OwnedSublayer[][] = [];
    for (const owned of block) {
      if (groups.length > 0 && owned.sublayer.beside === true) (groups.at(-1) as OwnedSublayer[]).push(owned);
      else groups.push([owned]);
    }
    return groups;
  });

/**
 * The model with its stream in the basis `bases[g]` where the group g of sublayers reads it, and in the last one before
 * the head. Maps that read the stream become `Qᵀ·W`, those that write it `W·Q` with the basis of the next place, and
 * where the basis changes the shortcut gets the matrix `Qᵀ·Q'`. With as many vectors as the stream is wide it computes
 * what it computed; with fewer, what they do not span is lost. Norms go on dividing by the original width: its ratio to
 * the new one stands in their gains and in `eps`. The model must be as `foldNorms` leaves it. Throws one sentence for
 * bases that are not orthonormal or do not fit.
 * Source: Ashkboos et al. 2024 (SliceGPT), arXiv:2401.15024.
 */
export async function rotateStream(model: ConfiguredDecoder, bases: readonly Basis[]): Promise<ConfiguredDecoder> {
  const { width } = model.config;
  const groups = readingGroups(takeApart(model));
  checkRotatable(model, bases, groups.flat().length + 1);
  const [first, last] = [bases[0] as Basis, bases.at(-1) as Basis];
  const { kept } = first;
  const change = changeOfBasis(model.params.embedding.weight.dtype);
  const gain = { scale: full([kept], Math.sqrt(width / kept), model.params.embedding.weight.dtype) };
  const turned: OwnedSublayer[][] = [];
  let g = 0;
  for (const [b, block] of groups.entries()) {
    const made: OwnedSublayer[] = [];
    const names = namesOf(block.flat().map(({ sublayer }) => sublayer));
    for (const group of block) {
      const [here, next] = [bases[g] as Basis, bases[g + 1] as Basis];
      for (const owned of group) {
        const place = placeText({ block: b, name: names[made.length] as string });
        const after = rotatedSublayer(owned, { here, next, first: owned === group[0], change, place });
        // One at a time: all weights at once would stand in memory twice.
        made.push((await evaluate({ ...after, norm: gain } as never)) as OwnedSublayer);
      }
      g++;
    }
    turned.push(made);
  }
  const { config, params } = putTogether(model, turned);
  const after: DecoderConfig = { ...config, width: kept, eps: ((config.eps ?? 1e-5) * width) / kept };
  const outside = await evaluate({
    embedding: { weight: change.outOf(params.embedding.weight, first) },
    ...(params.positions ? { positions: { weight: change.outOf(params.positions.weight, first) } } : {}),
    norm: gain,
    head: { ...params.head, weight: change.into(last, params.head?.weight as Tensor) },
  });
  return { config: decoder(after).config, params: { ...params, ...outside } };
}

/** Products with bases, in double precision: many in a row lose nothing that the weights keep. */
interface ChangeOfBasis {
  /** `Qᵀ·W` */
  into(basis: Basis, weight: Tensor): Tensor;
  /** `W·Q`; a vector counts as a row. */
  outOf(weight: Tensor, basis: Basis): Tensor;
  /** `Qᵀ·Q'` */
  between(from: Basis, to: Basis): Tensor;
}

function changeOfBasis(dtype: DType): ChangeOfBasis {
  const tensors = new Map<Basis, Tensor>();
  const of = (basis: Basis): Tensor => {
    const made = tensors.get(basis) ?? tensor(basis.matrix, { shape: [basis.width, basis.kept] });
    tensors.set(basis, made);
    return made;
  };
  const into = (basis: Basis, weight: Tensor): Tensor =>
    cast(matmul(of(basis), cast(weight, "float64"), { transposeA: true }), dtype);
  return {
    into,
    outOf: (x, basis) => {
      const rows = cast(x.rank === 1 ? reshape(x, [1, -1]) : x, "float64");
      const y = cast(matmul(rows, of(basis)), dtype);
      return x.rank === 1 ? reshape(y, [-1]) : y;
    },
    between: (from, to) => into(from, of(to)),
  };
}

/** A sublayer between two bases; the first of its group carries the stream from one to the other. */
function rotatedSublayer(
  owned: OwnedSublayer,
  {
    here,
    next,
    first,
    change,
    place,
  }: {
    readonly here: Basis;
    readonly next: Basis;
    readonly first: boolean;
    readonly change: ChangeOfBasis;
    readonly place: string;
  },
): OwnedSublayer {
  const { inward, outward } = streamMapsAt("rotateStream", owned, place);
  const maps = owned.layer as Readonly<Record<string, { readonly weight: Tensor; readonly bias?: Tensor }>>;
  const layer = Object.entries(maps).map(([name, map]) => {
    const { weight, bias } = map;
    if (inward.includes(name)) return [name, { ...map, weight: change.into(here, weight) }];
    if (name !== outward) return [name, map];
    return [name, { weight: change.outOf(weight, next), ...(bias ? { bias: change.outOf(bias, next) } : {}) }];
  });
  // Those beside the first add to a stream that is in the next basis already.
  const from = first ? here : next;
  const shortcut = owned.shortcut
    ? change.outOf(change.into(from, owned.shortcut.weight), next)
    : from === next
      ? undefined
      : change.between(from, next);
  return {
    sublayer: withHeadWidth(owned.sublayer, here.width, shortcut !== undefined),
    layer: Object.fromEntries(layer) as Tree,
    ...(shortcut ? { shortcut: { weight: shortcut } } : {}),
  };
}

function checkRotatable({ config, params }: ConfiguredDecoder, bases: readonly Basis[], count: number): void {
  const { norm = "layer", placement = "pre" } = config;
  if (norm !== "rms" || placement !== "pre" || !params.head)
    throw new Error(
      "rotateStream: expected a model with RMS norms before sublayers, gains of 1 and a head of its own, as foldNorms makes it",
    );
  if (config.blocks.some((block) => block[0]?.beside === "block"))
    throw new Error(
      "rotateStream: the model has whole blocks side by side, which start from another place of the stream",
    );
  if (bases.length !== count)
    throw new RangeError(
      `rotateStream: expected ${count} bases, one for each place that reads the stream and one before the head, got ${bases.length}`,
    );
  const kept = bases[0]?.kept;
  for (const basis of new Set(bases)) {
    checkBasis("rotateStream", basis, config.width);
    if (basis.kept !== kept)
      throw new RangeError(`rotateStream: all bases must have as many vectors, got ${kept} and ${basis.kept}`);
  }
}

/** The sublayer with the number of dimensions of a head written down, which was the stream's share. */
function withHeadWidth(given: Sublayer, width: number, linear: boolean): Sublayer {
  const { shortcut: _, ...sublayer } = unshared(given) as Sublayer & { readonly shortcut?: unknown };
  const common = linear ? { shortcut: "linear" as const } : {};
  if (!("mixer" in sublayer) || sublayer.mixer.kind !== "attention") return { ...sublayer, ...common } as Sublayer;
  const { heads, headWidth = width / heads } = sublayer.mixer;
  return { ...sublayer, mixer: { ...sublayer.mixer, headWidth }, ...common } as Sublayer;
}
