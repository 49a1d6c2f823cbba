/** Conditional computation: each row passes through the one expert that was chosen for it, and no other is evaluated. */
import {
  add,
  arange,
  argSort,
  at,
  cast,
  cond,
  equal,
  groupedMatmul,
  less,
  matmul,
  relu,
  reshape,
  split,
  sum,
  type Tensor,
  take,
  tensor,
} from "../../array/index.ts";

/**
 * Two-layer blocks with weights as rows of hidden units. One expert: `up.weight: [hidden, width]`, `up.bias: [hidden]`,
 * `down.weight: [hidden, outputs]`, `down.bias: [outputs]`; a stack of experts has one axis before these.
 */
export type ExpertParams = {
  readonly up: { readonly weight: Tensor; readonly bias: Tensor };
  readonly down: { readonly weight: Tensor; readonly bias: Tensor };
};

/** The experts of a stack with known values, one by one; they share its memory. */
export function separateExperts({ up, down }: ExpertParams): ExpertParams[] {
  const cut = (stack: Tensor): Tensor[] => {
    const [count, ...shape] = stack.shape as [number, ...number[]];
    const size = stack.size / count;
    return Array.from({ length: count }, (_, i) =>
      tensor(stack.data.subarray(i * size, (i + 1) * size), { shape, dtype: stack.dtype }),
    );
  };
  const parts = [up.weight, up.bias, down.weight, down.bias].map(cut) as [Tensor[], Tensor[], Tensor[], Tensor[]];
  return parts[0].map((weight, i) => ({
    up: { weight, bias: parts[1][i] as Tensor },
    down: { weight: parts[2][i] as Tensor, bias: parts[3][i] as Tensor },
  }));
}

export interface ChosenExpertsOptions {
  /** Function between the two layers; ReLU by default. */
  readonly activation?: (x: Tensor) => Tensor;
  /** The same experts as `separateExperts` gives them; saves copying weights where experts are large. */
  readonly separate?: readonly ExpertParams[];
}

/**
 * One more expert costs a graph by groups about as much time as copying so many weights. Measured on two cores of a
 * server for widths 784 and 768, 1 to 256 rows and 1 to 256 experts.
 */
const WEIGHTS_PER_GROUP = 30_000;

/**
 * `f_c(x)` for each row, where c is its choice: `x: [rows, width]`, `choice: int32 [rows]` give `[rows, outputs]`.
 * Three forms compute the same: weights gathered for each row, best for small experts; a branch for each expert, best
 * for one row and large experts; rows sorted into groups, best for many rows. The sizes decide.
 */
export function chosenExperts(
  stack: ExpertParams,
  x: Tensor,
  choice: Tensor,
  options: ChosenExpertsOptions = {},
): Tensor {
  const { activation = relu, separate } = options;
  const [experts, hidden, width] = stack.up.weight.shape as [number, number, number];
  const rows = x.shape[0] as number;
  const weights = hidden * (width + (stack.down.bias.shape[1] as number));
  // A stack is cut into experts by copying all of it.
  const grouping = experts * (WEIGHTS_PER_GROUP + (separate ? 0 : weights));
  if (rows * weights <= grouping || (rows === 1 && !separate)) return gathered(stack, x, choice, activation);
  return rows === 1 && separate
    ? branched(separate, x, at(choice, 0), activation)
    : grouped(stack, x, choice, activation, separate);
}

function gathered({ up, down }: ExpertParams, x: Tensor, choice: Tensor, activation: (x: Tensor) => Tensor): Tensor {
  const rows = x.shape[0] as number;
  const row = (t: Tensor) => reshape(t, [rows, 1, t.size / rows]);
  const hidden = activation(
    add(matmul(row(x), take(up.weight, choice), { transposeB: true }), row(take(up.bias, choice))),
  );
  const y = add(matmul(hidden, take(down.weight, choice)), row(take(down.bias, choice)));
  return reshape(y, [rows, y.shape[2] as number]);
}

function branched(
  experts: readonly ExpertParams[],
  x: Tensor,
  choice: Tensor,
  activation: (x: Tensor) => Tensor,
): Tensor {
  /** The output of the chosen one among experts from `first` to before `end`. */
  const among = (first: number, end: number): Tensor => {
    if (end - first === 1) {
      const { up, down } = experts[first] as ExpertParams;
      return add(matmul(activation(add(matmul(x, up.weight, { transposeB: true }), up.bias)), down.weight), down.bias);
    }
    const middle = (first + end) >> 1;
    return cond(
      less(choice, middle),
      () => among(first, middle),
      () => among(middle, end),
    );
  };
  return among(0, experts.length);
}

function grouped(
  stack: ExpertParams,
  x: Tensor,
  choice: Tensor,
  activation: (x: Tensor) => Tensor,
  separate?: readonly ExpertParams[],
): Tensor {
  const experts = stack.up.weight.shape[0] as number;
  const list = (of: (p: ExpertParams) => Tensor): Tensor[] => {
    if (separate) return separate.map(of);
    return split(of(stack), { axis: 0, sizes: Array<number>(experts).fill(1) }).map((part) =>
      reshape(part, part.shape.slice(1)),
    );
  };
  const order = argSort(choice);
  const sorted = take(choice, order);
  const counts = sum(cast(equal(reshape(choice, [-1, 1]), arange(experts, choice.dtype)), "int64"), { axis: 0 });
  const up = groupedMatmul(
    take(x, order),
    counts,
    list((p) => p.up.weight),
    { transposeB: true },
  );
  const hidden = activation(add(up, take(stack.up.bias, sorted)));
  const y = add(
    groupedMatmul(
      hidden,
      counts,
      list((p) => p.down.weight),
    ),
    take(stack.down.bias, sorted),
  );
  return take(y, argSort(order));
}
