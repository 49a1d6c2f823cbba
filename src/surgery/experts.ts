/** Trained feed-forward blocks cut into experts: the same hidden units in another order, none of their weights changed. */
import { reshape, swapAxes, type Tensor, take, tensor, transpose } from "../array/index.ts";
import { interleave, type UnitGroups } from "../nn/index.ts";
import { checkGroups, type Groups, membersOf } from "./groups.ts";

type Map = { readonly weight: Tensor; readonly bias?: Tensor };

/** Parameters of a block with one hidden layer (`ffn`), or of one with a gate (`gatedFfn`). */
export type BlockParams = { readonly up: Map; readonly gate?: Map; readonly down: Map };

/** Groups of units that stand beside each other. */
export function contiguousGroups(units: number, groups: number): Groups {
  checkGroups(units, groups);
  return Int32Array.from({ length: units }, (_, unit) => Math.floor((unit * groups) / units));
}

/** The units of a block by group, as experts; with all of them chosen they compute what the block computes. */
export function cutIntoExperts({ up, gate, down }: BlockParams, groups: Groups): UnitGroups {
  const members = membersOf(groups);
  const [experts, units] = [members.length, (members[0] as number[]).length];
  const order = tensor(Int32Array.from(members.flat()));
  const rows = (weight: Tensor, width: number) => reshape(take(weight, order), [experts, units, width]);
  const inward = (map: Map) => rows(transpose(map.weight), map.weight.shape[0] as number);
  const bias = (map: Map) => (map.bias ? reshape(take(map.bias, order), [experts, units]) : undefined);
  const shift = gate?.bias && up.bias ? interleave(bias(gate) as Tensor, bias(up) as Tensor) : bias(up);
  return {
    up: { weight: gate ? interleave(inward(gate), inward(up)) : inward(up), ...(shift ? { bias: shift } : {}) },
    down: { ...down, weight: swapAxes(rows(down.weight, down.weight.shape[1] as number), 1, 2) },
  };
}

/**
 * Keys of hidden units, `[units, width]`, each of length 1, so that norms do not say which are near: of gates if there
 * are any. The weights must have values.
 */
export function unitKeys({ up, gate }: BlockParams): Float32Array {
  const { data, shape } = (gate ?? up).weight;
  const [width, units] = shape as [number, number];
  const keys = new Float32Array(units * width);
  for (let unit = 0; unit < units; unit++) {
    const row = keys.subarray(unit * width, (unit + 1) * width);
    for (let i = 0; i < width; i++) row[i] = Number(data[i * units + unit]);
    const length = Math.sqrt(row.reduce((total, value) => total + value * value, 0)) || 1;
    row.forEach((value, i) => {
      row[i] = value / length;
    });
  }
  return keys;
}
