/** Splitting methods: steps of a differential equation from steps of the parts that its right side is the sum of. */

/** Moves a state by a time step: the exact flow of an equation, or a numerical method for it. */
export type Flow<S> = (state: S, step: number) => S;

const checkFlows = (name: string, flows: readonly unknown[]): void => {
  if (flows.length === 0) throw new RangeError(`${name}: expected at least one flow, got none`);
};

/**
 * Lie-Trotter splitting of `x' = F_1(x) + … + F_n(x)`: one full step of each part after the other, in this order. The
 * error of one step is of second order in the step, over a given time it is of first order. A transformer block
 * `x += attention(x); x += ffn(x)` has this form.
 * Source: Trotter 1959, "On the product of semi-groups of operators".
 */
export function lieTrotter<S>(flows: readonly Flow<S>[]): Flow<S> {
  checkFlows("lieTrotter", flows);
  return (state, step) => flows.reduce((x, flow) => flow(x, step), state);
}

/**
 * Strang-Marchuk splitting: half a step of each part but the last, a full step of the last, and the halves in reverse.
 * The error of one step is of third order, over a given time of second, if the flows of the parts are of second order
 * themselves. With the flows of a feed-forward layer and of attention it has the form of a Macaron block.
 * Source: Strang 1968, "On the construction and comparison of difference schemes".
 */
export function strang<S>(flows: readonly Flow<S>[]): Flow<S> {
  checkFlows("strang", flows);
  const outer = flows.slice(0, -1);
  const last = flows.at(-1) as Flow<S>;
  return (state, step) => {
    const before = outer.reduce((x, flow) => flow(x, step / 2), state);
    return outer.reduceRight((x, flow) => flow(x, step / 2), last(before, step));
  };
}

/** The state after `time`, in `steps` equal steps. */
export function integrate<S>(
  flow: Flow<S>,
  state: S,
  { time, steps }: { readonly time: number; readonly steps: number },
): S {
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`integrate: steps must be a whole number of at least 1, got ${steps}`);
  let x = state;
  for (let i = 0; i < steps; i++) x = flow(x, time / steps);
  return x;
}
