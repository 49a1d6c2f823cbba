/** Whether a feed-forward layer adds the sum of its value vectors, each times its coefficient. */
import { compile, type Tensor, zeros } from "../array/index.ts";
import { type Decoder, type DecoderParams, ffnParams, ffnPlaces, observe } from "../models/index.ts";
import { valueVectors } from "./value-vectors.ts";

/**
 * The largest difference, over all feed-forward layers, of what a layer gives from `Σ_i m_i·v_i + b`, over the largest value
 * that it gives. The sums are formed here in float64, one token after the other. `tokens: [batch, time]`; a few will do.
 * Source: Geva et al. 2022, arXiv:2203.14680, equation 2.
 */
export async function subUpdateError(model: Decoder, params: DecoderParams, tokens: Tensor): Promise<number> {
  const layers = await compile((weights: DecoderParams, x: Tensor) =>
    ffnPlaces(model.config).map((place) => {
      const names = { hidden: `${place.path}.hidden`, output: `${place.path}.output` };
      const seen = observe(model, weights, x, Object.values(names));
      const { down } = ffnParams(weights, place) as { readonly down: { readonly bias?: Tensor } };
      return {
        hidden: seen[names.hidden] as Tensor,
        output: seen[names.output] as Tensor,
        // The scale of a sublayer is in the value vectors, but not in the output.
        values: valueVectors(weights, { ...place, scale: 1 }),
        bias: down.bias ?? zeros([model.config.width]),
      };
    }),
  )(params, tokens);
  return Math.max(...layers.map(errorOf));
}

function errorOf(layer: { readonly [name in "hidden" | "output" | "values" | "bias"]: Tensor }): number {
  const [units, width] = layer.values.shape as [number, number];
  const [hidden, output, values, bias] = [layer.hidden, layer.output, layer.values, layer.bias].map(
    ({ data }) => data as Float32Array,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  let [error, most] = [0, 0];
  for (let token = 0; token < hidden.length / units; token++) {
    const sum = Float64Array.from(bias);
    for (let unit = 0; unit < units; unit++) {
      const m = hidden[token * units + unit] as number;
      if (m !== 0) for (let d = 0; d < width; d++) (sum[d] as number) += m * (values[unit * width + d] as number);
    }
    sum.forEach((value, d) => {
      const given = output[token * width + d] as number;
      error = Math.max(error, Math.abs(value - given));
      most = Math.max(most, Math.abs(given));
    });
  }
  return error / most;
}
