/** Elementwise arithmetic and functions. All broadcast; the reverse walk of `gradient.ts` undoes broadcasting. */
import { cast, equal, less, where } from "./compare.ts";
import type { DType } from "./dtype.ts";
import type { OnnxBuilder } from "./onnx/builder.ts";
import { float64Lowering } from "./onnx/float64.ts";
import { alike, asTensor, checkFloat, floatType, type TensorLike } from "./operands.ts";
import { primitive } from "./primitive.ts";
import { broadcastShapes } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

interface UnaryRules {
  /** Gradient of the operand; null where the function is flat almost everywhere. */
  readonly gradient: ((dy: Tensor, x: Tensor, y: Tensor) => Tensor) | null;
  /** The operator, or a composition of several; `one` is the constant 1 in the type of `x`. */
  readonly onnx: string | ((graph: OnnxBuilder, x: string, one: string) => string);
  readonly scalar: (x: number) => number;
  /** Integers are accepted too. */
  readonly integers?: boolean;
}

function unary(name: string, { gradient, onnx, scalar, integers }: UnaryRules): (x: TensorLike) => Tensor {
  const apply = primitive<[x: Tensor], object>(name, {
    shape: ([x]) => {
      if (!integers) checkFloat(name, x.dtype);
      else if (x.dtype === "bool") throw new TypeError(`${name}: expected numbers, got bool; cast it first`);
      return x;
    },
    gradient: (dy, { inputs: [x], output }) => [gradient ? gradient(dy, x, output) : null],
    onnx: (graph, [x], _, node) => {
      // The runtime lacks these functions in float64; there they are composed of ones that it has.
      const dtype = node.outputs[0]?.dtype as DType;
      const compose = dtype === "float64" ? float64Lowering[name] : undefined;
      if (compose) return compose(graph, x);
      return typeof onnx === "string" ? graph.node(onnx, [x]) : onnx(graph, x, graph.scalar(1, dtype));
    },
    scalar,
  });
  return (x) => apply(asTensor(name, x), {});
}

interface BinaryRules {
  readonly gradient: (dy: Tensor, x: Tensor, y: Tensor, output: Tensor) => readonly [Tensor | null, Tensor | null];
  readonly onnx: string;
  readonly scalar: (x: number, y: number) => number;
  readonly attributes?: (dtype: DType) => Record<string, number>;
}

function binary(
  name: string,
  { gradient, onnx, scalar, attributes }: BinaryRules,
): (x: TensorLike, y: TensorLike) => Tensor {
  const apply = primitive<[x: Tensor, y: Tensor], object>(name, {
    shape: ([x, y]) => {
      if (x.dtype !== y.dtype) throw new TypeError(`${name}: operands are ${x.dtype} and ${y.dtype}; cast one of them`);
      if (x.dtype === "bool") throw new TypeError(`${name}: expected numbers, got bool; cast it first`);
      return { shape: broadcastShapes(name, x.shape, y.shape), dtype: x.dtype };
    },
    gradient: (dy, { inputs: [x, y], output }) => gradient(dy, x, y, output),
    onnx: (graph, [x, y], _, node) => {
      const [a, b] = node.inputs as readonly [Tensor, Tensor];
      const operands = [besideColumn(graph, x, a, b), besideColumn(graph, y, b, a)];
      return graph.node(onnx, operands, attributes?.(node.outputs[0]?.dtype as DType));
    },
    scalar,
  });
  return (x, y) => {
    const [a, b] = alike(name, x, y) as [Tensor, Tensor];
    return apply(a, b, {});
  };
}

/**
 * One element beside many that are alone in their rows, `[…, 1]`: with fewer axes, the runtime would start anew for each
 * row, which takes ten times as long.
 */
function besideColumn(graph: OnnxBuilder, name: string, x: Tensor, other: Tensor): string {
  const isAlone = x.size === 1 && x.rank < other.rank && other.shape.at(-1) === 1 && other.size > 1;
  return isAlone ? graph.node("Reshape", [name, graph.int64s(other.shape.map(() => 1))]) : name;
}

/** `x + y`. */
export const add = binary("add", { gradient: (dy) => [dy, dy], onnx: "Add", scalar: (x, y) => x + y });

/** `x - y`. */
export const sub = binary("sub", { gradient: (dy) => [dy, neg(dy)], onnx: "Sub", scalar: (x, y) => x - y });

/** `x · y`, elementwise. */
export const mul = binary("mul", {
  gradient: (dy, x, y) => [mul(dy, y), mul(dy, x)],
  onnx: "Mul",
  scalar: (x, y) => x * y,
});

/** `x / y`; integers divide toward zero. */
export const div = binary("div", {
  gradient: (dy, _, y, output) => [div(dy, y), neg(mul(dy, div(output, y)))],
  onnx: "Div",
  scalar: (x, y) => x / y,
});

/** `x` to the power `y`. The gradient with respect to the exponent is 0 where `x <= 0`. */
export const power = binary("pow", {
  gradient: (dy, x, y, output) => [
    mul(dy, mul(y, power(x, sub(y, 1)))),
    mul(dy, mul(output, where(less(0, x), log(where(less(0, x), x, 1)), 0))),
  ],
  onnx: "Pow",
  scalar: (x, y) => x ** y,
});

/** `x` to the power `y`; the exponents 1, 2, 0.5, -1 and -0.5 become the cheaper operations they are. */
export function pow(x: TensorLike, y: TensorLike): Tensor {
  const cheaper = typeof y === "number" ? cheapPowers.get(y) : undefined;
  return cheaper ? cheaper(asTensor("pow", x)) : power(x, y);
}

/** Remainder with the sign of the divisor: `x - y·floor(x / y)`. */
export const mod = binary("mod", {
  gradient: (dy, x, y) => [dy, neg(mul(dy, floor(div(x, y))))],
  onnx: "Mod",
  scalar: (x, y) => x - y * Math.floor(x / y),
});

/** The larger of both; NaN wins. At a tie each operand gets half of the gradient. */
export const maximum = binary("maximum", {
  gradient: (dy, x, y) => shareGradient(dy, x, y),
  onnx: "Max",
  scalar: Math.max,
});

/** The smaller of both; NaN wins. At a tie each operand gets half of the gradient. */
export const minimum = binary("minimum", {
  gradient: (dy, x, y) => shareGradient(dy, y, x),
  onnx: "Min",
  scalar: Math.min,
});

function shareGradient(dy: Tensor, larger: Tensor, smaller: Tensor): readonly [Tensor, Tensor] {
  const share = where(equal(larger, smaller), mul(dy, 0.5), 0);
  return [where(less(smaller, larger), dy, share), where(less(larger, smaller), dy, share)];
}

/** `-x`. */
export const neg = unary("neg", { gradient: (dy) => neg(dy), onnx: "Neg", scalar: (x) => -x, integers: true });

/** `|x|`; the gradient at 0 is 0. */
export const abs = unary("abs", {
  gradient: (dy, x) => mul(dy, sign(x)),
  onnx: "Abs",
  scalar: Math.abs,
  integers: true,
});

/** -1, 0 or 1. */
export const sign = unary("sign", { gradient: null, onnx: "Sign", scalar: Math.sign, integers: true });

/** Largest whole number not above `x`. */
export const floor = unary("floor", { gradient: null, onnx: "Floor", scalar: Math.floor });

/** Smallest whole number not below `x`. */
export const ceil = unary("ceil", { gradient: null, onnx: "Ceil", scalar: Math.ceil });

/** Nearest whole number, ties to even. */
export const round = unary("round", { gradient: null, onnx: "Round", scalar: roundHalfToEven });

function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** `e^x`. */
export const exp = unary("exp", { gradient: (dy, _, y) => mul(dy, y), onnx: "Exp", scalar: Math.exp });

/** Natural logarithm. */
export const log = unary("log", { gradient: (dy, x) => div(dy, x), onnx: "Log", scalar: Math.log });

/** `log(1 + x)`, exact for small `x`. */
export const log1p = unary("log1p", {
  gradient: (dy, x) => div(dy, add(1, x)),
  onnx: (graph, x, one) => {
    // Kahan's correction: the rounding of u = 1 + x is undone by the factor x / (u - 1).
    const u = graph.node("Add", [one, x]);
    const quotient = graph.node("Div", [graph.node("Mul", [x, graph.node("Log", [u])]), graph.node("Sub", [u, one])]);
    const exact = graph.node("Or", [graph.node("Equal", [u, one]), graph.node("IsInf", [graph.cast(u, "float32")])]);
    return graph.node("Where", [exact, x, quotient]);
  },
  scalar: Math.log1p,
});

/** `e^x - 1`, exact for small `x`. */
export const expm1 = unary("expm1", {
  gradient: (dy, _, y) => mul(dy, add(y, 1)),
  onnx: (graph, x, one) => {
    // Kahan's correction again: u = e^x is rounded, but (u - 1)·x / log(u) is not hurt by it. Far from 0, u - 1 is exact.
    const u = graph.node("Exp", [x]);
    const difference = graph.node("Sub", [u, one]);
    const corrected = graph.node("Div", [graph.node("Mul", [difference, x]), graph.node("Log", [u])]);
    const near = graph.node("Less", [graph.node("Abs", [x]), one]);
    const chosen = graph.node("Where", [near, corrected, difference]);
    return graph.node("Where", [graph.node("Equal", [u, one]), x, chosen]);
  },
  scalar: Math.expm1,
});

/** Square root. */
export const sqrt = unary("sqrt", { gradient: (dy, _, y) => div(mul(dy, 0.5), y), onnx: "Sqrt", scalar: Math.sqrt });

/** `1 / x`. */
export const reciprocal = unary("reciprocal", {
  gradient: (dy, _, y) => neg(mul(dy, mul(y, y))),
  onnx: "Reciprocal",
  scalar: (x) => 1 / x,
});

export const sin = unary("sin", { gradient: (dy, x) => mul(dy, cos(x)), onnx: "Sin", scalar: Math.sin });
export const cos = unary("cos", { gradient: (dy, x) => neg(mul(dy, sin(x))), onnx: "Cos", scalar: Math.cos });
export const tan = unary("tan", { gradient: (dy, _, y) => mul(dy, add(1, square(y))), onnx: "Tan", scalar: Math.tan });
export const asin = unary("asin", {
  gradient: (dy, x) => mul(dy, rsqrt(sub(1, square(x)))),
  onnx: "Asin",
  scalar: Math.asin,
});
export const acos = unary("acos", {
  gradient: (dy, x) => neg(mul(dy, rsqrt(sub(1, square(x))))),
  onnx: "Acos",
  scalar: Math.acos,
});
export const atan = unary("atan", { gradient: (dy, x) => div(dy, add(1, square(x))), onnx: "Atan", scalar: Math.atan });
export const sinh = unary("sinh", { gradient: (dy, x) => mul(dy, cosh(x)), onnx: "Sinh", scalar: Math.sinh });
export const cosh = unary("cosh", { gradient: (dy, x) => mul(dy, sinh(x)), onnx: "Cosh", scalar: Math.cosh });
export const asinh = unary("asinh", {
  gradient: (dy, x) => mul(dy, rsqrt(add(1, square(x)))),
  onnx: "Asinh",
  scalar: Math.asinh,
});
export const acosh = unary("acosh", {
  gradient: (dy, x) => div(dy, mul(sqrt(sub(x, 1)), sqrt(add(x, 1)))),
  onnx: "Acosh",
  scalar: Math.acosh,
});
export const atanh = unary("atanh", {
  gradient: (dy, x) => div(dy, sub(1, square(x))),
  onnx: "Atanh",
  scalar: Math.atanh,
});

/** Hyperbolic tangent. */
export const tanh = unary("tanh", {
  gradient: (dy, _, y) => mul(dy, sub(1, square(y))),
  onnx: "Tanh",
  scalar: Math.tanh,
});

/**
 * Logistic function `1 / (1 + e^-x)`. The runtime's kernel loses relative precision below about -15 and gives 0 below
 * -18; use `logSigmoid` where a logarithm follows.
 */
export const sigmoid = unary("sigmoid", {
  gradient: (dy, _, y) => mul(dy, mul(y, sub(1, y))),
  onnx: "Sigmoid",
  scalar: (x) => 1 / (1 + Math.exp(-x)),
});

/** `log(1 + e^x)`, without overflow. */
export const softplus = unary("softplus", {
  gradient: (dy, x) => mul(dy, sigmoid(x)),
  onnx: "Softplus",
  scalar: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
});

/** `max(x, 0)`; the gradient at 0 is 0. */
export const relu = unary("relu", {
  // A factor of 0 or 1 costs half of what a selection does.
  gradient: (dy, _, y) => mul(dy, cast(less(0, y), y.dtype)),
  onnx: "Relu",
  scalar: (x) => Math.max(x, 0),
});

/** Error function `2/√π ∫_0^x e^(-t²) dt`. */
export const erf = unary("erf", {
  gradient: (dy, x) => mul(dy, mul(2 / Math.sqrt(Math.PI), exp(neg(square(x))))),
  onnx: "Erf",
  scalar: erfOfNumber,
});

/** `2/√π e^(-x²) Σ 2^n x^(2n+1) / (2n+1)!!`: all terms of one sign, so nothing cancels. */
function erfOfNumber(x: number): number {
  if (Math.abs(x) > 6 || Number.isNaN(x)) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const geluPrimitive = primitive<[x: Tensor], { readonly approximate: "none" | "tanh" }>("gelu", {
  shape: ([x]) => floatType("gelu", x),
  gradient: (dy, { inputs: [x], params: { approximate } }) => [
    // Half of a product of matrices, as `dy` mostly is, costs nothing.
    approximate === "none" ? mul(mul(dy, 0.5), geluSlopeTwice(x)) : mul(dy, geluTanhSlope(x)),
  ],
  onnx: (graph, [x], { approximate }, node) =>
    node.inputs[0]?.dtype === "float64"
      ? (float64Lowering[approximate === "none" ? "gelu" : "geluTanh"] as (typeof float64Lowering)[string])(graph, x)
      : graph.node("Gelu", [x], { approximate }),
});

/** `2·(Φ(x) + x·φ(x))`, written in `u = x/√2` so that both terms share it: each pass over the hidden layer counts. */
function geluSlopeTwice(x: Tensor): Tensor {
  const u = mul(x, Math.SQRT1_2);
  const density = mul(u, exp(sub(Math.log(2 / Math.sqrt(Math.PI)), square(u))));
  return add(add(erf(u), density), 1);
}

function geluTanhSlope(x: Tensor): Tensor {
  const scale = Math.sqrt(2 / Math.PI);
  const t = tanh(mul(scale, add(x, mul(0.044715, mul(x, square(x))))));
  const inner = mul(scale, add(1, mul(3 * 0.044715, square(x))));
  return mul(0.5, add(add(1, t), mul(x, mul(sub(1, square(t)), inner))));
}

/**
 * Gaussian error linear unit `x·Φ(x)`; `approximate: "tanh"` is the form of GPT-2.
 * Source: Hendrycks & Gimpel 2016, arXiv:1606.08415.
 */
export const gelu = (
  x: TensorLike,
  { approximate = "none" }: { readonly approximate?: "none" | "tanh" } = {},
): Tensor => geluPrimitive(asTensor("gelu", x), { approximate });

/** `x²`. */
export const square = (x: TensorLike): Tensor => mul(x, x);

/** `1 / √x`. */
export const rsqrt = (x: TensorLike): Tensor => reciprocal(sqrt(x));

/** `log(sigmoid(x))`, finite for large negative `x`. */
export const logSigmoid = (x: TensorLike): Tensor => neg(softplus(neg(x)));

/** `x·sigmoid(x)`, also called swish. */
export const silu = (x: TensorLike): Tensor => mul(x, sigmoid(x));

/** `x` limited to `[min, max]`. */
export const clip = (x: TensorLike, min: TensorLike, max: TensorLike): Tensor => minimum(maximum(x, min), max);

const cheapPowers = new Map<number, (x: Tensor) => Tensor>([
  [1, (x) => x],
  [2, square],
  [0.5, sqrt],
  [-1, reciprocal],
  [-0.5, rsqrt],
]);
