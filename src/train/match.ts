/** Models of equal cost: the whole number of a free option at which a count of parameters or operations meets a target. */

export interface MatchOptions {
  /** The number to meet, such as parameters or operations for one token. */
  readonly target: number;
  /** The count at a value of the free option; it must not fall as the option grows. */
  readonly count: (value: number) => number;
  /** Values are multiples of this, such as the number of heads for a width; 1 by default. */
  readonly step?: number;
  /** Smallest value; `step` by default. It is a multiple of the step. */
  readonly from?: number;
  /** How far the count may lie from the target, as a share of it; 0.05 by default. */
  readonly within?: number;
  /** What the free option is called in errors; `width` by default. */
  readonly name?: string;
}

/** The value that meets a target best. */
export interface Match {
  readonly value: number;
  /** The count at that value. */
  readonly count: number;
  /** Share of the target by which the count is above it; below it if negative. */
  readonly miss: number;
}

/** No sensible option is as large; it bounds the search where a count does not grow. */
const LARGEST = 2 ** 31;

/**
 * The value of a free option, usually a width or a number of hidden units, at which `count` comes nearest to `target`.
 * Among the multiples of `step` it is found by bisection, so `count` is called a few dozen times at most. Where two
 * values are as near, it is the smaller. Throws one sentence if no value comes close enough, with the values that come
 * nearest and what they cost.
 *
 * `count: (width) => parameterCount(decoder(configOf(width)).init(key(0)))` counts parameters and computes nothing.
 */
export function matchBudget({ target, count, within = 0.05, name = "width", ...options }: MatchOptions): Match {
  const { step = 1, from = step } = options;
  for (const [option, value] of Object.entries({ step, from }))
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`matchBudget: ${option} must be a whole number of at least 1, got ${value}`);
  if (from % step !== 0) throw new RangeError(`matchBudget: from must be a multiple of the step ${step}, got ${from}`);
  if (!(target > 0 && Number.isFinite(target)))
    throw new RangeError(`matchBudget: target must be a positive number, got ${target}`);
  const known = new Map<number, number>();
  const at = (value: number): number => {
    let result = known.get(value);
    if (result === undefined) {
      result = count(value);
      if (!Number.isFinite(result)) throw new RangeError(`matchBudget: the count at ${name} ${value} is ${result}`);
      known.set(value, result);
    }
    return result;
  };
  const matchAt = (value: number): Match => ({ value, count: at(value), miss: at(value) / target - 1 });
  const fits = ({ miss }: Match): boolean => Math.abs(miss) <= within;

  if (at(from) >= target) {
    const smallest = matchAt(from);
    if (fits(smallest)) return smallest;
    throw new RangeError(
      `matchBudget: no ${name} meets the budget of ${target}: the smallest, ${from}, already costs ${at(from)}`,
    );
  }
  // The count is below the target at `low`, and not below it at `high`; both are multiples of the step.
  let low = from;
  let high = 2 * from;
  while (at(high) < target) {
    [low, high] = [high, 2 * high];
    if (high > LARGEST)
      throw new RangeError(
        `matchBudget: no ${name} meets the budget of ${target}: at ${low} the cost is only ${at(low)}`,
      );
  }
  while (high - low > step) {
    const middle = low + Math.floor((high - low) / step / 2) * step;
    if (at(middle) < target) low = middle;
    else high = middle;
  }
  const [below, above] = [matchAt(low), matchAt(high)];
  // Of counts, not of shares: two that are as near differ in their shares by rounding.
  const best = above.count - target < target - below.count ? above : below;
  if (fits(best)) return best;
  throw new RangeError(
    `matchBudget: no ${name} meets the budget of ${target} within ${100 * within} %: ${name} ${low} costs ${at(low)} and ${name} ${high} costs ${at(high)}`,
  );
}
