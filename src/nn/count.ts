/** Sizes of parameter trees. */
import { flatten, type Tree } from "../array/index.ts";

/** Numbers in a tree of parameters, which need not be computed: `parameterCount(layer.init(key(0)))` is free. */
export const parameterCount = (params: Tree): number =>
  flatten(params).leaves.reduce((total, { size }) => total + size, 0);
