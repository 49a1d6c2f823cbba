/**
 * Layers: pairs of functions that make parameters and apply them. A layer holds no state; parameters are plain trees of
 * tensors, and keys and mode are arguments.
 */
import { add, fold, type Key, type Tensor, type Tree } from "../array/index.ts";

/**
 * Sees a named activation as a layer computes it, and gives what the layer goes on with: the same to observe, another
 * tensor of its shape to intervene.
 */
export type Tap = (name: string, x: Tensor) => Tensor;

/** How a layer is applied. Without a mode, layers act as in inference. */
export interface Mode {
  /** True while training: dropout and its like act only then. */
  readonly training: boolean;
  /** Source of randomness; needed only by layers that are random in training. */
  readonly key?: Key;
  /** How far training has come, a float scalar from 0 to 1; needed only by layers that change in its course. */
  readonly progress?: Tensor;
  /** Sees what layers compute on the way, under dotted names; see `observe`. */
  readonly tap?: Tap;
}

/**
 * A function from `In` to `Out` with parameters `P`, both made from one set of hyperparameters. Its functions are declared
 * as methods, so that whoever holds layers of many kinds takes any of them, without a cast, for a `Layer<Tree>`.
 */
export interface Layer<P extends Tree, In = Tensor, Out = Tensor> {
  /** New parameters. The tensors are symbolic: `await evaluate(layer.init(key(0)))` gives their values. */
  init(key: Key): P;
  /** The output for these parameters, in inference unless `mode` says otherwise. */
  apply(params: P, x: In, mode?: Mode): Out;
}

/** Parameters of a layer that has none. */
export type NoParams = { readonly [name: string]: never };

/** Any layer at all, for constraints. */
export interface AnyLayer {
  init(key: Key): Tree;
  apply(params: never, x: never, mode?: Mode): unknown;
}

/** Any layer from tensor to tensor. */
export interface TensorLayer extends AnyLayer {
  apply(params: never, x: Tensor, mode?: Mode): Tensor;
}

/** A layer from tensor to tensor, or a plain function such as `relu`, which counts as a layer without parameters. */
export type Part = TensorLayer | ((x: Tensor) => Tensor);

/** The parameters of a layer; those of a plain function are empty. */
export type ParamsOf<L> = L extends { init(key: Key): infer P extends Tree } ? P : NoParams;

/** The function that a layer becomes once it has its parameters. */
export type Bound<L> = L extends Layer<infer _P, infer In, infer Out> ? (x: In) => Out : never;

/** A layer without parameters. */
export const stateless = <In = Tensor, Out = Tensor>(fn: (x: In, mode?: Mode) => Out): Layer<NoParams, In, Out> => ({
  init: () => ({}),
  apply: (_, x, mode) => fn(x, mode),
});

type Loose = Layer<Tree, unknown, unknown>;

const asLayer = (part: Part | AnyLayer): Loose =>
  (typeof part === "function" ? stateless((x: unknown) => part(x as Tensor)) : part) as Loose;

/** The mode of a part: its own key, folded from that of the whole by the part's name, and its name before those it taps. */
export function modeOf(mode: Mode | undefined, part: string | number): Mode | undefined {
  const own = tapsUnder(mode, part);
  return own?.key ? { ...own, key: fold(own.key, part) } : own;
}

/** The same mode, with a name before those of the activations. */
export function tapsUnder(mode: Mode | undefined, part: string | number): Mode | undefined {
  const outer = mode?.tap;
  return outer ? { ...mode, tap: (name, x) => outer(`${part}.${name}`, x) } : mode;
}

/** Shows an activation to the mode's tap, if there is one: the tensor to go on with. */
export const tap = (mode: Mode | undefined, name: string, x: Tensor): Tensor => mode?.tap?.(name, x) ?? x;

/**
 * Joins named layers into one. `forward` gets each part as a function, the input, the mode and the parameters.
 * Parameters are `{ [name]: parameters of that part }`. Keys are folded by name, in `init` and for randomness in
 * training, so adding a part does not disturb the others; a part that is called again draws anew.
 */
export function compose<L extends { readonly [name: string]: AnyLayer }, In = Tensor, Out = Tensor>(
  parts: L,
  forward: (
    parts: { readonly [K in keyof L]: Bound<L[K]> },
    x: In,
    mode: Mode | undefined,
    params: { readonly [K in keyof L]: ParamsOf<L[K]> },
  ) => Out,
): Layer<{ readonly [K in keyof L]: ParamsOf<L[K]> }, In, Out> {
  const named = Object.entries(parts).map(([name, part]) => [name, asLayer(part)] as const);
  const bind = (params: { readonly [name: string]: Tree }, mode: Mode | undefined) =>
    Object.fromEntries(
      named.map(([name, part]) => {
        let calls = 0;
        const call = (x: unknown): unknown => {
          const own = modeOf(mode, name);
          const again = calls++;
          return part.apply(params[name] as Tree, x, again === 0 ? own : modeOf(own, again));
        };
        return [name, call];
      }),
    );
  return {
    init: (key) => Object.fromEntries(named.map(([name, part]) => [name, part.init(fold(key, name))])) as never,
    apply: (params, x, mode) => forward(bind(params, mode) as never, x, mode, params),
  };
}

/** One layer after the other. Parameters are a list with an entry for each; keys are folded by position. */
export function sequential<const L extends readonly Part[]>(
  ...parts: L
): Layer<{ readonly [K in keyof L]: ParamsOf<L[K]> }> {
  const layers = parts.map(asLayer);
  return {
    init: (key) => layers.map((layer, i) => layer.init(fold(key, i))) as never,
    apply: (params, x, mode) =>
      layers.reduce(
        (h: unknown, layer, i) => layer.apply((params as readonly Tree[])[i] as Tree, h, modeOf(mode, i)),
        x,
      ) as Tensor,
  };
}

/** `x + layer(x)`, with the parameters of the layer. */
export function residual<L extends Part>(part: L): Layer<ParamsOf<L>> {
  const layer = asLayer(part);
  return {
    init: (key) => layer.init(key) as ParamsOf<L>,
    apply: (params, x, mode) => add(x, layer.apply(params, x, mode) as Tensor),
  };
}

/**
 * Named layers side by side on one input, their outputs joined: summed, unless `join` says otherwise. Parameters are
 * `{ [name]: parameters of that branch }`.
 */
export function parallel<const L extends { readonly [name: string]: Part }, Out = Tensor>(
  branches: L,
  join: (outputs: { readonly [K in keyof L]: Tensor }) => Out = sumOf as never,
): Layer<{ readonly [K in keyof L]: ParamsOf<L[K]> }, Tensor, Out> {
  const layers = Object.fromEntries(Object.entries(branches).map(([name, branch]) => [name, asLayer(branch)]));
  if (Object.keys(layers).length === 0) throw new RangeError("parallel: expected at least one branch, got none");
  return compose(layers, (parts, x: Tensor) =>
    join(
      Object.fromEntries(
        Object.entries(parts).map(([name, part]) => [name, (part as (x: unknown) => unknown)(x)]),
      ) as never,
    ),
  ) as never;
}

const sumOf = (outputs: { readonly [name: string]: Tensor }): Tensor =>
  Object.values(outputs).reduce((total, y) => add(total, y));

/** The same layer `count` times in a row, each time with parameters of its own: a list of `count` trees. */
export function repeat<P extends Tree>(layer: Layer<P>, count: number): Layer<readonly P[]> {
  if (!Number.isInteger(count) || count < 0)
    throw new RangeError(`repeat: expected a whole number of copies, got ${count}`);
  return {
    init: (key) => Array.from({ length: count }, (_, i) => layer.init(fold(key, i))),
    apply: (params, x, mode) => {
      if (params.length !== count)
        throw new RangeError(`repeat: expected parameters for ${count} copies, got ${params.length}`);
      return params.reduce((h, own, i) => layer.apply(own, h, modeOf(mode, i)), x);
    },
  };
}
