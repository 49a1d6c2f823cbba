/** What an optimizer is, and parts that all of them share. */
import { cast, type Tensor, type Tree } from "../array/index.ts";
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
