/** Blocks cut into groups of hidden units, of which each row uses only those that were chosen for it. */
import {
  add,
  arange,
  argSort,
  at,
  cast,
  concat,
  equal,
  groupedMatmul,
  matmul,
  mul,
  relu,
  reshape,
  scan,
  scatterAdd,
  split,
  sum,
  type Tensor,
  take,
  zeros,
} from "../../array/index.ts";

/**
 * Groups of hidden units: `up.weight`, `gate.weight`: `[experts, units, width]`, `down.weight: [experts, units, outputs]`;
 * biases of the units `[experts, units]`, and one of the output `[outputs]`, which every row gets once.
 */
export type UnitGroups = {
  readonly up: { readonly weight: Tensor; readonly bias?: Tensor };
  readonly gate?: { readonly weight: Tensor; readonly bias?: Tensor };
  readonly down: { readonly weight: Tensor; readonly bias?: Tensor };
};

/**
 * Up to so many pairs of a row and an expert are computed one after the other. Each costs about 0.02 ms beside reading its
 * weights; forming groups costs that for every expert, and a copy of all weights. Measured on two cores of a server.
 */
const FEW_PAIRS = 64;

/**
 * `y = Σ_{e in chosen} σ(x·U_eᵀ + a_e)·D_e + b` for each row, or with a gate `(σ(x·G_eᵀ) ⊙ x·U_eᵀ)·D_e`.
 * `x: [rows, width]`, `chosen: int32 [rows, count]` (no expert twice in a row) give `[rows, outputs]`. Only the chosen
 * experts' weights are read: for few rows pair by pair, for many sorted into groups.
 */
export function topExperts(
  groups: UnitGroups,
  x: Tensor,
  chosen: Tensor,
  { activation = relu }: { readonly activation?: (x: Tensor) => Tensor } = {},
): Tensor {
  const [rows, count] = chosen.shape as [number, number];
  const sumOfExperts = rows * count <= FEW_PAIRS ? oneByOne : inGroups;
  const y = sumOfExperts(groups, x, chosen, activation);
  return groups.down.bias ? add(y, groups.down.bias) : y;
}

/** What the hidden units of one or several experts give, from products with the rows. */
type Products = (part: "up" | "gate") => Tensor;

const hiddenOf = (groups: UnitGroups, products: Products, activation: (x: Tensor) => Tensor): Tensor =>
  groups.gate ? mul(activation(products("gate")), products("up")) : activation(products("up"));

function oneByOne(groups: UnitGroups, x: Tensor, chosen: Tensor, activation: (x: Tensor) => Tensor): Tensor {
  const [rows, count] = chosen.shape as [number, number];
  const outputs = groups.down.weight.shape[2] as number;
  const ofRow = (row: Tensor, experts: Tensor): Tensor =>
    scan(
      (total: Tensor, expert: Tensor) => {
        const products: Products = (part) => {
          const { weight, bias } = groups[part] as { weight: Tensor; bias?: Tensor };
          const product = matmul(row, at(weight, expert), { transposeB: true });
          return bias ? add(product, at(bias, expert)) : product;
        };
        const hidden = hiddenOf(groups, products, activation);
        return [add(total, matmul(hidden, at(groups.down.weight, expert))), []];
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

function inGroups(groups: UnitGroups, x: Tensor, chosen: Tensor, activation: (x: Tensor) => Tensor): Tensor {
  const [rows, count] = chosen.shape as [number, number];
  const [experts] = groups.up.weight.shape as [number];
  const pairs = reshape(chosen, [rows * count]);
  const order = argSort(pairs);
  const sorted = take(pairs, order);
  const row = take(reshape(repeatEach(rows, count), [rows * count]), order);
  const counts = sum(cast(equal(reshape(pairs, [-1, 1]), arange(experts, pairs.dtype)), "int64"), { axis: 0 });
  const list = (weight: Tensor): Tensor[] =>
    split(weight, { axis: 0, sizes: Array<number>(experts).fill(1) }).map((part) => reshape(part, part.shape.slice(1)));
  const inputs = take(x, row);
  const products: Products = (part) => {
    const { weight, bias } = groups[part] as { weight: Tensor; bias?: Tensor };
    const product = groupedMatmul(inputs, counts, list(weight), { transposeB: true });
    return bias ? add(product, take(bias, sorted)) : product;
  };
  const y = groupedMatmul(hiddenOf(groups, products, activation), counts, list(groups.down.weight));
  return scatterAdd(zeros([rows, y.shape[1] as number], x.dtype), row, y, { axis: 0 });
}

/** 0 0 0 1 1 1 …: each of `rows` numbers `count` times, int32 `[rows, count]`. */
const repeatEach = (rows: number, count: number): Tensor =>
  add(reshape(arange(rows, "int32"), [rows, 1]), zeros([1, count], "int32"));
