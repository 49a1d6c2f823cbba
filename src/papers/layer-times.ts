/** Times of layers side by side, as they would be in the middle of a model. */
import {
  add,
  bytesOf,
  compile,
  evaluate,
  flatten,
  type Key,
  mapTree,
  type Tensor,
  type Tree,
  tensor,
} from "../array/index.ts";
import type { Layer } from "../nn/index.ts";
import { type TimingOptions, timeInTurn } from "../report/index.ts";

/** Weights that a stack has at least, unless that were too many layers: more than caches hold. */
const STACK_BYTES = 2 ** 27;
const MOST_LAYERS = 8;
/** So many rows at once do so much with weights that it hardly matters where these come from: one layer is enough. */
const MANY_ROWS = 64;

/** Milliseconds a layer that each takes for rows `[rows, width]`; see `timeInTurn`. */
export type LayerTimer<K extends string> = (
  x: Tensor,
  timing: TimingOptions,
) => Promise<{ readonly [P in K]: readonly number[] }>;

/**
 * Prepares layers from `[rows, width]` to the same, with random weights, for being timed. Each is timed as a stack of
 * residual layers in one graph: rows pass the layers of a model in turn, and none finds its weights in the nearest cache,
 * where the few that one layer needs would stay from call to call. All stacks have as many layers, so many that the one
 * with the fewest weights fills caches; of many rows at once, one.
 */
export async function layerTimer<K extends string>(
  layers: { readonly [P in K]: Layer<Tree> },
  key: Key,
): Promise<LayerTimer<K>> {
  const named = Object.entries(layers) as [K, Layer<Tree>][];
  const drawn: Tree[] = [];
  // One after the other: drawing large matrices takes several times their memory.
  for (const [, layer] of named) drawn.push(await evaluate(layer.init(key)));
  const depth = Math.min(MOST_LAYERS, Math.max(1, Math.ceil(STACK_BYTES / Math.min(...drawn.map(weightBytes)))));
  const stacks = named.map(([name, layer], i) => {
    // The layers of a stack need memory of their own, not numbers of their own.
    const params = Array.from({ length: depth }, () => mapTree(drawn[i] as Tree, copied));
    const run = compile((weights: readonly Tree[], x: Tensor) =>
      weights.reduce<Tensor>((rows, own) => add(rows, layer.apply(own, rows)), x),
    );
    return [name, (x: Tensor, count: number) => run(params.slice(0, count), x)] as const;
  });
  return async (x, timing) => {
    const count = (x.shape[0] as number) < MANY_ROWS ? depth : 1;
    const calls = Object.fromEntries(stacks.map(([name, run]) => [name, () => run(x, count)]));
    const times = await timeInTurn(calls as { readonly [P in K]: () => unknown }, timing);
    const perLayer = named.map(([name]) => [name, times[name].map((ms) => ms / count)]);
    return Object.fromEntries(perLayer) as { readonly [P in K]: readonly number[] };
  };
}

const copied = ({ data, shape, dtype }: Tensor): Tensor => tensor(data.slice(), { shape, dtype });

const weightBytes = (params: Tree): number =>
  flatten(params).leaves.reduce((total, { dtype, size }) => total + size * bytesOf(dtype), 0);
