/** Weights as they would be after a stay in few bits. */
import { type Tensor, tensor } from "../array/index.ts";
import type { UnitNorms } from "../probe/index.ts";
import type { BlockParams } from "./experts.ts";
import { normsAt, type RankOptions, rankUnits } from "./ffsplit.ts";
import { below, beside, columnsOf, rowsOf } from "./matrices.ts";
import { type ConfiguredDecoder, replaceFfns } from "./replace.ts";

/** Bits of the scale that each group of weights has. */
const SCALE_BITS = 16;

/**
 * `weight: [inputs, outputs]` rounded to `bits` and back, by the nearest of `2^bits - 1` evenly spaced numbers around 0
 * for each group of `group` inputs of an output, as far out as its largest weight (the last group may be smaller). This is
 * simulated: the result is float32 and as large and slow as before. Throws one sentence for fewer than 2 bits.
 */
export function roundedToBits(
  weight: Tensor,
  { bits, group }: { readonly bits: number; readonly group: number },
): Tensor {
  if (!Number.isInteger(bits) || bits < 2 || bits > 16)
    throw new RangeError(`roundedToBits: bits must be a whole number from 2 to 16, got ${bits}`);
  const [inputs, outputs] = weight.shape as [number, number];
  const levels = 2 ** (bits - 1) - 1;
  const values = Float32Array.from(weight.data as Float32Array);
  for (let first = 0; first < inputs; first += group)
    for (let output = 0; output < outputs; output++) {
      const end = Math.min(inputs, first + group);
      let largest = 0;
      for (let i = first; i < end; i++) largest = Math.max(largest, Math.abs(values[i * outputs + output] as number));
      const step = largest / levels || 1;
      for (let i = first; i < end; i++) {
        const at = i * outputs + output;
        values[at] = Math.round((values[at] as number) / step) * step;
      }
    }
  return tensor(values, { shape: weight.shape });
}

/** Bytes that `roundedToBits` would need in a packed file. */
export const packedBytes = (
  [inputs, outputs]: readonly [number, number],
  { bits, group }: { readonly bits: number; readonly group: number },
): number => (inputs * outputs * bits + Math.ceil(inputs / group) * outputs * SCALE_BITS) / 8;

export interface QuantizeOptions extends RankOptions {
  /** Bits of the other units' weights. */
  readonly bits: number;
  /** Bits of the kept units' weights; 16 leaves them as they are. */
  readonly keptBits: number;
  /** Weights that share a scale. */
  readonly group: number;
}

/**
 * Rounds the weights of every dense or gated layer to few bits, those of the chosen units to more. Simulated: see
 * `roundedToBits`. Gives also the bytes that these layers' weights would need in a packed file, and before in float32.
 */
export async function quantizeFfns(
  model: ConfiguredDecoder,
  norms: readonly UnitNorms[],
  options: QuantizeOptions,
): Promise<ConfiguredDecoder & { readonly bytes: { readonly before: number; readonly packed: number } }> {
  const { bits, keptBits, group } = options;
  const bytes = { before: 0, packed: 0 };
  const rounded = (weight: Tensor, units: number, of: number): Tensor => {
    bytes.before += weight.size * 4;
    const shape = weight.shape as [number, number];
    if (units >= 16) {
      bytes.packed += weight.size * 2;
      return weight;
    }
    bytes.packed += packedBytes(shape, { bits: units, group: of });
    return roundedToBits(weight, { bits: units, group: of });
  };
  const made = replaceFfns(model, ({ ffn, params }, place) => {
    const found = normsAt(norms, place);
    if (!found || (ffn.kind !== "dense" && ffn.kind !== "gated")) return null;
    const { order, kept } = rankUnits(found, options);
    const [first, others] = [order.subarray(0, kept), order.subarray(kept)];
    const sorted = (map: BlockParams["up"]) =>
      map.bias
        ? {
            bias: tensor(
              Float32Array.from(order, (u) => Number(map.bias?.data[u])),
              { shape: [order.length] },
            ),
          }
        : {};
    const halves = (weight: Tensor, pick: typeof columnsOf, join: typeof beside): Tensor => {
      const parts = [
        ...(first.length > 0 ? [rounded(pick(weight, first), keptBits, group)] : []),
        ...(others.length > 0 ? [rounded(pick(weight, others), bits, group)] : []),
      ];
      return parts.reduce(join);
    };
    const { up, gate, down } = params as BlockParams;
    const block: BlockParams = {
      up: { weight: halves(up.weight, columnsOf, beside), ...sorted(up) },
      ...(gate ? { gate: { weight: halves(gate.weight, columnsOf, beside), ...sorted(gate) } } : {}),
      down: { ...down, weight: halves(down.weight, rowsOf, below) },
    };
    return { ffn, params: block };
  });
  return { ...made, bytes };
}
