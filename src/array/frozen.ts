/** Tensors that never change from call to call, which compiled functions may build upon. */
import { constantData, fromData, type Tensor } from "./tensor.ts";

const ids = new WeakMap<Tensor, number>();
let count = 0;

/**
 * The same values as a tensor that compiled functions take as a part of the program instead of as an argument: operators
 * that gain by it have it stored in the model, arranged as they need it, at the cost of memory in each model and of a
 * model of its own for each frozen tensor. Throws one sentence if the values are not known.
 */
export function frozen({ shape, dtype, data }: Tensor): Tensor {
  const x = fromData({ shape, dtype }, data);
  ids.set(x, count++);
  return x;
}

/** A number that only this frozen tensor has; undefined for others. */
export const frozenId = (x: Tensor): number | undefined => (constantData(x) ? ids.get(x) : undefined);
