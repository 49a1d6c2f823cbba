/** Schedules: learning rates as functions of the step, traced into the graph of the training step. */
import {
  add,
  cast,
  cos,
  div,
  exp,
  floor,
  less,
  maximum,
  minimum,
  mul,
  pow,
  sub,
  type Tensor,
  where,
} from "../array/index.ts";

/** The learning rate (float32 scalar) at a step (integer scalar, from 0). */
export type Schedule = (step: Tensor) => Tensor;

const float = (step: Tensor): Tensor => cast(step, "float32");

/** How far a step is between 0 and `steps`: from 0 to 1, and 1 ever after. */
const progress = (step: Tensor, steps: number): Tensor => minimum(div(float(step), steps), 1);

/** The same rate at every step. */
export const constant =
  (rate: number): Schedule =>
  (step) =>
    add(mul(float(step), 0), rate);

/** The way of a rate over the first `steps` steps. */
export interface DecayOptions {
  readonly from: number;
  /** 0 by default. */
  readonly to?: number;
  readonly steps: number;
}

/** A straight line from `from` at step 0 to `to` (0 by default) at step `steps`, where it stays. */
export function linearSchedule({ from, to = 0, steps }: DecayOptions): Schedule {
  checkSteps("linearSchedule", steps);
  return (step) => add(mul(progress(step, steps), to - from), from);
}

/**
 * Half a wave of a cosine from `from` at step 0 to `to` (0 by default) at step `steps`, where it stays:
 * `to + (from - to)·(1 + cos(π·step/steps))/2`. Source: Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts.
 */
export function cosine({ from, to = 0, steps }: DecayOptions): Schedule {
  checkSteps("cosine", steps);
  return (step) => add(mul(add(cos(mul(progress(step, steps), Math.PI)), 1), (from - to) / 2), to);
}

/** `from·factor^⌊step/every⌋`: the rate falls by a factor each `every` steps. */
export function stepwise({
  from,
  factor,
  every,
}: {
  readonly from: number;
  readonly factor: number;
  readonly every: number;
}): Schedule {
  checkSteps("stepwise", every);
  return (step) => mul(pow(factor, floor(div(float(step), every))), from);
}

/**
 * Grows in a straight line over the first `steps` steps to the rate with which `after` begins, then follows `after`,
 * which counts its steps from there. Step 0 has the rate `after(0)/steps`, so that no step is without effect.
 */
export function warmup(steps: number, after: Schedule): Schedule {
  checkSteps("warmup", steps);
  return (step) => {
    const rest = after(maximum(sub(step, steps), 0));
    return mul(rest, minimum(div(add(float(step), 1), steps), 1));
  };
}

/**
 * A constant factor from step to step, from `from` at step 0 to `to` at step `steps`, where it stays. Both are above 0.
 */
export function geometric({ from, to, steps }: Required<DecayOptions>): Schedule {
  checkSteps("geometric", steps);
  if (!(from > 0 && to > 0)) throw new RangeError(`geometric: expected from and to above 0, got ${from} and ${to}`);
  return (step) => mul(exp(mul(progress(step, steps), Math.log(to / from))), from);
}

/**
 * Schedules one after the other, each over so many steps, each counting its steps from its own start. The last one goes
 * on after its end. Not only for learning rates: a weight of a loss may follow one, too.
 */
export function phases(...parts: readonly (readonly [steps: number, schedule: Schedule])[]): Schedule {
  if (parts.length === 0) throw new RangeError("phases: expected at least one phase");
  for (const [steps] of parts) checkSteps("phases", steps);
  return (step) => {
    const from = (index: number, start: number): Tensor => {
      const [steps, schedule] = parts[index] as readonly [number, Schedule];
      const value = schedule(maximum(sub(step, start), 0));
      const end = start + steps;
      return index + 1 === parts.length ? value : where(less(step, end), value, from(index + 1, end));
    };
    return from(0, 0);
  };
}

function checkSteps(schedule: string, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`${schedule}: expected a whole number of at least 1 steps, got ${steps}`);
}
