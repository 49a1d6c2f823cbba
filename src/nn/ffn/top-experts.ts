/** Blocks cut into groups of hidden units, of which each row uses only those that were chosen for it. */
import {
  add,
  arange,
  argSort,
  at,
  cast,
  concat,
  customGradient,
  type DType,
  type ExpertActivation,
  equal,
  expertSum,
  groupedMatmul,
  matmul,
  mul,
  ones,
  relu,
  reshape,
  scan,
  scatterAdd,
  scatterAddAlong,
  slice,
  split,
  sum,
  swapAxes,
  type Tensor,
  take,
  vjp,
  zeros,
} from "../../array/index.ts";
import { activations } from "../activations.ts";

/**
 * Groups of hidden units: `up.weight: [experts, units, width]`, `down.weight: [experts, outputs, units]`; biases of the
 * units `[experts, units]`, and one of the output `[outputs]`, which every row gets once. With a gate, `up` has twice as
 * many rows: of each unit the gate's, then its value's (`interleave`).
 */
export type UnitGroups = {
  readonly up: { readonly weight: Tensor; readonly bias?: Tensor };
  readonly down: { readonly weight: Tensor; readonly bias?: Tensor };
};

/** Whether the hidden units of groups are gated. */
export const isGated = ({ up, down }: UnitGroups): boolean =>
  up.weight.shape[1] === 2 * (down.weight.shape[2] as number);

/** Gates and values of units in turn: `[experts, units, ...]` each give `[experts, 2·units, ...]`. */
export function interleave(gates: Tensor, values: Tensor): Tensor {
  const [experts, units, ...rest] = gates.shape as [number, number, ...number[]];
  const column = (x: Tensor) => reshape(x, [experts, units, 1, ...rest]);
  return reshape(concat([column(gates), column(values)], { axis: 2 }), [experts, 2 * units, ...rest]);
}

/** What hidden units give for products with `up`: `[..., units]`, or with a gate `[..., 2·units]`. */
export function unitsFrom(products: Tensor, gated: boolean, activation: (x: Tensor) => Tensor): Tensor {
  if (!gated) return activation(products);
  const units = (products.shape.at(-1) as number) / 2;
  const pairs = reshape(products, [...products.shape.slice(0, -1), units, 2]);
  const part = (i: number) =>
    reshape(slice(pairs, { starts: [i], stops: [i + 1], axes: [-1] }), [...products.shape.slice(0, -1), units]);
  return mul(activation(part(0)), part(1));
}

/**
 * Without an operator for the whole: up to so many pairs of a row and an expert are computed one after the other. Each
 * costs about 0.02 ms beside reading its weights; forming groups costs that for every expert, and a copy of all weights.
 * Measured on two cores of a server.
 */
const FEW_PAIRS = 64;

export interface TopExpertsOptions {
  /** Function of the hidden units, or of their gates; ReLU by default. */
  readonly activation?: (x: Tensor) => Tensor;
}

/**
 * `y = Σ_{e in chosen} D_e·σ(U_e·x + a_e) + b` for each row, or with a gate `D_e·(σ(G_e·x) ⊙ U_e·x)`.
 * `x: [rows, width]`, `chosen: int32 [rows, count]` (no expert twice in a row) give `[rows, outputs]`. Only the chosen
 * experts' weights are read: by one operator (`expertSum`) where it knows the activation; else for few rows pair by pair,
 * for many sorted into groups.
 */
export function topExperts(
  groups: UnitGroups,
  x: Tensor,
  chosen: Tensor,
  { activation = relu }: TopExpertsOptions = {},
): Tensor {
  const [rows, count] = chosen.shape as [number, number];
  const name = operatorFor(groups, x, activation);
  const { bias, ...down } = groups.down;
  const inner: UnitGroups = { up: groups.up, down };
  const y = name
    ? inOneOperator(inner, x, chosen, activation, name)
    : (rows * count <= FEW_PAIRS ? oneByOne : inGroups)(inner, x, chosen, activation);
  return bias ? add(y, bias) : y;
}

/** 1 at the experts that a row has chosen, 0 at the others: `chosen: int32 [rows, count]` gives `[rows, experts]`. */
export const expertMask = (chosen: Tensor, experts: number, dtype: DType = "float32"): Tensor =>
  scatterAddAlong(
    zeros([chosen.shape[0] as number, experts], dtype),
    cast(chosen, "int64"),
    ones(chosen.shape, dtype),
    {
      axis: 1,
    },
  );

/**
 * `Σ_e w_e·D_e·σ(U_e·x + a_e) + b` for each row, with the weights `w: [rows, experts]` of its experts. Computes all units,
 * which costs what the dense block costs; with `expertMask` it is `topExperts`, and it passes gradients to the weights.
 */
export function weightedExperts(
  groups: UnitGroups,
  x: Tensor,
  weights: Tensor,
  { activation = relu }: TopExpertsOptions = {},
): Tensor {
  const [experts, outputs, units] = groups.down.weight.shape as [number, number, number];
  const hidden = mul(hiddenUnits(groups, x, activation), reshape(weights, [x.shape[0] as number, experts, 1]));
  const down = reshape(swapAxes(groups.down.weight, 1, 2), [experts * units, outputs]);
  const y = matmul(reshape(hidden, [x.shape[0] as number, experts * units]), down);
  return groups.down.bias ? add(y, groups.down.bias) : y;
}

/** What all hidden units give: `x: [rows, width]` gives `[rows, experts, units]`. */
export function hiddenUnits(groups: UnitGroups, x: Tensor, activation: (x: Tensor) => Tensor = relu): Tensor {
  const { weight, bias } = groups.up;
  const [experts, inner, width] = weight.shape as [number, number, number];
  const product = matmul(x, reshape(weight, [experts * inner, width]), { transposeB: true });
  const shifted = bias ? add(product, reshape(bias, [experts * inner])) : product;
  return unitsFrom(reshape(shifted, [x.shape[0] as number, experts, inner]), isGated(groups), activation);
}

/** The name under which `expertSum` knows the function of these units, if it does. */
function operatorFor(groups: UnitGroups, x: Tensor, activation: (x: Tensor) => Tensor): ExpertActivation | undefined {
  if (x.dtype !== "float32" || groups.down.weight.shape[1] !== x.shape[1]) return undefined;
  if (isGated(groups)) return activation === activations.silu ? "swiglu" : undefined;
  return (["relu", "silu", "geluTanh", "identity"] as const).find((name) => activations[name] === activation);
}

/** `expertSum`, with the gradient of the form that computes all units. */
function inOneOperator(
  groups: UnitGroups,
  x: Tensor,
  chosen: Tensor,
  activation: (x: Tensor) => Tensor,
  name: ExpertActivation,
): Tensor {
  const forward = (g: UnitGroups, rows: Tensor): Tensor =>
    expertSum(
      rows,
      chosen,
      { up: g.up.weight, down: g.down.weight, ...(g.up.bias ? { bias: g.up.bias } : {}) },
      { activation: name },
    );
  return customGradient(forward, (dy, [g, rows]) =>
    vjp((own: UnitGroups, input: Tensor) => inGroups(own, input, chosen, activation), g, rows)[1](dy),
  )(groups, x);
}

function oneByOne(groups: UnitGroups, x: Tensor, chosen: Tensor, activation: (x: Tensor) => Tensor): Tensor {
  const [rows, count] = chosen.shape as [number, number];
  const { up, down } = groups;
  const outputs = down.weight.shape[1] as number;
  const ofRow = (row: Tensor, experts: Tensor): Tensor =>
    scan(
      (total: Tensor, expert: Tensor) => {
        const product = matmul(row, at(up.weight, expert), { transposeB: true });
        const hidden = unitsFrom(up.bias ? add(product, at(up.bias, expert)) : product, isGated(groups), activation);
        return [add(total, matmul(hidden, at(down.weight, expert), { transposeB: true })), []];
      },
      zeros([1, outputs], x.dtype),
      experts,
    )[0] as Tensor;
  if (rows === 1) return ofRow(x, reshape(chosen, [count]));
  const each = split(x, { axis: 0, sizes: Array<number>(rows).fill(1) });
  const picks = split(chosen, { axis: 0, sizes: Array<number>(rows).fill(1) });
  return concat(
    each.map((row, i) => ofRow(row, reshape(picks[i] as Tensor, [count]))),
    { axis: 0 },
  );
}

/** Rows sorted into groups by their experts. */
function inGroups(groups: UnitGroups, x: Tensor, chosen: Tensor, activation: (x: Tensor) => Tensor): Tensor {
  const [rows, count] = chosen.shape as [number, number];
  const { up, down } = groups;
  const [experts] = up.weight.shape as [number];
  const pairs = reshape(chosen, [rows * count]);
  const order = argSort(pairs);
  const sorted = take(pairs, order);
  const row = take(reshape(repeatEach(rows, count), [rows * count]), order);
  const counts = sum(cast(equal(reshape(pairs, [-1, 1]), arange(experts, pairs.dtype)), "int64"), { axis: 0 });
  const list = (weight: Tensor): Tensor[] =>
    split(weight, { axis: 0, sizes: Array<number>(experts).fill(1) }).map((part) => reshape(part, part.shape.slice(1)));
  const product = groupedMatmul(take(x, row), counts, list(up.weight), { transposeB: true });
  const hidden = unitsFrom(up.bias ? add(product, take(up.bias, sorted)) : product, isGated(groups), activation);
  const y = groupedMatmul(hidden, counts, list(down.weight), { transposeB: true });
  return scatterAdd(zeros([rows, y.shape[1] as number], x.dtype), row, y, { axis: 0 });
}

/** 0 0 0 1 1 1 …: each of `rows` numbers `count` times, int32 `[rows, count]`. */
const repeatEach = (rows: number, count: number): Tensor =>
  add(reshape(arange(rows, "int32"), [rows, 1]), zeros([1, count], "int32"));
