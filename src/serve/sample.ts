/** Choice of the next token from its logits. */
import {
  argMax,
  cast,
  categorical,
  cumulativeSum,
  greaterEqual,
  type Key,
  topK as largest,
  less,
  min,
  mul,
  or,
  slice,
  softmax,
  sort,
  sub,
  type Tensor,
  where,
} from "../array/index.ts";

export interface SampleOptions {
  /** Logits are divided by it; 0 always takes the likeliest token, and 1 (the default) leaves them as they are. */
  readonly temperature?: number;
  /** Only the so many likeliest tokens may be chosen; all by default. */
  readonly topK?: number;
  /** Only the likeliest tokens that together have this probability may be chosen; 1 by default. */
  readonly topP?: number;
}

/** Low enough that its exponential is zero beside any logit. */
const EXCLUDED = -1e9;

/** Throws one sentence if an option is out of range. */
export function checkSampling({ temperature = 1, topK = 1, topP = 1 }: SampleOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw new RangeError(`sample: temperature must be a number from 0, got ${temperature}`);
  if (!Number.isInteger(topK) || topK < 1)
    throw new RangeError(`sample: topK must be a whole number from 1, got ${topK}`);
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`sample: topP must be above 0 and at most 1, got ${topP}`);
}

/**
 * The next token of each row, drawn with the key: `logits: [batch, vocabulary]` gives int32 `[batch]`.
 * Source of top-p: Holtzman et al. 2020, arXiv:1904.09751; the likeliest token always stays.
 */
export function sample(logits: Tensor, key: Key, options: SampleOptions = {}): Tensor {
  checkSampling(options);
  const { temperature = 1, topK, topP = 1 } = options;
  if (temperature === 0 || topK === 1) return cast(argMax(logits, { axis: -1 }), "int32");
  let scores = mul(logits, 1 / temperature);
  const vocabulary = logits.shape.at(-1) as number;
  if (topK !== undefined && topK < vocabulary) {
    const kept = largest(scores, topK, { axis: -1 }).values;
    const smallest = slice(kept, { starts: [topK - 1], stops: [topK], axes: [-1] });
    scores = where(less(scores, smallest), EXCLUDED, scores);
  }
  if (topP < 1) {
    const sorted = sort(scores, { axis: -1, descending: true });
    const probabilities = softmax(sorted);
    // A token stays while those before it have not reached the share.
    const before = sub(cumulativeSum(probabilities, { axis: -1 }), probabilities);
    const stays = or(less(before, topP), greaterEqual(sorted, slice(sorted, { starts: [0], stops: [1], axes: [-1] })));
    const threshold = min(where(stays, sorted, 1e30), { axis: -1, keepDims: true });
    scores = where(less(scores, threshold), EXCLUDED, scores);
  }
  return cast(categorical(key, scores), "int32");
}
