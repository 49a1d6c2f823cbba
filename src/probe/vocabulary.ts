/** What happens to a prediction on its way through the layers, read in the vocabulary. */
import { abs, div, maximum, mul, sqrt, square, sum, type Tensor, tensor, topK, where } from "../array/index.ts";
import type { Decoder, DecoderParams, Replacement } from "../models/index.ts";

/**
 * The logits that a model would give if it ended at a stream of vectors: `[..., width]` gives `[..., vocabulary]`, through
 * the last norm and the output embedding. At the last layer they are the model's own. Earlier layers write for later ones
 * and not for this reading, so what it shows there is a lower bound on what they know.
 * Source: nostalgebraist 2020, "Interpreting GPT: the logit lens".
 */
export const logitLens = (model: Decoder, params: DecoderParams, stream: Tensor): Tensor =>
  model.logits(params, model.finish(params, stream));

/**
 * How much each hidden unit adds: `|m_i|·‖v_i‖`, for units `[..., hidden]` and their value vectors `[hidden, width]`. Sizes
 * only: updates that point in different directions cancel.
 * Source: Geva et al. 2022, arXiv:2203.14680, section 5.
 */
export const subUpdateContribution = (units: Tensor, values: Tensor): Tensor =>
  mul(abs(units), sqrt(sum(square(values), { axis: -1 })));

/** Share of each row's sum that its `count` largest entries have: `[..., extent]` gives `[...]`. */
export const shareOfLargest = (contributions: Tensor, count: number): Tensor => {
  const most = Math.min(count, contributions.shape.at(-1) as number);
  const largest = sum(topK(contributions, most, { axis: -1 }).values, { axis: -1 });
  return div(largest, maximum(sum(contributions, { axis: -1 }), 1e-30));
};

/**
 * The first layer from which on the likeliest token is the final one, from 0: where the prediction is settled. `tops` are
 * the likeliest tokens after each layer; the last layer settles by definition.
 * Source: Geva et al. 2022, arXiv:2203.14680, section 6.2.
 */
export function saturationLayer(tops: ArrayLike<number>): number {
  let layer = tops.length - 1;
  while (layer > 0 && tops[layer - 1] === tops[tops.length - 1]) layer--;
  return layer;
}

/**
 * Sets some units to a value and leaves the others: a replacement for `intervene`, of units `[..., hidden]`. On
 * `….hidden` 0 switches units off; on `….preactivation` the value passes through the activation, so 3 gives nearly 3 with
 * ReLU and GELU. Throws one sentence for a unit that is not there.
 */
export function setUnits(units: readonly number[], value: number): Replacement {
  return (x) => {
    const extent = x.shape.at(-1) as number;
    const chosen = new Uint8Array(extent);
    for (const unit of units) {
      if (!(Number.isInteger(unit) && unit >= 0 && unit < extent))
        throw new RangeError(`setUnits: there is no unit ${unit} among ${extent}`);
      chosen[unit] = 1;
    }
    return where(tensor(chosen, { shape: [extent], dtype: "bool" }), value, x);
  };
}
