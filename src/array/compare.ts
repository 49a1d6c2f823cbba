/** Comparison, logic, selection and conversion of element types. */
import { type DType, dtypes, isFloat } from "./dtype.ts";
import { abs } from "./elementwise.ts";
import { alike, asTensor, type TensorLike } from "./operands.ts";
import { primitive } from "./primitive.ts";
import { broadcastShapes } from "./shape.ts";
import { describe, scalar, Tensor } from "./tensor.ts";

function comparison(name: string, onnx: string, compare: (x: number, y: number) => boolean) {
  const apply = primitive<[x: Tensor, y: Tensor], object>(name, {
    shape: ([x, y]) => {
      if (x.dtype !== y.dtype) throw new TypeError(`${name}: operands are ${x.dtype} and ${y.dtype}; cast one of them`);
      return { shape: broadcastShapes(name, x.shape, y.shape), dtype: "bool" };
    },
    gradient: () => [null, null],
    onnx: (graph, [x, y], _, node) => {
      // The runtime orders no bools and bytes; as int32 they compare the same.
      const narrow = ["bool", "uint8"].includes(node.inputs[0]?.dtype as DType);
      return graph.node(onnx, narrow ? [graph.cast(x, "int32"), graph.cast(y, "int32")] : [x, y]);
    },
    scalar: (x, y) => Number(compare(x, y)),
  });
  return (x: TensorLike, y: TensorLike): Tensor => {
    const [a, b] = alike(name, x, y) as [Tensor, Tensor];
    return apply(a, b, {});
  };
}

/** `x == y` (false for NaN), as bool. */
export const equal = comparison("equal", "Equal", (x, y) => x === y);
/** `x < y`, as bool. */
export const less = comparison("less", "Less", (x, y) => x < y);
/** `x <= y`, as bool. */
export const lessEqual = comparison("lessEqual", "LessOrEqual", (x, y) => x <= y);
/** `x > y`, as bool. */
export const greater = (x: TensorLike, y: TensorLike): Tensor => less(y, x);
/** `x >= y`, as bool. */
export const greaterEqual = (x: TensorLike, y: TensorLike): Tensor => lessEqual(y, x);
/** `x != y` (true for NaN), as bool. */
export const notEqual = (x: TensorLike, y: TensorLike): Tensor => not(equal(x, y));

function logical(name: string, onnx: string, combine: (x: number, y: number) => boolean) {
  const apply = primitive<[x: Tensor, y: Tensor], object>(name, {
    shape: ([x, y]) => {
      for (const { dtype } of [x, y])
        if (dtype !== "bool") throw new TypeError(`${name}: expected bool operands, got ${dtype}`);
      return { shape: broadcastShapes(name, x.shape, y.shape), dtype: "bool" };
    },
    gradient: () => [null, null],
    onnx: (graph, [x, y]) => graph.node(onnx, [x, y]),
    scalar: (x, y) => Number(combine(x, y)),
  });
  return (x: TensorLike, y: TensorLike): Tensor => {
    const [a, b] = alike(name, x, y) as [Tensor, Tensor];
    return apply(a, b, {});
  };
}

/** Both true. */
export const and = logical("and", "And", (x, y) => x !== 0 && y !== 0);
/** At least one true. */
export const or = logical("or", "Or", (x, y) => x !== 0 || y !== 0);
/** Exactly one true. */
export const xor = logical("xor", "Xor", (x, y) => (x !== 0) !== (y !== 0));

const notPrimitive = primitive<[x: Tensor], object>("not", {
  shape: ([x]) => {
    if (x.dtype !== "bool") throw new TypeError(`not: expected a bool operand, got ${x.dtype}`);
    return x;
  },
  gradient: () => [null],
  onnx: (graph, [x]) => graph.node("Not", [x]),
  scalar: (x) => Number(x === 0),
});

/** True where `x` is false. */
export const not = (x: TensorLike): Tensor => notPrimitive(asTensor("not", x), {});

const isNaNPrimitive = primitive<[x: Tensor], object>("isNaN", {
  shape: ([x]) => {
    if (!isFloat(x.dtype)) throw new TypeError(`isNaN: expected a float tensor, got ${x.dtype}`);
    return { shape: x.shape, dtype: "bool" };
  },
  gradient: () => [null],
  onnx: (graph, [x]) => graph.node("IsNaN", [x]),
  scalar: (x) => Number(Number.isNaN(x)),
});

/** True where `x` is not a number. */
export const isNaN = (x: TensorLike): Tensor => isNaNPrimitive(asTensor("isNaN", x), {});

/** True where `x` is neither infinite nor NaN. */
export const isFinite = (x: TensorLike): Tensor => less(abs(x), Number.POSITIVE_INFINITY);

const select = primitive<[condition: Tensor, x: Tensor, y: Tensor], object>("where", {
  shape: ([condition, x, y]) => {
    if (condition.dtype !== "bool") throw new TypeError(`where: expected a bool condition, got ${condition.dtype}`);
    if (x.dtype !== y.dtype) throw new TypeError(`where: choices are ${x.dtype} and ${y.dtype}; cast one of them`);
    return { shape: broadcastShapes("where", condition.shape, x.shape, y.shape), dtype: x.dtype };
  },
  gradient: (dy, { inputs: [condition] }) => [null, where(condition, dy, 0), where(condition, 0, dy)],
  onnx: (graph, inputs) => graph.node("Where", inputs),
  scalar: (condition, x, y) => (condition ? x : y),
});

/** `x` where the condition is true, else `y`. Both are computed; `cond` computes one branch only. */
export function where(condition: TensorLike, x: TensorLike, y: TensorLike): Tensor {
  const [a, b] = alike("where", x, y) as [Tensor, Tensor];
  return select(asTensor("where", condition), a, b, {});
}

const castPrimitive = primitive<[x: Tensor], { readonly dtype: DType }>("cast", {
  shape: ([x], { dtype }) => ({ shape: x.shape, dtype }),
  gradient: (dy, { inputs: [x] }) => [isFloat(x.dtype) ? cast(dy, x.dtype) : null],
  onnx: (graph, [x], { dtype }) => graph.cast(x, dtype),
});

/** `x` in another element type: floats truncate toward zero to integers; bool is `x != 0`. */
export function cast(x: TensorLike, dtype: DType): Tensor {
  if (!dtypes.includes(dtype))
    throw new TypeError(`cast: unknown dtype ${describe(dtype)}; known are ${dtypes.join(", ")}`);
  if (!(x instanceof Tensor)) return scalar(x, dtype);
  return x.dtype === dtype ? x : castPrimitive(x, { dtype });
}
