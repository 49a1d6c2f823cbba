/** What an optimizer is, and parts that all of them share. */
import { cast, concat, reshape, split, type Tensor, type Tree } from "../array/index.ts";
import type { Schedule } from "./schedules.ts";

/**
 * A rule that turns gradients into new parameters. `State` is a tree of tensors, made from the parameters and carried
 * from step to step. Both functions are traced, so an update is part of the graph of its training step.
 */
export interface Optimizer<State extends Tree = Tree> {
  /** The state before the first step. */
  init(params: Tree): State;
  /** New parameters and state. `step` is an int32 scalar that counts from 0. */
  update<P extends Tree>(
    gradients: P,
    state: State,
    params: P,
    step: Tensor,
  ): { readonly params: P; readonly state: State };
}

/** A learning rate: fixed, or a function of the step. */
export type Rate = number | Schedule;

/** The learning rate at a step. */
export const rateAt = (rate: Rate, step: Tensor): Tensor | number =>
  typeof rate === "number" ? rate : cast(rate(step), "float32");

/** Throws unless each option is a finite number within its bounds. */
export function checkOptions(
  optimizer: string,
  options: { readonly [name: string]: readonly [value: number, below: number] },
): void {
  for (const [name, [value, below]] of Object.entries(options)) {
    if (!(value >= 0 && value < below)) {
      const bound = below === Number.POSITIVE_INFINITY ? "" : ` and below ${below}`;
      throw new RangeError(`${optimizer}: ${name} must be a number of at least 0${bound}, got ${value}`);
    }
  }
}

/** Of up to so many elements, copying a gradient and a parameter takes less time than ten operators more. */
const SMALL = 16_384;

/**
 * An elementwise update of many parameters. `columns` are lists of one tensor for each parameter (its value, its gradient, its
 * state), `update` computes new ones from those of one parameter, the i-th. Parameters of up to 16,384 elements that have
 * one type and one `kind` are updated as one vector: the numbers are the same, with far fewer operators. A list of the results
 * for each thing that is computed; of no parameters, none.
 */
export function updateEach<C extends readonly (readonly Tensor[])[], R extends readonly Tensor[]>(
  columns: C,
  kind: (i: number) => unknown,
  update: (parts: { readonly [K in keyof C]: Tensor }, i: number) => R,
): { readonly [K in keyof R]?: readonly Tensor[] } {
  const first = columns[0] as readonly Tensor[];
  const groups = new Map<unknown, number[]>();
  first.forEach(({ size, dtype }, i) => {
    const key = size > SMALL ? i : `${dtype} ${kind(i)}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const updated: Tensor[][] = [];
  for (const members of groups.values()) {
    const likes = members.map((i) => first[i] as Tensor);
    const single = members.length === 1;
    const join = (column: readonly Tensor[]): Tensor => {
      const parts = members.map((i) => column[i] as Tensor);
      return single ? (parts[0] as Tensor) : concat(parts.map((x) => reshape(x, [-1])));
    };
    const results = update(columns.map(join) as { readonly [K in keyof C]: Tensor }, members[0] as number);
    for (const [k, result] of results.entries()) {
      const parts = single ? [result] : split(result, { sizes: likes.map(({ size }) => size) });
      updated[k] ??= [];
      for (const [j, i] of members.entries()) updated[k][i] = reshape(parts[j] as Tensor, (likes[j] as Tensor).shape);
    }
  }
  return updated as { [K in keyof R]: Tensor[] };
}
